"""How fast a job works its device: pictures a second, seconds by stage, memory, busy share."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean

import psutil

from edit_benchmark.runtime.devices import Device

_SAMPLE_SECONDS = 0.5
_GIB = 2**30


def process_seconds() -> float:
    """Seconds since this process began, its imports included."""
    return time.time() - psutil.Process().create_time()


class Meter:
    """Counts from its making on; :meth:`line` says it in one line, :meth:`keep` for the report.

    Parameters
    ----------
    device
        Whose load is sampled; a CPU's is not. None for an editor that takes no device.
    load_seconds, compile_seconds
        What loading the model took, and how much of it compiling kernels.
    """

    def __init__(
        self, device: Device | None, load_seconds: float = 0.0, compile_seconds: float = 0.0
    ) -> None:
        self.load_seconds = load_seconds
        self._compile_seconds = compile_seconds
        self._gpu = device.gpu if device is not None else None
        self._began = time.monotonic()
        self._pictures = 0
        self._stages: dict[str, float] = {}
        self._busy: list[int] = []

    def count(self, pictures: int, **seconds: float) -> None:
        """Add ``pictures`` and what each stage took for all of them together, in seconds."""
        self._pictures += pictures
        for stage, spent in seconds.items():
            self._stages[stage] = self._stages.get(stage, 0.0) + spent

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Sample meanwhile how much of the time the GPU has a kernel running, twice a second."""
        if self._gpu is None:
            yield
            return
        ended = threading.Event()
        thread = threading.Thread(target=self._sample, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def line(self) -> str:
        """The summary for the job's log."""
        elapsed = max(time.monotonic() - self._began, 1e-9)
        parts = [f"{self._pictures} images in {elapsed:.1f} s, {self._pictures / elapsed:.2f} a s"]
        if self._pictures:
            parts += [
                f"{stage} {spent / self._pictures:.3f} s an image"
                for stage, spent in self._stages.items()
            ]
        parts.append(f"loading {self.load_seconds:.1f} s")
        peak = self._peak()
        if peak is not None:
            parts.append(f"at most {peak:.1f} GiB of device memory")
        if self._busy:
            parts.append(f"GPU busy {fmean(self._busy):.0f} %")
        return "; ".join(parts)

    def now(self) -> str:
        """The GPU's load and memory, for a progress bar; empty on a CPU."""
        peak = self._peak()
        if peak is None:
            return ""
        busy = f"GPU {self._busy[-1]} %, " if self._busy else ""
        return f"{busy}{peak:.1f} GiB"

    def keep(self, path: Path, kind: str, name: str) -> None:
        """Append what was counted to ``path`` as one line of JSON; ``name`` is the model or judge.

        A line of that size is written in one piece, so that jobs can share the file.
        """
        row = {
            "kind": kind,
            "name": name,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "gpu": self._gpu.name if self._gpu is not None else "",
            "images": self._pictures,
            "seconds": round(time.monotonic() - self._began, 3),
            "load_seconds": round(self.load_seconds - self._compile_seconds, 3),
            "compile_seconds": round(self._compile_seconds, 3),
            "stages": {stage: round(spent, 3) for stage, spent in self._stages.items()},
            "busy": round(fmean(self._busy) / 100, 3) if self._busy else None,
            "peak_gib": self._peak(),
        }
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _peak(self) -> float | None:
        # Through the module, if it is there: a model of the user's own may do without torch.
        if self._gpu is None or "torch" not in sys.modules:
            return None
        return round(sys.modules["torch"].cuda.max_memory_allocated() / _GIB, 1)

    def _sample(self, ended: threading.Event) -> None:
        import pynvml

        assert self._gpu is not None
        try:
            handle = pynvml.nvmlDeviceGetHandleByUUID(self._gpu.uuid)
            while not ended.wait(_SAMPLE_SECONDS):
                self._busy.append(int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu))
        except pynvml.NVMLError:  # not every container may ask
            return

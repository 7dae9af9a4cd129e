"""How fast a job works its device: pictures a second, seconds by stage, memory, busy share."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import fmean

from .devices import Device

_SAMPLE_SECONDS = 0.5
_GIB = 2**30


class Meter:
    """Counts from its making on; :meth:`line` says it in one line.

    Parameters
    ----------
    device
        Whose load is sampled; a CPU's is not.
    load_seconds
        What loading the model took.
    """

    def __init__(self, device: Device, load_seconds: float) -> None:
        self.load_seconds = load_seconds
        self._device = device
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
        if self._device.gpu is None:
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
        if self._device.gpu is not None:
            # Through the module, if it is there: a judge of the user's own may do without torch.
            if "torch" in sys.modules:
                peak = sys.modules["torch"].cuda.max_memory_allocated() / _GIB
                parts.append(f"at most {peak:.1f} GiB of device memory")
            if self._busy:
                parts.append(f"GPU busy {fmean(self._busy):.0f} %")
        return "; ".join(parts)

    def _sample(self, ended: threading.Event) -> None:
        import pynvml

        assert self._device.gpu is not None
        try:
            handle = pynvml.nvmlDeviceGetHandleByUUID(self._device.gpu.uuid)
            while not ended.wait(_SAMPLE_SECONDS):
                self._busy.append(int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu))
        except pynvml.NVMLError:  # not every container may ask
            return

"""Telemetry of a job: images a second, seconds of each stage, memory and load of its GPU."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

from edit_benchmark.results.files import append
from edit_benchmark.runtime.devices import Device
from edit_benchmark.runtime.keeping.place import start_time

log = logging.getLogger(__name__)

_SAMPLE_SECONDS = 0.5
_GIB = 2**30


def _now() -> float:
    """Seconds since the boot of the host."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


# Of the process that was started, since this is read at once: a job goes on in a child of it.
# psutil adds the time of the boot, which Linux gives in whole seconds only.
_job_began = start_time(os.getpid()) / os.sysconf("SC_CLK_TCK")


def job_begins() -> None:
    """A process that is kept for several jobs begins another one."""
    global _job_began
    _job_began = _now()


def job_seconds() -> float:
    """Seconds since the job began: since its process was started, its imports included, or since
    it was given to a process that is kept."""
    return _now() - _job_began


class Telemetry:
    """Counts images and seconds from its construction on.

    Parameters
    ----------
    device
        The device, or devices, whose load is sampled, if they are GPUs; None for a model that takes
        no device.
    load_seconds, compile_seconds
        Time that loading the model took, and the part of it that compiling kernels took.
    """

    def __init__(
        self, device: Device | None, load_seconds: float = 0.0, compile_seconds: float = 0.0
    ) -> None:
        self.load_seconds = load_seconds
        self._compile_seconds = compile_seconds
        self._gpus = device.gpus if device is not None else ()
        self._name = device.model_name if self._gpus and device is not None else ""
        self._began = time.monotonic()
        self._images = 0
        self._failed = 0
        self._failed_seconds = 0.0
        self._stages: dict[str, float] = {}
        #: Of each GPU.
        self._busy: list[list[int]] = [[] for _ in self._gpus]

    def count(self, images: int, /, **seconds: float) -> None:
        """Add ``images``, and the seconds of each stage for all of them together."""
        self._images += images
        for stage, spent in seconds.items():
            self._stages[stage] = self._stages.get(stage, 0.0) + spent

    def fail(self, samples: int, seconds: float) -> None:
        """Add ``samples`` that gave no image or answer, and the time they took all the same."""
        self._failed += samples
        self._failed_seconds += seconds

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Sample the GPU's load twice a second: the share of time in which a kernel runs."""
        if not self._gpus:
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

    def summary(self) -> str:
        """One line for the job's log."""
        elapsed = max(time.monotonic() - self._began, 1e-9)
        parts = [f"{self._images} images in {elapsed:.1f} s, {self._images / elapsed:.2f} a s"]
        if self._failed:
            parts.append(f"{self._failed} failed in {self._failed_seconds:.1f} s of it")
        if self._images:
            parts += [
                f"{stage} {spent / self._images:.3f} s an image"
                for stage, spent in self._stages.items()
            ]
        parts.append(f"loading {self.load_seconds:.1f} s")
        if peaks := self._peaks():
            parts.append(f"at most {_joined(peaks, '.1f')} GiB of device memory")
        if busy := self._shares():
            parts.append(f"GPU busy {_joined(busy, '.0f')} %")
        return "; ".join(parts)

    def current(self) -> str:
        """The GPU's load and memory, for a progress bar; empty on a CPU."""
        peaks = self._peaks()
        if not peaks:
            return ""
        last = [busy[-1] for busy in self._busy if busy]
        return f"{f'GPU {_joined(last)} %, ' if last else ''}{_joined(peaks, '.1f')} GiB"

    def append_to(self, path: Path, kind: str, name: str, made_by: Mapping[str, Any]) -> None:
        """Append one line of JSON to ``path``, for the report.

        Parameters
        ----------
        kind
            ``edit``, ``score`` or ``selftest``.
        name
            The model or judge.
        made_by
            Its ``settings`` and ``key_fields``, which tell jobs of one name apart.
        """
        row = {
            "kind": kind,
            "name": name,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "gpu": self._name,
            "gpus": len(self._gpus),
            "images": self._images,
            "failed": self._failed,
            "seconds": round(time.monotonic() - self._began, 3),
            "failed_seconds": round(self._failed_seconds, 3),
            "load_seconds": round(self.load_seconds - self._compile_seconds, 3),
            "compile_seconds": round(self._compile_seconds, 3),
            "stages": {stage: round(spent, 3) for stage, spent in self._stages.items()},
            "busy": round(fmean(busy) / 100, 3) if (busy := self._shares()) else None,
            "peak_gib": max(self._peaks(), default=None),
            "made_by": made_by,
        }
        try:
            append(path, json.dumps(row, ensure_ascii=False))
        except OSError as error:
            # The job's work is done and stored; a line less in a table is no reason to fail.
            log.warning("the job's timings are not kept: %s", error)

    def _peaks(self) -> list[float]:
        """The most memory that was in use on each GPU, in GiB."""
        # Through the module, if it is there: a model of the user's own may do without torch.
        if "torch" not in sys.modules:
            return []
        measure = sys.modules["torch"].cuda.max_memory_allocated
        return [round(measure(number) / _GIB, 1) for number in range(len(self._gpus))]

    def _shares(self) -> list[float]:
        """The mean load of each GPU, in percent."""
        return [fmean(busy) for busy in self._busy if busy]

    def _sample(self, ended: threading.Event) -> None:
        import pynvml

        try:
            handles = [pynvml.nvmlDeviceGetHandleByUUID(gpu.uuid) for gpu in self._gpus]
            while not ended.wait(_SAMPLE_SECONDS):
                for handle, busy in zip(handles, self._busy, strict=True):
                    busy.append(int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu))
        except pynvml.NVMLError:  # not every container may ask
            return


def _joined(values: Sequence[float], form: str = "") -> str:
    return " and ".join(f"{value:{form}}" for value in values)

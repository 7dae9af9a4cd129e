"""How long each GPU was busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from statistics import fmean
from typing import Any


class GpuLoad:
    """Share of the time in which each GPU has a kernel running, sampled ten times a second.

    Sampling lasts as long as the ``with`` block; ``cpu`` among the devices is left out.
    """

    def __init__(self, devices: Sequence[str]) -> None:
        self._indices = [int(device) for device in devices if device != "cpu"]
        self._samples: list[list[int]] = [[] for _ in self._indices]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> GpuLoad:
        self._start = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._seconds = time.monotonic() - self._start

    def _watch(self) -> None:
        if not self._indices:
            return
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in self._indices]
        while not self._ended.wait(0.1):
            for samples, handle in zip(self._samples, handles, strict=True):
                samples.append(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)

    def summary(self) -> dict[str, Any]:
        """Seconds of the block, and of them the busy and the idle ones of each GPU."""
        shares = [fmean(samples) / 100 for samples in self._samples if samples]
        busy = [round(share * self._seconds, 1) for share in shares]
        idle = [round((1 - share) * self._seconds, 1) for share in shares]
        return {"wall_seconds": round(self._seconds, 2), "gpu_busy_seconds": busy,
                "gpu_idle_seconds": idle}  # fmt: skip

"""Processes that import what loading a model takes before a job asks for one.

Imports take longer than reading the weights of the largest models. A run knows its devices and its
models from the start, so that this can be done while the benchmark and the checkpoints are read,
and again while a model works that another one will follow.
"""

from __future__ import annotations

import logging
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edit_benchmark.runtime.devices import Device, DeviceRequest, candidates
from edit_benchmark.runtime.keeping.processes import ModelProcess, spawn

log = logging.getLogger(__name__)
_LIBRARIES = Path(sysconfig.get_paths()["purelib"])


@dataclass
class Spares:
    """At most one spare process for each device, and so many in all as models will be loaded on it.

    Attributes
    ----------
    ahead
        What they import.
    left
        How many may still be started, by the name of the device's lock.
    """

    ahead: Sequence[str] = ()
    left: dict[str, int] = field(default_factory=dict)
    _waiting: dict[str, ModelProcess] = field(default_factory=dict)
    _libraries: dict[str, int] = field(default_factory=dict)

    def begin(self, devices: dict[str, Any], ahead: Sequence[str], each: int) -> None:
        """Have spares for all devices of a request, ``each`` of them in all."""
        self.end()
        try:
            found = candidates(DeviceRequest(**devices))
        except Exception:  # of a driver: the jobs will meet it too, and say so
            log.exception("no process can be had ahead of its job")
            return
        self.ahead, self.left = ahead, dict.fromkeys(found, each)
        for name, device in found.items():
            self.start(name, device)

    def start(self, name: str, device: Device) -> None:
        """Have a spare for a device, if there is none and it is worth it."""
        if name in self._waiting or self.left.get(name, 0) <= 0:
            return
        self.left[name] -= 1
        try:
            self._libraries[name] = _LIBRARIES.stat().st_mtime_ns
            self._waiting[name] = spawn(device, self.ahead)
        except OSError as error:
            log.warning("no process can be had ahead of its job: %s", error)

    def take(self, name: str) -> ModelProcess | None:
        """The device's spare, None if there is none that lives and has the libraries of today."""
        spare = self._waiting.pop(name, None)
        if spare is None:
            return None
        if not spare.has_exited() and _LIBRARIES.stat().st_mtime_ns == self._libraries[name]:
            return spare
        spare.end(0)
        return None

    def end(self) -> None:
        """End all that wait."""
        while self._waiting:
            self._waiting.popitem()[1].end(0)

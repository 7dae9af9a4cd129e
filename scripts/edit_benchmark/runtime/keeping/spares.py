"""Processes that import what loading a model takes before a job asks for one.

Imports take longer than reading the weights of the largest models. A run knows its devices and its
models from the start, so that this can be done while the benchmark and the checkpoints are read,
and again while a model works that another one will follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edit_benchmark.runtime.keeping.processes import ModelProcess, spawn
from edit_benchmark.runtime.leases import Device


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

    def start(self, name: str, device: Device) -> None:
        """Have a spare for a device, if there is none and it is worth it."""
        if name not in self._waiting and self.left.get(name, 0) > 0:
            self.left[name] -= 1
            self._waiting[name] = spawn(name, device, self.ahead)

    def take(self, name: str) -> ModelProcess | None:
        """The device's spare, None if there is none that lives."""
        spare = self._waiting.pop(name, None)
        if spare is None or not spare.has_exited():
            return spare
        spare.end(0)
        return None

    def end(self) -> None:
        """End all that wait."""
        while self._waiting:
            self._waiting.popitem()[1].end(0)

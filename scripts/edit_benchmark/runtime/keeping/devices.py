"""The devices of a keeper: which it holds, and which a job may have now.

All that is asked here is answered at once; nothing is ended or started.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from edit_benchmark.runtime import leases
from edit_benchmark.runtime.devices import Device, candidates
from edit_benchmark.runtime.keeping import room
from edit_benchmark.runtime.keeping.processes import Client, Held, ModelProcess

# A run that gives a device back for another one lets it come first.
_COURTESY_SECONDS = 2.0


class Devices:
    """Leased devices by the names of their locks, as ``held``."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self._given_back: dict[str, float] = {}

    def processes(self) -> list[ModelProcess]:
        """All model processes, each once."""
        every = (process for held in self.held.values() for process in held.processes)
        return list(dict.fromkeys(every))

    def of(self, process: ModelProcess) -> list[Held]:
        """The devices that a model process is on."""
        return [held for held in self.held.values() if process in held.processes]

    def give_back(self, held: Held) -> None:
        """Drop the lease of a device without processes."""
        held.lease.close()
        del self.held[held.name]

    def be_courteous(self, held: Held) -> None:
        """Another run waits for a device: it comes first."""
        self._given_back[held.name] = time.monotonic()

    def forget(self, client: Client) -> None:
        """What was kept for a client is free again."""
        for held in self.held.values():
            if held.reserved_for is client:
                held.reserved_for = None

    def loaded(self, client: Client) -> ModelProcess | None:
        """An idle process that has the client's model loaded, on devices that it may use."""
        for name in _candidates(client):
            held = self.held.get(name)
            for process in held.processes if held is not None else ():
                if process.model == client.model and all(
                    on.is_free_for(client) for on in self.of(process)
                ):
                    return process
        return None

    def place(self, client: Client) -> tuple[Sequence[Held], bool]:
        """The devices for a new process of a client's model; none if they cannot be had now.

        Returns
        -------
        tuple of a sequence and a bool
            And whether the models that are on them may stay.
        """
        names = _candidates(client)
        if client.devices.count > 1:
            return self._several(client), False
        for name, device in names.items():
            if name not in self.held and (held := self._lease(name, device, client)):
                return [held], True
        idle = [on for name in names if (on := self.held.get(name)) and on.is_free_for(client)]
        for held in idle:
            if room.is_room(held.device, client.weight_bytes):
                return [held], True
        # The model that was idle longest is the least likely to be wanted again.
        return [max(idle, key=lambda held: held.idle_seconds())] if idle else [], False

    def _several(self, client: Client) -> Sequence[Held]:
        """The devices for a model that is placed over several.

        Those that are free are kept for it until there are enough: a run whose jobs take one device
        each would never leave it two at once. All runs take them in the order of their names, each
        behind the last one, and leave those that too few are behind, so that no two wait for one
        another.
        """
        names, count = sorted(_candidates(client)), client.devices.count
        kept = [held for held in self.held.values() if held.reserved_for is client]
        kept.sort(key=lambda held: held.name)
        for number, name in enumerate(names):
            is_behind = not kept or name > kept[-1].name
            if not is_behind or not count - (len(names) - number) <= len(kept) < count:
                continue
            held = self.held.get(name) or self._lease(name, client.candidates[name], client)
            if held is not None and held.is_free_for(client):
                held.reserved_for = client
                kept.append(held)
        if len(kept) < count:
            return []
        self.forget(client)
        return kept

    def _lease(self, name: str, device: Device, client: Client) -> Held | None:
        recently = time.monotonic() - self._given_back.get(name, -_COURTESY_SECONDS)
        if recently < _COURTESY_SECONDS:
            return None
        file = leases.take(name, client.devices.purpose)
        if file is None:
            return None
        held = self.held[name] = Held(name, device, file)
        return held


def _candidates(client: Client) -> dict[str, Device]:
    """The devices that a client may use, which are asked for once: that takes a while."""
    if not client.candidates:
        client.candidates = candidates(client.devices)
    return client.candidates


def labels(places: Sequence[Held]) -> str:
    """Devices in words."""
    return " and ".join(held.device.label for held in places)

"""The model process's side: what it is, and the model that it has loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from edit_benchmark.runtime import run_lock
from edit_benchmark.runtime.devices import Device
from edit_benchmark.runtime.keeping.channel import Channel, Closed


@dataclass
class Resident:
    """A process that does jobs with one model on its devices, mostly one.

    Attributes
    ----------
    channel
        To the keeper.
    device, leases
        The device, and the files of its locks, which last as long as this process.
    model, key_fields
        What was loaded for the first job, and its part of the keys of what it makes.
    """

    channel: Channel
    device: Device
    leases: Sequence[IO[str]]
    model: Any = None
    key_fields: Mapping[str, Any] = field(default_factory=dict)


#: This process, if it is one.
current: Resident | None = None


class Stopped(Exception):
    """The job's client is gone: what is at hand was finished, the rest is left."""


def become(resident: Resident) -> None:
    """Make this process a model process."""
    global current
    current = resident


def stop_if_asked() -> None:
    """To be called between pictures; raises :class:`Stopped`.

    Raises
    ------
    UserError
        If this is a scheduler's job whose run was followed by another one.
    """
    run_lock.check_not_followed()
    # A keeper gives no other job to a process whose job has lost its client.
    if current is not None and current.channel.gets_no_more():
        raise Stopped


def make_room() -> None:
    """Have other models leave its devices, if this process is one of several on it."""
    if current is None:
        return
    try:
        current.channel.send({"needs_memory": True})
        current.channel.receive()
    except Closed:
        raise Stopped from None

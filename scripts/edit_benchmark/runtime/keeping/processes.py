"""The keeper's side: model processes, and the devices that they are on."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from edit_benchmark.runtime.devices import Device, DeviceRequest, environment, together
from edit_benchmark.runtime.keeping.channel import KIND, Channel, Closed

_MODEL_PROCESS = Path(__file__).parents[3] / "model_process.py"
#: So long a process may take to end by itself: for the picture at hand, and for what its model's
#: class does at the end of a process.
LAST_SECONDS = 3.0
# A process that a driver or a file system holds in the kernel cannot be ended.
_STUCK_SECONDS = 10.0


@dataclass(eq=False)
class Client:
    """A job that waits for a device or for its result.

    Attributes
    ----------
    descriptors
        Of the job's log and of its note of the samples under way.
    candidates
        The devices that it may use, by the names of their locks, once they were looked for.
    """

    channel: Channel
    model: str = ""
    weight_bytes: int = 0
    devices: DeviceRequest = field(default_factory=lambda: DeviceRequest((), 1, 1, ""))
    descriptors: Sequence[int] = ()
    candidates: dict[str, Device] = field(default_factory=dict)
    since: float = field(default_factory=time.monotonic)
    reported: float = 0.0

    def take(self, order: dict[str, Any]) -> None:
        """Take what the client orders; raises KeyError or TypeError if it is no order."""
        self.model, self.weight_bytes = order["model"], order["weight_bytes"]
        self.devices = DeviceRequest(**order["devices"])

    def close(self) -> None:
        """Close the connection, and what came through it."""
        self.channel.close()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = ()


@dataclass(eq=False)
class ModelProcess:
    """A process with one loaded model on its devices, mostly one, and the job that it does.

    Before it holds its device it is a spare: it imports what loading a model takes.
    """

    process: subprocess.Popen[bytes]
    channel: Channel
    model: str = ""
    keep_loaded: float = 0.0
    client: Client | None = None
    is_busy: bool = False
    since: float = field(default_factory=time.monotonic)

    def idle_seconds(self) -> float:
        """For how long it has had no job."""
        return 0.0 if self.is_busy else time.monotonic() - self.since

    def abandoned_seconds(self) -> float:
        """For how long it has done a job that nobody waits for."""
        is_abandoned = self.is_busy and self.client is None
        return time.monotonic() - self.since if is_abandoned else 0.0

    def abandon(self) -> None:
        """Its job's client is gone: it stops after what is at hand, and does no other job."""
        self.client = None
        self.since = time.monotonic()
        self.channel.send_no_more()

    def has_exited(self) -> bool:
        """Whether it came to an end; children of it may keep its end of the channel open."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.process.pid, flags) is not None

    def exits_within(self, seconds: float) -> bool:
        """Wait for it to end, for so long at most."""
        deadline = time.monotonic() + seconds
        while not self.has_exited():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        return True

    def end(self, grace: float) -> int | None:
        """Let it end in its own way for ``grace`` seconds, then end it and its children.

        Returns
        -------
        int
            Its exit code; None if it cannot be ended.
        """
        if grace > 0:
            self.channel.send_no_more()
            self.exits_within(grace)
        self.channel.close()
        # Before it is asked for its exit code: until then the group's number is nobody else's.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait() if self.exits_within(_STUCK_SECONDS) else None


@dataclass(eq=False)
class Held:
    """A leased device and the model processes on it, at most one of which works.

    Attributes
    ----------
    reserved_for
        The client that waits for more devices than are free, of which this is one.
    """

    name: str
    device: Device
    lease: IO[str]
    processes: list[ModelProcess] = field(default_factory=list)
    is_lost: bool = False
    reserved_for: Client | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a model works on it, or nothing can any more."""
        return self.is_lost or any(process.is_busy for process in self.processes)

    def is_free_for(self, client: Client) -> bool:
        """Whether a client may have it now."""
        return not self.is_busy and self.reserved_for in (None, client)

    def idle_seconds(self) -> float:
        """For how long each model on it has had no job, at least."""
        return min((process.idle_seconds() for process in self.processes), default=math.inf)


def start(
    places: Sequence[Held], model: str, keep_loaded: float, spare: ModelProcess | None = None
) -> ModelProcess:
    """A process for a model on these devices, ``spare`` if it can be had.

    It loads with its first job.
    """
    device = together([held.device for held in places])
    process = spare or spawn(device)
    process.model, process.keep_loaded = model, keep_loaded
    process.since = time.monotonic()
    # A lease lasts until the last process on the device has ended.
    with suppress(Closed):  # it has just ended: that is noticed
        locks = [held.lease.fileno() for held in places]
        process.channel.send({"hold": asdict(device)}, locks)
    for held in places:
        held.processes.append(process)
    return process


def spawn(device: Device, ahead: Sequence[str] = ()) -> ModelProcess:
    """A process that sees ``device`` alone and waits until it is given to it.

    Parameters
    ----------
    ahead
        What it imports meanwhile, see ``model_process.py``.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, KIND)
    ours.setblocking(False)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, str(_MODEL_PROCESS), "--channel", str(theirs.fileno()), "--ahead",
             *ahead],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=os.environ | environment(device),
            # A group of its own, with the children that a model's class starts.
            start_new_session=True,
        )  # fmt: skip
    return ModelProcess(process, Channel(ours))

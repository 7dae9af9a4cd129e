"""The keeper of a run: it holds leases of devices, and shares them out to jobs by cost.

A job waits until the keeper gives it a device. In this order it is given one on which its model is
loaded and idle; a free one; one of this run whose idle models leave it enough memory; one whose
idle models are made to leave. A device that another run waits for is given back after each job.

One thread does all: what happens is an event at a descriptor, or the passing of time.
"""

from __future__ import annotations

import logging
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from edit_benchmark.errors import UserError
from edit_benchmark.runtime import leases
from edit_benchmark.runtime.keeping import place, room
from edit_benchmark.runtime.keeping.channel import Channel, Closed
from edit_benchmark.runtime.keeping.processes import LAST_SECONDS, Client, Held, ModelProcess
from edit_benchmark.runtime.keeping.spares import Spares
from edit_benchmark.runtime.keeping.wishes import Wishes, is_wanted
from edit_benchmark.runtime.leases import Device

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.2
_REPORT_SECONDS = 30.0
# A run that gives a device back for another one lets it come first.
_COURTESY_SECONDS = 2.0
# A model whose job was ended may be hung: after so long it is ended as well.
_ABANDONED_SECONDS = 300.0


class Keeper:
    """Serves the jobs that connect to ``listener`` until the run has ended.

    What goes wrong with a job or a device is that job's error: work on other devices goes on.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._hear(listener, self._accept)
        self._waiting: list[Client] = []
        self._held: dict[str, Held] = {}
        self._given_back: dict[str, float] = {}
        self._wishes = Wishes()
        self._spares = Spares()

    def serve(self) -> None:
        """Serve jobs until the run has ended."""
        # Asked for at each turn: not every kernel tells when a process that is no child ends.
        while place.run_pid() is not None:
            for key, _ in self._selector.select(_TICK_SECONDS):
                # An event before it may have ended who this one is from.
                if self._selector.get_map().get(key.fd) is key:
                    key.data()
            self._notice_ends()
            self._end_idle()
            self._give_back_wanted()
            self._share_out()
            self._wish()
        self._leave()

    def _hear(self, source: socket.socket | Channel, act: Callable[[], None]) -> None:
        self._selector.register(source, selectors.EVENT_READ, act)

    # ----- Events -----

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # it is gone already, or there are too many
        connection.setblocking(False)
        client = Client(Channel(connection))
        if client.channel.peer_is_own():
            self._hear(client.channel, partial(self._hear_client, client))
        else:
            client.close()

    def _hear_client(self, client: Client) -> None:
        try:
            message, client.descriptors = client.channel.receive()
            if "warm" in message:
                self._spares.begin(**message["warm"])
                self._forget(client)
                return
            client.take(message["order"])
        except (Closed, KeyError, TypeError):
            self._forget(client)
            return
        self._waiting.append(client)

    def _hear_process(self, process: ModelProcess) -> None:
        try:
            message, _ = process.channel.receive()
        except Closed:
            self._ended(process)
            return
        if message.get("needs_memory"):
            held = self._place_of(process)
            for other in [other for other in held.processes if other is not process]:
                self._end(other)
            with suppress(Closed):
                process.channel.send({"others_left": True})
            return
        client, process.client = process.client, None
        process.is_busy = False
        process.since = time.monotonic()
        held = self._place_of(process)
        if client is not None:
            self._answer(client, message)
        if client is None or "error" in message:
            # The next job begins with a fresh one: nothing of a failure is carried over.
            self._end(process)
        else:
            # For the model that will follow this one; the device's first job is done by now.
            self._spares.start(held.name, held.device)

    def _ended(self, process: ModelProcess) -> None:
        """A model process is gone that nobody ended."""
        client, process.client = process.client, None
        code = self._end(process)
        if client is not None:
            self._answer(client, {"ended": code})

    def _answer(self, client: Client, message: dict[str, object]) -> None:
        with suppress(Closed):
            client.channel.send(message)
        self._forget(client)

    def _forget(self, client: Client) -> None:
        """A client has its answer, or is gone: then its job's work stops after what is at hand."""
        self._selector.unregister(client.channel)
        client.close()
        if client in self._waiting:
            self._waiting.remove(client)
        for process in self._processes():
            if process.client is client:
                process.abandon()

    # ----- Time passes -----

    def _notice_ends(self) -> None:
        for process in list(self._processes()):
            if process.has_exited():
                self._ended(process)

    def _end_idle(self) -> None:
        for process in list(self._processes()):
            has_hung = process.abandoned_seconds() > _ABANDONED_SECONDS
            if has_hung or process.idle_seconds() > process.keep_loaded:
                self._end(process)

    def _give_back_wanted(self) -> None:
        """Devices without a model, and devices without a job that other runs wait for."""
        for held in list(self._held.values()):
            if held.processes and (held.is_busy or not is_wanted(held.name)):
                continue
            if held.processes:
                log.info("%s given back: another run waits for it", held.device.label)
                self._given_back[held.name] = time.monotonic()
            for process in list(held.processes):
                self._end(process)
            held.lease.close()
            del self._held[held.name]

    def _share_out(self) -> None:
        """Give devices to the jobs that wait, in their order, those first that cost no loading."""
        for find in (self._loaded_on, self._device_for):
            for client in list(self._waiting):
                try:
                    self._try(client, find(client))
                except UserError as error:
                    self._answer(client, {"error": str(error)})
                except Exception as error:  # of a driver, or of a host without memory
                    log.exception("no device for a job")
                    cause = f"{type(error).__name__}: {error}"
                    problem = f"no device can be had ({cause}); run the same command again."
                    self._answer(client, {"error": problem})

    def _try(self, client: Client, process: ModelProcess | None) -> None:
        if process is None:
            self._report(client)
            return
        try:
            process.channel.send({"words": list(client.devices.words)}, client.descriptors)
        except Closed:  # it ended while it had no job: the client waits for another
            self._end(process)
            return
        self._waiting.remove(client)
        process.client, process.is_busy = client, True
        process.keep_loaded = client.devices.keep_loaded

    def _report(self, client: Client) -> None:
        now = time.monotonic()
        if now - client.since < 1 or now - client.reported < _REPORT_SECONDS:
            return
        client.reported = now
        held = leases.holders(list(client.candidates))
        with suppress(Closed):
            client.channel.send({"log": f"waiting for a device, held are {held}"})

    def _wish(self) -> None:
        self._wishes.change_to(
            name for client in self._waiting for name in client.candidates if name not in self._held
        )

    # ----- Devices -----

    def _loaded_on(self, client: Client) -> ModelProcess | None:
        """An idle process that has the client's model loaded, on a device that it may use."""
        for name in self._candidates(client):
            held = self._held.get(name)
            if held is None or held.is_busy:
                continue
            for process in held.processes:
                if process.model == client.model:
                    return process
        return None

    def _candidates(self, client: Client) -> dict[str, Device]:
        """The devices that a client may use, which are asked for once: that takes a while."""
        if not client.candidates:
            client.candidates = leases.candidates(client.devices)
        return client.candidates

    def _device_for(self, client: Client) -> ModelProcess | None:
        """A new process for the client's model; None if no device can be had now."""
        names = self._candidates(client)
        for name, device in names.items():
            if name not in self._held and (held := self._lease(name, device, client)):
                return self._start(held, client)
        idle = [held for name in names if (held := self._held.get(name)) and not held.is_busy]
        for held in idle:
            if room.is_room(held.device, client.weight_bytes):
                return self._start(held, client)
        if not idle:
            return None
        # The model that was idle longest is the least likely to be wanted again.
        held = max(idle, key=lambda held: held.idle_seconds())
        for process in list(held.processes):
            self._end(process)
        return None if held.is_lost else self._start(held, client)

    def _lease(self, name: str, device: Device, client: Client) -> Held | None:
        recently = time.monotonic() - self._given_back.get(name, -_COURTESY_SECONDS)
        if recently < _COURTESY_SECONDS:
            return None
        file = leases.take(name, client.devices.purpose)
        if file is None:
            return None
        held = self._held[name] = Held(name, device, file)
        return held

    def _start(self, held: Held, client: Client) -> ModelProcess:
        spare = self._spares.take(held.name)
        process = held.start(client.model, client.devices.keep_loaded, spare)
        self._hear(process.channel, partial(self._hear_process, process))
        log.info("pid %d loads a model on %s", process.process.pid, held.device.label)
        return process

    def _end(self, process: ModelProcess) -> int:
        """End a model process, at once if it has a job; its exit code."""
        held = self._place_of(process)
        held.processes.remove(process)
        self._selector.unregister(process.channel)
        code = process.end(0 if process.is_busy else LAST_SECONDS)
        if code is None:
            held.is_lost = True  # its lease lasts as long as the process
            log.error("pid %d cannot be ended: it keeps %s", process.process.pid, held.device.label)
            return -signal.SIGKILL
        log.info("pid %d left %s", process.process.pid, held.device.label)
        return code

    def _place_of(self, process: ModelProcess) -> Held:
        return next(held for held in self._held.values() if process in held.processes)

    def _processes(self) -> Iterator[ModelProcess]:
        for held in list(self._held.values()):
            yield from held.processes

    def _leave(self) -> None:
        """The run has ended: so do all model processes, those that work after what is at hand."""
        for process in self._processes():
            process.channel.send_no_more()
        deadline = time.monotonic() + LAST_SECONDS
        self._spares.end()
        for process in self._processes():
            process.end(max(0.0, deadline - time.monotonic()))

"""The keeper of a run: it holds leases of devices, and shares them out to jobs by cost.

A job waits until the keeper gives it a device. In this order it is given one on which its model is
loaded and idle; a free one; one of this run whose idle models leave it enough memory; one whose
idle models are made to leave. A device that another run waits for is given back after each job.
A model that is placed over several devices has them for itself.

One thread does all: what happens is an event at a descriptor, or the passing of time.
"""

from __future__ import annotations

import logging
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from edit_benchmark.errors import UserError
from edit_benchmark.runtime import leases
from edit_benchmark.runtime.keeping import place, processes
from edit_benchmark.runtime.keeping.channel import Channel, Closed
from edit_benchmark.runtime.keeping.devices import Devices, labels
from edit_benchmark.runtime.keeping.processes import LAST_SECONDS, Client, Held, ModelProcess
from edit_benchmark.runtime.keeping.spares import Spares
from edit_benchmark.runtime.keeping.wishes import Wishes, is_wanted

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.2
_REPORT_SECONDS = 30.0
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
        self._devices = Devices()
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
            for held in self._devices.of(process):
                for other in [other for other in held.processes if other is not process]:
                    self._end(other)
            with suppress(Closed):
                process.channel.send({"others_left": True})
            return
        client, process.client = process.client, None
        process.is_busy = False
        process.since = time.monotonic()
        places = self._devices.of(process)
        if client is not None:
            self._answer(client, message)
        if client is None or "error" in message:
            # The next job begins with a fresh one: nothing of a failure is carried over.
            self._end(process)
        else:
            # For the model that will follow this one; the device's first job is done by now.
            for held in places:
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
        self._devices.forget(client)
        for process in self._devices.processes():
            if process.client is client:
                process.abandon()

    # ----- Time passes -----

    def _notice_ends(self) -> None:
        for process in self._devices.processes():
            if process.has_exited():
                self._ended(process)

    def _end_idle(self) -> None:
        for process in self._devices.processes():
            has_hung = process.abandoned_seconds() > _ABANDONED_SECONDS
            if has_hung or process.idle_seconds() > process.keep_loaded:
                self._end(process)

    def _give_back_wanted(self) -> None:
        """Devices without a model, and devices without a job that other runs wait for."""
        for held in list(self._devices.held.values()):
            if held.reserved_for is not None:
                continue
            if held.processes and (held.is_busy or not is_wanted(held.name)):
                continue
            if held.processes:
                log.info("%s given back: another run waits for it", held.device.label)
                self._devices.be_courteous(held)
            for process in list(held.processes):
                self._end(process)
            self._devices.give_back(held)

    def _share_out(self) -> None:
        """Give devices to the jobs that wait, in their order, those first that cost no loading."""
        for find in (self._devices.loaded, self._load):
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
            name
            for client in self._waiting
            for name in client.candidates
            if name not in self._devices.held
        )

    # ----- Processes -----

    def _load(self, client: Client) -> ModelProcess | None:
        """A new process for the client's model; None if no device can be had now."""
        places, may_stay = self._devices.place(client)
        for held in [] if may_stay else places:
            for process in list(held.processes):
                self._end(process)
        if not places or any(held.is_lost for held in places):
            return None
        return self._start(places, client)

    def _start(self, places: Sequence[Held], client: Client) -> ModelProcess:
        # A spare sees one device alone.
        spare = self._spares.take(places[0].name) if len(places) == 1 else None
        process = processes.start(places, client.model, client.devices.keep_loaded, spare)
        self._hear(process.channel, partial(self._hear_process, process))
        log.info("pid %d loads a model on %s", process.process.pid, labels(places))
        return process

    def _end(self, process: ModelProcess) -> int:
        """End a model process, at once if it has a job; its exit code."""
        places = self._devices.of(process)
        for held in places:
            held.processes.remove(process)
        self._selector.unregister(process.channel)
        code = process.end(0 if process.is_busy else LAST_SECONDS)
        if code is None:
            for held in places:
                held.is_lost = True  # its lease lasts as long as the process
            log.error("pid %d cannot be ended: it keeps %s", process.process.pid, labels(places))
            return -signal.SIGKILL
        log.info("pid %d left %s", process.process.pid, labels(places))
        return code

    def _leave(self) -> None:
        """The run has ended: so do all model processes, those that work after what is at hand."""
        for process in self._devices.processes():
            process.channel.send_no_more()
        deadline = time.monotonic() + LAST_SECONDS
        self._spares.end()
        for process in self._devices.processes():
            process.end(max(0.0, deadline - time.monotonic()))

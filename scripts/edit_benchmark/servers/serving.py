"""The job's side of a server that the run starts: it is there while the job uses it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edit_benchmark.config.servers import Served
from edit_benchmark.errors import UserError
from edit_benchmark.records import dumps
from edit_benchmark.runtime.keeping import place
from edit_benchmark.runtime.keeping.channel import Channel, Closed
from edit_benchmark.runtime.kinds import Caller
from edit_benchmark.servers.started import ServerOrder, started

log = logging.getLogger(__name__)

_SCRIPT = Path(__file__).parents[2] / "serve.py"
_ENDED = "the run of this job was ended: run the same command again."
# A server may leave just when it is found.
_TRIES = 3
#: Has something called, from another thread, if the server ends while it is used.
Watch = Callable[[Callable[[UserError], None]], None]


@contextmanager
def use(settings: Served, caller: Caller) -> Iterator[Watch]:
    """The server of ``settings`` answers when the ``with`` block begins, if we start it.

    In a run on this host it is one process for all of the run's jobs, elsewhere the job's own.

    Raises
    ------
    UserError
        If it does not come to answer.
    """
    if settings.serve is None:
        yield _nothing
        return
    order = ServerOrder(
        where=caller.where,
        base_url=settings.base_url,
        command=settings.serve.command,
        ready_seconds=settings.serve.ready_seconds,
        devices=caller.devices,
        log=str(caller.layout.server_log(caller.section, caller.name)),
    )
    if place.run_has_ended():
        raise UserError(_ENDED)
    folder = place.folder() if place.run_pid() is not None else None
    if folder is None:
        with started(order):
            yield _nothing
        return
    log.info("waiting for the server (%s)", order.log)
    channel = _join(order, folder)
    log.info("the server answers")
    try:
        yield lambda act: _watch(channel, act)
    finally:
        # Wakes who waits for a message.
        with suppress(OSError):
            channel.socket.shutdown(socket.SHUT_RDWR)
        channel.close()


def _nothing(act: Callable[[UserError], None]) -> None:
    """Requests themselves show whether the server is there."""


def _join(order: ServerOrder, folder: Path) -> Channel:
    """A connection to the process that has the run's server, once that answers."""
    # Of one run, and of users that have the same server.
    shared = [os.environ.get(place.RUN), order.base_url, order.command, order.devices.count]
    path = folder / f"{hashlib.sha256(dumps(shared).encode()).hexdigest()[:24]}.server"
    for _ in range(_TRIES):
        with (folder / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            connection = place.connect(path)
            if connection is None:
                _start(order, path)
                connection = place.connect(path)
        if connection is None:
            continue
        channel = Channel(connection)
        try:
            message, _ = channel.receive()
        except Closed:
            channel.close()
            continue
        if "error" in message:
            channel.close()
            raise UserError(message["error"])
        return channel
    raise order.problem("left before it was used")


def _start(order: ServerOrder, path: Path) -> None:
    """Start the process that has the server, apart from the terminal and this job."""
    place.forget_dead(path.parent)
    output_path = Path(order.log)
    output_path.parent.mkdir(parents=True, exist_ok=True)
    with place.listen(path) as listener, output_path.open("ab") as output:
        subprocess.Popen(
            [sys.executable, str(_SCRIPT), "--listener", str(listener.fileno()),
             "--socket", str(path), "--order", json.dumps(order.as_json())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )  # fmt: skip


def _watch(channel: Channel, act: Callable[[UserError], None]) -> None:
    def wait() -> None:
        try:
            message, _ = channel.receive()
        except Closed:
            # Else the job is done, or requests show that the server is gone.
            if place.run_has_ended():
                act(UserError(_ENDED))
            return
        act(UserError(message["error"]))

    threading.Thread(target=wait, daemon=True).start()

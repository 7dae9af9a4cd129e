"""A server that a run's jobs share: in a process that their first job starts, until the run ends.

It leaves earlier if no job uses it and another one waits for its devices; the next job that needs
it starts it again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from edit_benchmark.errors import UserError
from edit_benchmark.runtime import leases
from edit_benchmark.runtime.keeping import place
from edit_benchmark.runtime.keeping.channel import Channel, Closed
from edit_benchmark.servers.started import ServerOrder, StartedServer, started

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.2
# Jobs of one judge follow one another: between two of them it is not idle.
_IDLE_SECONDS = 15.0


def share(order: ServerOrder, listener: socket.socket, path: Path) -> None:
    """Start the server and let the jobs that connect to ``listener`` use it; see the module."""
    # Also while it waits for devices, or for the server.
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_run, daemon=True).start()
    clients: list[Channel] = []
    problem = None
    try:
        with started(order) as server:
            _serve(server, listener, clients)
    except UserError as error:
        log.error("%s", error)
        problem = str(error)
    finally:
        # Nobody is to find it between its last look and its end.
        with (path.parent / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path.unlink(missing_ok=True)
            clients += _accepted(listener)
            listener.close()
        for client in clients:
            if problem is not None:
                with suppress(Closed):
                    client.send({"error": problem})
            client.close()


def _serve(server: StartedServer, listener: socket.socket, clients: list[Channel]) -> None:
    """Serve until no job uses it and others want its devices; UserError if the server ends."""
    used = time.monotonic()
    while True:
        sources: list[socket.socket | Channel] = [listener, *clients]
        ready, _, _ = select.select(sources, [], [], _TICK_SECONDS)
        for client in [client for client in clients if client in ready]:
            # A job says nothing more: it is gone.
            clients.remove(client)
            client.close()
        for client in _accepted(listener) if listener in ready else ():
            with suppress(Closed):
                client.send({"ready": True})
                clients.append(client)
        server.check()
        if clients:
            used = time.monotonic()
        has_time = time.monotonic() - used > _IDLE_SECONDS
        if has_time and any(map(leases.is_wanted, server.device.locks)):
            log.info("%s leaves: others wait for its devices", server.order.where)
            return


def _accepted(listener: socket.socket) -> list[Channel]:
    """All who have connected."""
    listener.setblocking(False)
    found = []
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            channel = Channel(connection)
            if channel.peer_is_own():
                found.append(channel)
            else:
                channel.close()
    return found


def _end_with_run() -> None:
    while place.run_pid() is not None:
        time.sleep(_TICK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)

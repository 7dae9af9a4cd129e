"""A server that is started here: on devices of its own, waited for until it answers, ended."""

from __future__ import annotations

import http.client
import logging
import os
import shlex
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edit_benchmark.errors import UserError
from edit_benchmark.runtime import leases, supervision
from edit_benchmark.runtime.devices import Device, DeviceRequest

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
# A server that is asked to end has so long for it.
_LAST_SECONDS = 10.0
# This host's own servers are not behind a proxy of the environment.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class ServerOrder:
    """A server that is to be started.

    Attributes
    ----------
    where
        The key of its first user in the configuration, for messages.
    base_url, command, ready_seconds
        As in the settings.
    devices
        What it is started on.
    log
        The file that all that it writes is appended to.
    """

    where: str
    base_url: str
    command: str
    ready_seconds: int
    devices: DeviceRequest
    log: str

    def as_json(self) -> dict[str, Any]:
        """For :meth:`of`, in another process."""
        return asdict(self)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> ServerOrder:
        """The order that :meth:`as_json` was made of."""
        return cls(**{**fields, "devices": DeviceRequest(**fields["devices"])})

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.base_url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    @property
    def words(self) -> list[str]:
        """The command line."""
        port = str(self.address[1])
        return [word.replace("{port}", port) for word in shlex.split(self.command)]

    def problem(self, what: str) -> UserError:
        """What is wrong with it, for the user."""
        return UserError(
            f"{self.where}: its server ({self.words[0]}) {what}; {self.log} may say why; what was "
            "answered is kept: mend it (serve.command) and run the same command again."
        )


@dataclass(frozen=True)
class StartedServer:
    """A server that answers: its process, which leads a group, and the devices that it has."""

    order: ServerOrder
    process: subprocess.Popen[bytes]
    device: Device

    def check(self) -> None:
        """Raises a UserError if it has ended."""
        code = self.process.poll()
        if code is not None:
            raise self.order.problem(f"ended {_ending(code)} while it was needed")


@contextmanager
def started(order: ServerOrder) -> Iterator[StartedServer]:
    """A server that answers within the ``with`` block, and holds the leases of its devices.

    Raises
    ------
    UserError
        If its address is taken, it cannot be started, ends, or does not answer in time.
    """
    with leases.lease(order.devices) as device:
        log.info("%s is started on %s", order.where, device.label)
        server = StartedServer(order, _start(order), device)
        try:
            _wait_until_ready(server)
            yield server
        finally:
            _end(server.process)


def _start(order: ServerOrder) -> subprocess.Popen[bytes]:
    with suppress(OSError), socket.create_connection(order.address, 1):
        host, port = order.address
        raise UserError(
            f"{order.where}: another server listens at {host}:{port}; end it, or give this one "
            "another port in base_url, and run the same command again."
        )
    path = Path(order.log)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("ab") as output:
            return subprocess.Popen(
                order.words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A group of its own, to be ended with all that it starts.
                start_new_session=True,
                preexec_fn=supervision.end_with_parent,
            )
    except OSError as error:
        raise order.problem(f"cannot be started ({error.strerror})") from None


def _wait_until_ready(server: StartedServer) -> None:
    order = server.order
    began = time.monotonic()
    while not _answers(order):
        code = server.process.poll()
        if code is not None:
            raise order.problem(f"ended {_ending(code)} before it answered")
        if time.monotonic() - began > order.ready_seconds:
            raise order.problem(
                f"did not answer within {order.ready_seconds} s (serve.ready_seconds)"
            )
        time.sleep(_POLL_SECONDS)
    server.check()
    log.info("%s answers after %.1f s", order.where, time.monotonic() - began)


def _answers(order: ServerOrder) -> bool:
    """Whether it says that it is well or, where it is not asked so, which models it has."""
    parts = urlsplit(order.base_url)
    status = _status(f"{parts.scheme}://{parts.netloc}/health")
    if status == http.HTTPStatus.NOT_FOUND:
        status = _status(f"{order.base_url}/models")
    return status == http.HTTPStatus.OK


def _status(url: str) -> int | None:
    """The status of a reply, None without one."""
    try:
        with _direct.open(url, timeout=5) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, http.client.HTTPException):
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and all that it started, in its own way if it does so soon."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ending(code: int) -> str:
    return f"with exit code {code}" if code >= 0 else f"by signal {signal.Signals(-code).name}"

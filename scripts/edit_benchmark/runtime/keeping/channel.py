"""Messages between processes of one user on one host: JSON, with descriptors, over a Unix socket.

Each message is one packet, which arrives whole or not at all: nobody waits for the rest of one. Its
text is a file in memory that goes with the packet, so that it may be of any length.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

#: The kind of socket that :class:`Channel` speaks over.
KIND = socket.SOCK_SEQPACKET
# The locks of as many devices as a model may be placed over.
_MOST_DESCRIPTORS = 64
_PEER = struct.Struct("3i")


class Closed(Exception):
    """The other end is gone."""


class Channel:
    """One end of a connection; each message is a JSON object and, maybe, some descriptors."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    def fileno(self) -> int:
        """The descriptor, for selectors."""
        return self.socket.fileno()

    def send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send a message.

        Raises
        ------
        Closed
            If the other end is gone; or does not read, if the socket is one that does not block.
        """
        try:
            with os.fdopen(os.memfd_create("message"), "wb") as file:
                file.write(json.dumps(message).encode())
                file.flush()
                rights = array.array("i", [file.fileno(), *descriptors])
                self.socket.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        except OSError:
            raise Closed from None

    def receive(self) -> tuple[dict[str, Any], list[int]]:
        """The next message and its descriptors, which the caller closes; raises :class:`Closed`."""
        try:
            _, received, *_ = socket.recv_fds(
                self.socket, 1, 1 + _MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
            )
        except OSError:
            raise Closed from None
        if not received:
            raise Closed
        text, *descriptors = received
        try:
            with os.fdopen(text, "rb") as file:
                file.seek(0)
                return json.load(file), descriptors
        except (OSError, ValueError):
            for descriptor in descriptors:
                os.close(descriptor)
            raise Closed from None

    def send_no_more(self) -> None:
        """Let the other end know that it gets no message any more; it can still send."""
        with suppress(OSError):  # it is gone
            self.socket.shutdown(socket.SHUT_WR)

    def gets_no_more(self) -> bool:
        """Whether all messages were received that will ever come."""
        try:
            return not self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Close this end."""
        self.socket.close()

    def peer_is_own(self) -> bool:
        """Whether the process at the other end is of this user."""
        packed = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        _, user, _ = _PEER.unpack(packed)
        return bool(user == os.getuid())

"""Replies of servers that are not finished work yet: each is kept the moment it arrives.

A reply was paid for. What becomes of it, a score or an edited image, may need further ones, and a
job can be killed in between: the next job finds it here in place of asking again.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edit_benchmark.results.files import write_text


@dataclass(frozen=True)
class Replies:
    """The replies for one piece of work, each a file under ``folder`` named by its request.

    Attributes
    ----------
    each_anew
        Equal requests are meant to be asked anew each time: the second one in a process has a reply
        of its own.
    """

    folder: Path
    each_anew: bool = False
    _times: Counter[str] = field(default_factory=Counter, compare=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def place(self, request: str) -> Path:
        """Where the reply to the request of this hash is kept; to be called once a request."""
        if not self.each_anew:
            return self.folder / f"{request}.json"
        with self._lock:
            self._times[request] += 1
            return self.folder / f"{request}-{self._times[request]}.json"

    def clear(self) -> None:
        """Forget all of them: the work is finished, or is to be made again."""
        if self.folder.exists():
            shutil.rmtree(self.folder, ignore_errors=True)


def read(place: Path) -> dict[str, Any] | None:
    """A reply that is kept; None if there is none, or half of one."""
    try:
        reply = json.loads(place.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return reply if isinstance(reply, dict) else None


def keep(place: Path, reply: Mapping[str, Any]) -> None:
    """Keep a reply; OSError if the disk takes nothing more."""
    write_text(place, json.dumps(reply, ensure_ascii=False) + "\n")


_current: ContextVar[Replies] = ContextVar("replies")


@contextmanager
def of(replies: Replies) -> Iterator[None]:
    """What is asked of servers within the ``with`` block, in this thread, is for this work."""
    token = _current.set(replies)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Replies:
    """The replies of the work that is under way in this thread; LookupError without any."""
    return _current.get()

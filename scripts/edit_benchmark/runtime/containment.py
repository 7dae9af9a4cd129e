"""Calls of code that is not ours: what a user's class does to the process is undone.

It may print, change the working directory, replace or close the standard streams, take over
signals, call ``sys.exit`` or raise ``KeyboardInterrupt``. What it raises becomes an ordinary error,
and the next sample finds the process as the first one did. Settings of torch and the like are left
alone: they are the class's own, and nothing else in its process uses them.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TypeVar

from edit_benchmark.errors import SampleError

Result = TypeVar("Result")


class _Unclosable(io.TextIOWrapper):
    """A stream that survives who closes it."""

    def close(self) -> None:
        self.flush()


def _redirect(source: int, descriptor: int) -> None:
    """``os.dup2``, also while another thread opens a file under a number that was closed."""
    while True:
        try:
            os.dup2(source, descriptor)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        else:
            return


@dataclass(frozen=True)
class _Surroundings:
    """Descriptors of the working directory and the log, and the stream into the log."""

    folder: int
    log: int
    stream: io.TextIOWrapper

    def restore(self) -> None:
        os.fchdir(self.folder)
        for descriptor in (1, 2):
            _redirect(self.log, descriptor)
        sys.stdout = sys.stderr = self.stream


_surroundings: _Surroundings | None = None
# One for all jobs of a process: a library may have kept it, for its warnings.
_stream: _Unclosable | None = None


def _log_stream() -> _Unclosable:
    global _stream
    if _stream is None or _stream.buffer.closed:
        raw = os.fdopen(os.dup(2), "wb", buffering=0)
        _stream = _Unclosable(raw, "utf-8", "backslashreplace", write_through=True)
    os.dup2(2, _stream.fileno())
    return _stream


@contextmanager
def prints_in_log() -> Iterator[None]:
    """For the ``with`` block whatever is printed goes to stderr, a job's log.

    stdout is the user's terminal, where a job writes one line.
    """
    global _surroundings
    sys.stdout.flush()
    stdout, log, folder = os.dup(1), os.dup(2), os.open(".", os.O_RDONLY)
    streams = sys.stdout, sys.stderr
    stream = _log_stream()
    _surroundings = _Surroundings(folder, log, stream)
    _surroundings.restore()
    try:
        yield
    finally:
        _surroundings = None
        sys.stdout, sys.stderr = streams
        os.dup2(stdout, 1)
        for descriptor in (stdout, log, folder):
            os.close(descriptor)


def contained(call: Callable[[], Result]) -> Result:
    """The result of ``call``, with the process as it was before.

    Raises
    ------
    Exception
        What ``call`` raised; a SampleError in place of anything that would end the process.
    KeyboardInterrupt
        If the user really interrupts.
    """
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    interrupted = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        signal.default_int_handler(number, frame)

    if handlers.get(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        result = call()
    except BaseException as error:
        if interrupted.is_set():
            raise KeyboardInterrupt from None
        if isinstance(error, Exception) and _text(error) is not None:
            raise
        name = type(error).__name__
        raise SampleError(name, f"the model's code raised it ({_text(error) or name})") from error
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if _surroundings is not None:
            _surroundings.restore()
    if interrupted.is_set():
        raise KeyboardInterrupt  # which the call swallowed
    return result


def _text(error: BaseException) -> str | None:
    """The error's message; None if it does not even have one."""
    try:
        return str(error)
    except Exception:
        return None

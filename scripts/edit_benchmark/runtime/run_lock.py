"""One run at a time in a results folder: a lock of the kernel's, which no crash leaves behind."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from edit_benchmark.errors import UserError


def hold(results: Path) -> IO[str]:
    """Lock a results folder until the file that is returned is closed, or the process ends.

    Where the file system knows no locks a warning takes their place.

    Raises
    ------
    UserError
        If another run has it, naming that.
    """
    results.mkdir(parents=True, exist_ok=True)
    file = _open(results / ".run.lock")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _holder(file.read())
        file.close()
        raise UserError(
            f"{results} is in use by {holder}; wait for its end, end it, or give this run another "
            "results folder (results: in the config)."
        ) from None
    except OSError as error:
        print(
            f"warning: {results}: its file system cannot lock files ({error.strerror}), so that a "
            "second run in it is not refused: start none.",
            file=sys.stderr,
        )
    line = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    with suppress(OSError):  # another user's file, or a full disk
        os.fchmod(file.fileno(), 0o666)  # whatever the umask: a folder may be shared
    with suppress(OSError):
        os.ftruncate(file.fileno(), 0)
        os.pwrite(file.fileno(), json.dumps(line).encode(), 0)
    return file


def _open(path: Path) -> IO[str]:
    try:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except PermissionError:  # another user's, which may open for reading
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be opened ({error.strerror}); mend its permissions, or remove it if "
            "no run is under way there."
        ) from None
    return os.fdopen(descriptor, "r")


def _holder(line: str) -> str:
    try:
        holder = json.loads(line)
        return f"the run of pid {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another run"

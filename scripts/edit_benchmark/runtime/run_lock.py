"""One run at a time in a results folder: a lock of the kernel's, which no crash leaves behind."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import IO

from edit_benchmark.errors import UserError
from edit_benchmark.results.layout import Layout

#: Set by the workflow for jobs on other hosts: the results folder's lock file, and which of the
#: runs that had it they belong to.
RUN = "EDIT_BENCHMARK_CLUSTER_RUN"


def hold(results: Path) -> IO[str]:
    """Lock a results folder until the file that is returned is closed, or the process ends.

    Where the file system knows no locks a warning takes their place.

    Raises
    ------
    UserError
        If another run has it, naming that.
    """
    results.mkdir(parents=True, exist_ok=True)
    file = _open(Layout(results).run_lock)
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
            "second run in it is not refused: start none. Of timings and costs that jobs of "
            "several hosts write at once some may be lost.",
            file=sys.stderr,
        )
    line = {
        "run": uuid.uuid4().hex,
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


def this_run(results: Path) -> str:
    """What a run that holds ``results`` sets as :data:`RUN`."""
    path = Layout(results).run_lock.resolve()
    return f"{_run_of(path)}:{path}"


def check_not_followed() -> None:
    """To be called between pictures: end a job that outlived its run once another one has begun.

    A scheduler goes on with the jobs of a run whose Snakemake was killed. That loses nothing, until
    the same command gives their work to other jobs.

    Raises
    ------
    UserError
        If another run has the results folder.
    """
    run, _, path = os.environ.get(RUN, "").partition(":")
    if run and (now := _run_of(Path(path))) and now != run:
        raise UserError(
            f"the run of this job ended and another one has begun in {Path(path).parent}, which "
            "does the rest; what this job finished is kept."
        )


def _run_of(path: Path) -> str:
    """The run that wrote a lock file last; empty if that cannot be said."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


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

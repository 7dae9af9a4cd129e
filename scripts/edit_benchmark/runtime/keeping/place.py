"""Where the socket of a run's keeper is, and which keeper serves a job."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from edit_benchmark.records import dumps
from edit_benchmark.runtime.keeping.channel import KIND

#: Set by the workflow for the jobs of a run on this host: pid and start time of its Snakemake,
#: and where that pid counts.
RUN = "EDIT_BENCHMARK_RUN"
# Variables that differ from job to job of one run and change nothing that a model makes.
_VOLATILE = frozenset({
    "_", "SHLVL", "PWD", "OLDPWD", "COLUMNS", "LINES", "TMPDIR", "TMP", "TEMP", "TEMPDIR",
    # Each job of a group is a step of Slurm's job.
    "SLURM_STEPID", "SLURM_STEP_ID", "SLURM_TASK_PID",
    "SLURM_SRUN_COMM_PORT", "SLURM_STEP_LAUNCHER_PORT",
})  # fmt: skip
# In /tmp a socket stays: a user's runtime folder goes with the user's last session, which a run
# under nohup outlives. Not TMPDIR, which may differ from job to job.
_PARENTS = (Path("/tmp"), Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp"), Path("/dev/shm"))
_LIBRARY = Path(__file__).parents[3]


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since the boot: a pid alone may be another's by now.

    Raises
    ------
    OSError
        If there is no such process, or it has ended and nobody has asked for its exit code yet.
    """
    line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    state, *fields = line.rpartition(")")[2].split()
    if state in "ZX":
        raise ProcessLookupError(pid)
    return int(fields[18])


def this_run() -> str:
    """What the Snakemake of a run sets as :data:`RUN`."""
    return f"{os.getpid()}:{start_time(os.getpid())}:{_numbering()}"


def run_pid() -> int | None:
    """The Snakemake of the run that this job belongs to; None if there is none on this host."""
    run = _run()
    return run[0] if run is not None and _lives(*run) else None


def run_has_ended() -> bool:
    """Whether this job is one of a run whose Snakemake is there no more."""
    run = _run()
    return run is not None and not _lives(*run)


def _run() -> tuple[int, int] | None:
    """Pid and start time of the run's Snakemake; None if this process cannot see it."""
    try:
        pid, started, numbering = map(int, os.environ.get(RUN, "").split(":"))
    except ValueError:
        return None
    return (pid, started) if numbering == _numbering() else None


def _lives(pid: int, started: int) -> bool:
    try:
        return start_time(pid) == started
    except OSError:
        return False


def _numbering() -> int:
    """Differs where a pid is another process's, as in a container."""
    return Path("/proc/self/ns/pid").stat().st_ino


def identity() -> str:
    """What jobs have to share to be served by one keeper, as a short hash.

    The run, the working directory, the interpreter, the environment, and the workflow's own code,
    which a user may change while a run goes on.
    """
    variables = {name: value for name, value in os.environ.items() if name not in _VOLATILE}
    # One environment has several names for its interpreter: python, python3.
    interpreter = [sys.prefix, sys.version]
    fields = [os.environ.get(RUN), str(Path.cwd()), interpreter, variables, _code_hash()]
    return hashlib.sha256(dumps(fields).encode("utf-8", "surrogateescape")).hexdigest()[:24]


@cache
def _code_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted(_LIBRARY.rglob("*.py")):
        digest.update(f"{path}\0".encode("utf-8", "surrogateescape"))
        digest.update(path.read_bytes())
    return digest.hexdigest()


def folder() -> Path | None:
    """A folder for sockets and locks that only this user can enter; None if none can be had."""
    name = f"image-edit-benchmark-{os.getuid()}"
    return next((place for parent in _PARENTS if (place := _private(parent / name))), None)


def _private(path: Path) -> Path | None:
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    except OSError:
        return None
    is_private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o777 == 0o700
    if not is_private or status.st_uid != os.getuid():
        return None
    # Not what is mounted for reading only by now, nor a file system without locks.
    try:
        with (path / "probe.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
    except OSError:
        return None
    return path


@contextmanager
def short(path: Path) -> Iterator[str]:
    """A name of ``path`` that fits into the 108 bytes of a socket's address, however long it is."""
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)


def connect(path: Path) -> socket.socket | None:
    """A connection to the keeper that listens at ``path``; None if none does."""
    connection = socket.socket(socket.AF_UNIX, KIND)
    try:
        with short(path) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        return None
    return connection


def listen(path: Path) -> socket.socket:
    """A socket that listens at ``path``, in place of one that nobody listens at any more."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, KIND)
    with short(path) as address:
        listener.bind(address)
    listener.listen(64)
    return listener


def forget_dead(folder: Path) -> None:
    """Remove the sockets of keepers and servers that were killed; only while none is started."""
    for path in [*folder.glob("*.keeper"), *folder.glob("*.server")]:
        try:
            with socket.socket(socket.AF_UNIX, KIND) as probe, short(path) as address:
                probe.connect(address)
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:
            continue

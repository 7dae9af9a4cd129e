"""Leases: which devices a job may use, one process on each, and few models loading at once.

Snakemake counts ``gpu`` but does not say which. A job takes an exclusive ``flock`` on one file a
device, in a folder of the host, before torch is imported; the kernel drops the lock when the
process ends, however it ends. filelock is not used because the holder's line is written into the
locked file itself, for those who wait.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO
from weakref import WeakSet

from edit_benchmark.errors import UserError
from edit_benchmark.runtime.devices import Device, DeviceRequest, candidates, environment, together

log = logging.getLogger(__name__)

#: Not under the working tree, so that two clones on one host see the same locks, and not TMPDIR,
#: which schedulers and users set differently for each job.
DEFAULT_FOLDER = Path("/tmp/image-edit-benchmark-leases")
# Locks that this process holds. What a model's class forks must not hold them longer than it.
_taken: WeakSet[IO[str]] = WeakSet()
_POLL_SECONDS = 0.5
_REPORT_SECONDS = 30.0


def lease_folder() -> Path:
    """The host-wide folder of lock files; ``EDIT_BENCHMARK_LEASES`` moves it."""
    return Path(os.environ.get("EDIT_BENCHMARK_LEASES") or DEFAULT_FOLDER)


@contextmanager
def lease(request: DeviceRequest) -> Iterator[Device]:
    """Hold one device for the ``with`` block, the first free one in the order of ``device_ids``.

    Where a model is placed over several, they are taken in the order of their locks' names,
    whatever the order of ``device_ids``, each behind the last one: two jobs that want several
    cannot wait for one another. Sets ``CUDA_VISIBLE_DEVICES``, so it has to come before torch is
    imported. Waits as long as all are taken, and says for whom.

    Raises
    ------
    UserError
        If no GPU was granted, or a GPU of ``device_ids`` is not there or is hidden.
    """
    devices = candidates(request)
    with ExitStack() as stack:
        names = sorted(devices) if request.count > 1 else list(devices)
        held: list[Device] = []
        taken: list[str] = []
        for missing in range(request.count, 0, -1):
            allowed = names[: len(names) - missing + 1]
            name = stack.enter_context(_first_free(allowed, "device", request.purpose))
            held.append(devices[name])
            taken.append(name)
            names = names[names.index(name) + 1 :]
        device = replace(together(held), locks=tuple(taken))
        os.environ.update(environment(device))
        yield device


@contextmanager
def load_slot(
    request: DeviceRequest, meanwhile: Callable[[], object] | None = None
) -> Iterator[None]:
    """Hold one of the host's places for loading a model; waits until one is free.

    A job that has to wait calls ``meanwhile`` once, for what can be done without a place. An error
    in it is only logged, since it occurs again when the same work is needed.
    """
    names = [f"load-{number}" for number in range(request.load_slots)]
    with _first_free(names, "load slot", request.purpose, meanwhile):
        yield


@contextmanager
def _first_free(
    names: Sequence[str],
    what: str,
    purpose: str,
    meanwhile: Callable[[], object] | None = None,
) -> Iterator[str]:
    """Hold the lock of the first free of ``names``, waiting while all are held."""
    began = time.monotonic()
    next_report = began
    wishes = ExitStack()
    while True:
        for name in names:
            file = take(name, purpose)
            if file is None:
                continue
            wishes.close()
            with file:
                waited = time.monotonic() - began
                log.info("%s %s taken after %.1f s by pid %d", what, name, waited, os.getpid())
                try:
                    yield name
                finally:
                    log.info("%s %s given back by pid %d", what, name, os.getpid())
            return
        if time.monotonic() >= next_report:
            if what == "device" and next_report == began:
                wishes.enter_context(wish(names))
            log.info("waiting for a %s, held are %s", what, holders(names))
            next_report = time.monotonic() + _REPORT_SECONDS
        if meanwhile is not None:
            try:
                meanwhile()
            except Exception:
                log.debug("work while waiting failed", exc_info=True)
            meanwhile = None
        else:
            time.sleep(_POLL_SECONDS)


def holders(names: Sequence[str]) -> str:
    """Who holds the locks of ``names``, in words."""
    folder = lease_folder()
    return "; ".join(f"{name}: {_holder(folder / f'{name}.lock')}" for name in names)


@contextmanager
def wish(names: Sequence[str]) -> Iterator[None]:
    """Let the processes that hold devices know that somebody waits for one of ``names``."""
    with ExitStack() as stack:
        for name in names:
            file = stack.enter_context(os.fdopen(_open(f"{name}.wanted"), "r"))
            # At most as long as somebody looks whether it is wanted.
            fcntl.flock(file, fcntl.LOCK_SH)
        yield


def is_wanted(name: str) -> bool:
    """Whether another process waits for the device whose lock is ``name``."""
    with os.fdopen(_open(f"{name}.wanted"), "r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _open(name: str) -> int:
    """A descriptor of a file of the folder of locks, which is made if it is not there.

    Raises
    ------
    UserError
        If it cannot be made.
    """
    folder = lease_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_uid == os.getuid():
            folder.chmod(0o1777)  # other users of the host take leases too
        try:
            return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except PermissionError:
            # fs.protected_regular: another user's file in a sticky folder opens only for reading,
            # which is enough for flock.
            return os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(
            f"{folder}: no lock file of a device can be made there ({error.strerror}); set "
            "EDIT_BENCHMARK_LEASES to a folder of this host that all who use its devices can write."
        ) from None


def take(name: str, purpose: str) -> IO[str] | None:
    """Take the lock of ``name``: its file, locked until it is closed; None if it is held."""
    descriptor = _open(f"{name}.lock")
    path = lease_folder() / f"{name}.lock"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise UserError(
            f"{lease_folder()}: its file system cannot lock files ({error.strerror}), so that two "
            "jobs could take one device; set EDIT_BENCHMARK_LEASES to a folder on a disk of this "
            "host."
        ) from None
    with suppress(OSError):  # another user's file
        os.fchmod(descriptor, 0o666)  # whatever the umask: other users take leases too
    # A cleaner of /tmp may have removed the file between open and flock: then the lock is on a
    # file that nobody else will find.
    try:
        same = os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        same = False
    if not same:
        os.close(descriptor)
        return None
    holder: Mapping[str, object] = {
        "pid": os.getpid(),
        "purpose": purpose,
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
    except OSError:
        pass  # opened for reading only: the lock holds, the waiting see an older holder's line
    return own(descriptor)


def own(descriptor: int) -> IO[str]:
    """The file of a lock that ``descriptor`` holds, for this process and no child of it."""
    os.set_inheritable(descriptor, False)
    file = os.fdopen(descriptor, "r")
    _taken.add(file)
    return file


def _close_all() -> None:
    for file in list(_taken):
        file.close()


os.register_at_fork(after_in_child=_close_all)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"pid {holder['pid']} since {holder['since']} ({holder['purpose']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"

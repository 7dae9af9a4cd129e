"""Node-local copies of checkpoints: what all jobs of a node load is read over the network once.

A copy is named by the checkpoint's fingerprint and proved by it, and the key of no edit or answer
knows of it. Staging is there for speed alone: where there can be no copy a sentence in the job's
log says why, and the checkpoint is loaded from where it lies.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from string import Template
from uuid import uuid4

from edit_benchmark.checkpoints import files
from edit_benchmark.checkpoints.fingerprint import fingerprint
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.checkpoints.safetensors import BROKEN

log = logging.getLogger(__name__)

# A network file system gives one reader less than it has.
_READERS = 4


def stage(checkpoint: Checkpoint, folder: str) -> Checkpoint:
    """The checkpoint on this node's disk, copied there unless another job did so before.

    The first job of a node copies, the others wait for it. The copy is whole or not there,
    whatever ends a job meanwhile. One that is not what was copied is made again.

    Parameters
    ----------
    checkpoint
        As it was resolved.
    folder
        Where copies lie, with variables of the environment as they are in this job; each user has
        a folder of their own in it.

    Returns
    -------
    Checkpoint
        It has the path of the copy; of ``checkpoint`` itself if there can be none, and if it is
        one file.
    """
    if Path(checkpoint.path).is_file():
        return checkpoint
    try:
        place = _expanded(folder) / f"image-edit-benchmark-{os.getuid()}"
        path = _copied(checkpoint, place)
    except _Unstaged as problem:
        log.warning(
            "checkpoint %s is not staged in %s: %s; it is loaded from %s",
            checkpoint.name, folder, problem, checkpoint.path,
        )  # fmt: skip
        return checkpoint
    return replace(checkpoint, path=str(path))


class _Unstaged(Exception):
    """Why there can be no copy, and what to do."""


def _expanded(folder: str) -> Path:
    known = {name: value for name, value in os.environ.items() if value}
    try:
        return Path(Template(folder).substitute(known)).expanduser()
    except KeyError as error:
        raise _Unstaged(f"the job's environment has no {error.args[0]}") from None


def _copied(checkpoint: Checkpoint, place: Path) -> Path:
    """The copy in ``place``, made if it is not there or not what it should be."""
    source, copy = Path(checkpoint.path), place / checkpoint.fingerprint
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(place / f"{checkpoint.fingerprint}.lock") as is_alone:
            if _is_whole(copy, source, checkpoint.fingerprint):
                log.info("checkpoint %s was found staged in %s", checkpoint.name, copy)
                return copy
            if is_alone:
                _clear(place, copy)
            _make(copy, source, checkpoint)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _Unstaged(f"its disk is full ({error.strerror}); make room there") from None
        raise _Unstaged(f"{error.filename or place}: {error.strerror}") from None
    return copy


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a copy, which ends with the process; False where the disk knows no locks.

    Without it two jobs may copy at once, and the copy of the first one counts.
    """
    with path.open("w") as file:
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info("another job copies the checkpoint: waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True


def _clear(place: Path, copy: Path) -> None:
    """Remove what killed jobs left of their copies, and a copy that is not what it should be."""
    for path in place.glob(f"{copy.name}.*.part"):
        shutil.rmtree(path)
    if copy.exists():
        log.warning("%s: not the checkpoint that was copied there: copied again", copy)
        # Another job may be reading it: its files are there until it closes them.
        shutil.rmtree(copy)


def _make(copy: Path, source: Path, checkpoint: Checkpoint) -> None:
    """Copy the checkpoint, under another name until it is whole."""
    paths = [path.relative_to(source) for path in files.content(source)]
    needed = sum((source / path).stat().st_size for path in paths)
    free = shutil.disk_usage(copy.parent).free
    if needed > free:
        raise _Unstaged(
            f"its disk has {free / 2**30:.1f} GiB free, and the checkpoint takes "
            f"{needed / 2**30:.1f}; make room there, or name a larger disk"
        )
    began = time.monotonic()
    part = copy.with_name(f"{copy.name}.{uuid4().hex}.part")
    try:
        _copy(paths, source, part)
        if not _is_whole(part, source, checkpoint.fingerprint):
            raise _Unstaged("what was copied is not what was read; look after its disk")
        try:
            part.rename(copy)
        except OSError:  # without locks another job may have been first
            if not _is_whole(copy, source, checkpoint.fingerprint):
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    seconds = time.monotonic() - began
    log.info(
        "checkpoint %s staged in %s: %.1f GiB in %.1f s",
        checkpoint.name, copy, needed / 2**30, seconds,
    )  # fmt: skip


def _copy(paths: Sequence[Path], source: Path, target: Path) -> None:
    """Copy files to the disk itself; a crash of the node leaves no copy with holes."""

    def copy(path: Path) -> None:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        # With its times, which the fingerprint of pickled weights knows.
        shutil.copy2(source / path, target / path)
        with (target / path).open("rb") as file:
            os.fsync(file.fileno())

    with ThreadPoolExecutor(_READERS) as pool:
        list(pool.map(copy, paths))


def _is_whole(copy: Path, source: Path, expected: str) -> bool:
    """Whether a copy has the fingerprint of its checkpoint, and each file as many bytes."""
    try:
        return fingerprint(copy) == expected and all(
            (copy / path.relative_to(source)).stat().st_size == path.stat().st_size
            for path in files.content(source)
        )
    except (OSError, *BROKEN):
        return False

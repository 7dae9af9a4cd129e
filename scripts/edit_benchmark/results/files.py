"""Files that are either whole or not there, and whether files are still what they were."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from edit_benchmark.errors import UserError


def _above_streams(path: str, flags: int) -> int:
    """An ``opener`` of files that a user's class cannot take for its standard streams.

    Images are read and written in threads while the class works. If it closes descriptor 1, the
    next file opened anywhere gets that number, and loses it when the streams are restored.
    """
    # What got such a number stays: so the next one is above, and the streams close it.
    while (descriptor := os.open(path, flags, 0o666)) <= 2:
        if flags & os.O_EXCL:
            Path(path).unlink()
    return descriptor


def read_bytes(path: Path) -> bytes:
    """The content of a file, also while a user's class closes and restores the streams."""
    with open(path, "rb", opener=_above_streams) as file:
        return file.read()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` so that ``path`` holds either its old or its whole new content."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name, flush it to the disk and rename it to ``path``."""
    write_parts(path, [data])


def write_parts(path: Path, parts: Iterable[bytes]) -> None:
    """The same of data that come in parts, of which only one need be in memory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: its files are the user's alone, whatever the umask says.
    temporary = path.parent / f".writing-{uuid4().hex}"
    digest = hashlib.sha256()
    try:
        with open(temporary, "xb", opener=_above_streams) as file:
            for part in parts:
                file.write(part)
                digest.update(part)
            file.flush()
            os.fsync(file.fileno())
        try:
            temporary.replace(path)
        except FileNotFoundError:
            # A network file system may have renamed it, lost the answer, and been asked again.
            if not path.is_file() or _sha256(path) != digest.digest():
                raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sha256(path: Path) -> bytes:
    with open(path, "rb", opener=_above_streams) as file:
        return hashlib.file_digest(file, "sha256").digest()


@contextmanager
def locked(file: IO[Any]) -> Iterator[bool]:
    """Hold an open file's lock, which ends with the process; False where there are no locks.

    It is seen on all hosts that share the file system, if that has locks at all; it waits as long
    as another process has it.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def append(path: Path, line: str) -> None:
    """Add a line to a file to which other jobs add theirs, on other hosts too.

    Hosts that share a file each have their own notion of where it ends, but for the one with the
    lock.
    """
    with path.open("ab", buffering=0) as file, locked(file):
        file.write((line + "\n").encode())


def state(paths: Iterable[Path]) -> str:
    """A short hash of paths, sizes and times: another one if a file was written, came or went.

    Nothing is read, so that it can be asked each time a workflow is parsed.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
            # Of the two times cp -p and rsync keep the one.
            known = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
        except (OSError, ValueError):
            known = "missing"
        # A path need not be UTF-8.
        digest.update(f"{path}\0{known}\0".encode(errors="backslashreplace"))
    return digest.hexdigest()[:16]


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be made or written.

    Raises
    ------
    UserError
        With the cause.
    """
    probe = folder / f".writing-{uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"{folder}: nothing can be written there ({error.strerror}); name another folder as "
            "results, or mend its disk or permissions."
        ) from None

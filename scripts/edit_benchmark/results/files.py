"""Files that are either whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from edit_benchmark.errors import UserError


def write_text(path: Path, text: str) -> None:
    """Write ``text`` so that ``path`` holds either its old or its whole new content."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name, flush it to the disk and rename it to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: its files are the user's alone, whatever the umask says.
    temporary = path.parent / f".writing-{uuid4().hex}"
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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

"""The image files that a benchmark file names: are they those of the last run?"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from edit_benchmark.dataset.readers.registry import HAVE_FILES, read
from edit_benchmark.errors import UserError


@cache
def state(path: Path, format: str) -> str:
    """A hash that is another one if an image file was replaced, came or went.

    It is over path, size and times of change of each file, not over its bytes: it is needed
    each time the workflow is parsed. Where rows cannot be read it ends, since who imports the
    benchmark says what is wrong. Empty for a format without image files.
    """
    if format not in HAVE_FILES:
        return ""
    digest = hashlib.sha256()
    try:
        for raw in read(path, format):
            if raw.image_file is not None:
                digest.update(_bytes(f"{raw.image_file}\0{_state_of(raw.image_file)}\n"))
    except (UserError, OSError) as error:
        digest.update(_bytes(str(error)))
    return digest.hexdigest()


def _state_of(path: Path) -> str:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return "missing"
    # Of the two times cp -p keeps the one, and a change of permissions sets the other.
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _bytes(text: str) -> bytes:
    return text.encode(errors="backslashreplace")  # a path need not be UTF-8

"""The image files that a benchmark file names: are they those of the last run?"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from edit_benchmark.dataset.readers.registry import HAVE_FILES, read
from edit_benchmark.errors import UserError
from edit_benchmark.results import files


@cache
def state(path: Path, format: str) -> str:
    """A hash that is another one if an image file was replaced, came or went.

    It is over path, size and times of change of each file, not over its bytes: it is needed
    each time the workflow is parsed. Empty for a format without image files, and for rows that
    cannot be read: who imports the benchmark says what is wrong.
    """
    if format not in HAVE_FILES:
        return ""
    try:
        return files.state(file for row in read(path, format) for file in row.image_files)
    except (UserError, OSError):
        return ""

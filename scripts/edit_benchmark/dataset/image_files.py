"""The image files that a benchmark file names: are they those of the last run?"""

from __future__ import annotations

from pathlib import Path

from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.readers.registry import FORMATS, read
from edit_benchmark.errors import UserError
from edit_benchmark.results import files


def state(path: Path, format: str, options: Options | None = None) -> str:
    """A hash that is another one if an image file was replaced, came or went.

    It is over path, size and times of change of each file, not over its bytes: it is needed
    each time the workflow is parsed. Empty for a format without image files, and for rows that
    cannot be read: who imports the benchmark says what is wrong.
    """
    if not FORMATS[format].have_images:
        return ""
    try:
        return files.state(file for row in read(path, format, options) for file in row.image_files)
    except (UserError, OSError):
        return ""

"""The edited images that tables name, proved to be those that were made."""

from __future__ import annotations

from pathlib import Path

from edit_benchmark import images
from edit_benchmark.errors import UserError
from edit_benchmark.results.files import read_bytes


def read(path: str, sha256: str, results: Path) -> bytes:
    """The bytes of an edited image, from its path relative to the results folder.

    Raises
    ------
    UserError
        If it is missing or is not the one that was edited.
    """
    file = results / path
    advice = "run again with --forcerun edit, which makes only what is missing."
    try:
        data = read_bytes(file)
    except OSError as error:
        raise UserError(
            f"{file}: the edited image cannot be read ({error.strerror}); {advice}"
        ) from None
    if images.sha256(data) != sha256:
        raise UserError(f"{file}: not the image that was edited (another hash); {advice}")
    return data

"""The edited images that tables name, proved to be those that were made."""

from __future__ import annotations

from pathlib import Path

from edit_benchmark import images
from edit_benchmark.errors import UserError
from edit_benchmark.records import Edit
from edit_benchmark.results.files import read_bytes


def read(edit: Edit, results: Path) -> bytes:
    """The bytes of the image of an ``edit`` that has one.

    Raises
    ------
    UserError
        If it is missing or is not the one that was edited.
    """
    path = results / edit.image
    try:
        data = read_bytes(path)
    except OSError as error:
        raise UserError(
            f"{path}: the edited image cannot be read ({error.strerror}); run again with "
            "--forcerun edit, which makes only what is missing."
        ) from None
    if images.sha256(data) != edit.image_sha256:
        raise UserError(
            f"{path}: not the image that was edited (another hash); run again with --forcerun "
            "edit, which makes only what is missing."
        )
    return data

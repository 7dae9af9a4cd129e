"""One row of a benchmark file, whatever its format, and the checks of its fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from edit_benchmark.errors import UserError

#: The mark with which some programs begin a UTF-8 file.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class RawSample:
    """One row of a benchmark file; ids and categories are not checked yet.

    ``place`` names file and line for messages, ``read_image`` reads the bytes of the source image
    and may raise UserError, ``texts`` holds the texts under the names of the fields of
    :class:`~edit_benchmark.records.Sample`.
    """

    place: str
    id: str
    category: str
    read_image: Callable[[], bytes]
    texts: dict[str, str]
    difficulty: str = ""
    tags: list[str] = field(default_factory=list)
    human_score: float | None = None


def from_row(path: Path, place: str, row: Any) -> RawSample:
    """The sample of a row with the field names that JSON lines and CSV share.

    Parameters
    ----------
    path
        The benchmark file; the path of an image is relative to its folder.
    place
        File and line, with which the sentence of an error begins.
    row
        The parsed row.

    Raises
    ------
    UserError
        If the row is no object, or one of its fields is missing or of another type.
    """
    check_object(place, row)
    image = text(place, row, "image", required=True)
    return RawSample(
        place=place,
        id=text(place, row, "id", required=True),
        category=text(place, row, "category", required=True),
        read_image=partial(_read_file, place, path.parent / image),
        texts={
            "instruction_en": text(place, row, "instruction") or text(place, row, "instruction_en"),
            "instruction_zh": text(place, row, "instruction_zh"),
            "description_en": text(place, row, "description"),
            "description_zh": text(place, row, "description_zh"),
            "rationale_en": text(place, row, "rationale"),
            "rationale_zh": text(place, row, "rationale_zh"),
        },
        difficulty=text(place, row, "difficulty"),
        tags=tags(place, row),
        human_score=number(place, row, "human_score"),
    )


def check_object(place: str, row: Any) -> None:
    """Refuse a row that has no named fields."""
    if not isinstance(row, dict):
        raise UserError(f"{place}: not an object with named fields.")


def text(place: str, row: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    """The field ``name`` of a row, empty if it is missing or null and not required.

    Raises
    ------
    UserError
        If it is no text, or holds a character that no file can.
    """
    value = row.get(name)
    if value is None:
        value = ""
    # A number is as good as its digits for an id; for a text it is a mistake elsewhere.
    if name == "id" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise UserError(f"{place}: field {name} is not a text.")
    if required and not value.strip():
        raise UserError(f"{place}: field {name} is missing.")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise UserError(
            f"{place}: field {name} holds a character that is no text (NUL, surrogate)."
        )
    return value


def tags(place: str, row: Mapping[str, Any]) -> list[str]:
    """The field ``tags`` of a row, empty if it is missing or null."""
    values = row.get("tags") or []
    if not isinstance(values, list) or not all(isinstance(tag, str) for tag in values):
        raise UserError(f"{place}: field tags is not a list of texts.")
    return [text(place, {"tags": tag}, "tags") for tag in values]


def number(place: str, row: Mapping[str, Any], name: str) -> float | None:
    """The field ``name`` of a row as a finite number, None if it is missing or null."""
    value = row.get(name)
    if value is None:
        return None
    try:
        converted = float(value)
    except (TypeError, ValueError, OverflowError):
        converted = math.nan
    if not math.isfinite(converted) or isinstance(value, bool):
        raise UserError(f"{place}: field {name} is not a number.")
    return converted


def _read_file(place: str, path: Path) -> bytes:
    try:
        # Reading a pipe or a device would never end.
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UserError(f"{place}: image {path} is not a file.")
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{place}: image {path} does not exist.") from None
    except OSError as error:
        raise UserError(
            f"{place}: image {path} cannot be read ({error.strerror or error})."
        ) from None
    except ValueError as error:  # a path that no file system takes
        raise UserError(f"{place}: image {path} cannot be read ({error}).") from None

"""One row of a benchmark file, whatever its format, and the checks of its fields."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from edit_benchmark.dataset.readers.raw_image import RawImage, decode_image, read_file
from edit_benchmark.errors import UserError, shorten

#: The mark with which some programs begin a UTF-8 file.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: The fields that JSON lines and CSV share.
FIELDS = (
    "id", "category", "instruction", "instruction_en", "instruction_zh", "image", "images", "mask",
    "description", "description_zh", "rationale", "rationale_zh", "difficulty", "tags",
    "human_score", "target", "after",
)  # fmt: skip
#: Source images of a sample, at most.
MOST_IMAGES = 10
# Without what these hold an editor would be asked for another edit.
_NEEDED_BUT_UNUSED = ("mask", "images")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Row(dict[str, Any]):
    """The fields of a row as they are parsed; ``twice`` is one that stood there twice, if any."""

    twice: str | None = None

    def __setitem__(self, name: str, value: Any) -> None:
        # Raised here, an exception would be lost in the parser written in C.
        if name in self:
            self.twice = name
        super().__setitem__(name, value)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, Any]]) -> Row:
        """The row of its pairs of name and value."""
        row = cls()
        for name, value in pairs:
            row[name] = value
        return row


@dataclass(frozen=True)
class RawSample:
    """One row of a benchmark file; ids and categories are not checked yet.

    Attributes
    ----------
    place
        File and line, for messages.
    sources
        Its source images, at least one; none of a later turn.
    texts
        The texts under the names of the fields of :class:`~edit_benchmark.records.Sample`.
    id_from
        What of the row the id is.
    mask
        A mask of the first source image, if there is one.
    unknown
        Names of the fields that are not read.
    fields
        What else a public benchmark says of the row and its judging needs.
    pictures
        Images beside the source, by the names that they have among the sample's ``fields``.
    after
        The id of the row whose edit is the source image of this one, if there is one.
    """

    place: str
    id: str
    category: str
    sources: tuple[RawImage, ...]
    texts: dict[str, str]
    difficulty: str = ""
    tags: list[str] = field(default_factory=list)
    human_score: float | None = None
    id_from: str = "field id"
    mask: RawImage | None = None
    unknown: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, RawImage] = field(default_factory=dict)
    after: str = ""

    @property
    def image_files(self) -> list[Path]:
        """The files of its images."""
        mask = [self.mask] if self.mask else []
        images = [*self.sources, *mask, *self.pictures.values()]
        return [image.file for image in images if image.file is not None]


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
    unknown = check_fields(place, row, FIELDS)
    mask, target = text(place, row, "mask"), text(place, row, "target")
    english, also = text(place, row, "instruction"), text(place, row, "instruction_en")
    if english and also and english != also:
        raise UserError(f"{place}: fields instruction and instruction_en differ; leave one out.")
    after = _after(place, row)
    return RawSample(
        place=place,
        id=text(place, row, "id", required=True),
        category=text(place, row, "category", required=True),
        sources=() if after else _sources(path, place, row),
        after=after,
        mask=_image(path, place, "mask", mask) if mask.strip() else None,
        pictures={"target_image": _image(path, place, "target", target)} if target.strip() else {},
        unknown=unknown,
        texts={
            "instruction_en": english or also,
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


def _after(place: str, row: Mapping[str, Any]) -> str:
    """The field ``after`` of a row: the turn before, whose edit is the only image that it has."""
    after = row.get("after")
    # An id may be written as a number.
    after = text(place, {"id": after}, "id") if type(after) is int else text(place, row, "after")
    given = [name for name in ("image", "images", "mask") if row.get(name) not in (None, "", [])]
    if after.strip() and given:
        raise UserError(
            f"{place}: fields after and {given[0]} are both given; a sample with after has the "
            "edit of that sample as its image: leave one of the two out."
        )
    return after if after.strip() else ""


def _sources(path: Path, place: str, row: Mapping[str, Any]) -> tuple[RawImage, ...]:
    """The source images of a row: that of the field ``image``, or those of ``images``."""
    image, images = text(place, row, "image"), texts(place, row, "images")
    if image.strip() and images:
        raise UserError(f"{place}: fields image and images are both given; leave one out.")
    if len(images) > MOST_IMAGES:
        raise UserError(
            f"{place}: field images holds {len(images)} images; a sample has at most {MOST_IMAGES}."
        )
    if not images:
        return (_image(path, place, "image", image),)
    if not all(name.strip() for name in images):
        raise UserError(f"{place}: an entry of field images is empty.")
    return tuple(_image(path, place, "images", name) for name in images)


def _image(path: Path, place: str, name: str, value: str) -> RawImage:
    """The image that the field ``name`` gives as a path beside ``path``, or as a data URL."""
    if _URL.match(value):
        raise UserError(
            f"{place}: {name} {shorten(value)} is a URL; download it, or leave out file://, and "
            "give the path of the file."
        )
    if not value.strip() or value.startswith("data:"):
        return RawImage(partial(decode_image, place, name, value))
    file = path.parent / value
    return RawImage(partial(read_file, place, name, file), file)


def check_fields(place: str, row: Any, known: Collection[str]) -> tuple[str, ...]:
    """Names of the fields of a row that are not ``known``.

    Raises
    ------
    UserError
        If the row has no named fields, has one twice, or one whose loss would make another edit.
    """
    if not isinstance(row, dict):
        raise UserError(f"{place}: not an object with named fields.")
    twice = getattr(row, "twice", None)
    if twice is not None:
        raise UserError(f"{place}: field {shorten(twice)!r} stands there twice.")
    unknown = tuple(name for name in row if name not in known)
    for name in _NEEDED_BUT_UNUSED:
        if name in unknown and row[name] not in (None, "", [], {}):
            raise UserError(
                f"{place}: field {name} is not supported in this format, and without it the sample "
                "would be another one; formats jsonl and csv have it."
            )
    return unknown


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
        raise UserError(f"{place}: field {name} is not a text: {_shown(value)}.")
    if required and not value.strip():
        raise UserError(f"{place}: field {name} is missing.")
    if _NO_TEXT.search(value):
        raise UserError(
            f"{place}: field {name} holds a character that is no text (NUL, surrogate)."
        )
    return value


def texts(place: str, row: Mapping[str, Any], name: str) -> list[str]:
    """The field ``name`` of a row, a list of texts, empty if it is missing or null."""
    values = row.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise UserError(f"{place}: field {name} is not a list of texts.")
    return [text(place, {name: value}, name) for value in values]


def tags(place: str, row: Mapping[str, Any]) -> list[str]:
    """The field ``tags`` of a row, empty if it is missing or null."""
    return texts(place, row, "tags")


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
        raise UserError(f"{place}: field {name} is not a number: {_shown(value)}.")
    return converted


def _shown(value: Any) -> str:
    return shorten(repr(value))

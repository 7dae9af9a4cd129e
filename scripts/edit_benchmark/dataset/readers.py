"""Benchmark files: each format read into the same raw rows, one at a time.

A new format is one generator of :class:`RawSample` and a line in :data:`FORMATS`.
"""

from __future__ import annotations

import base64
import binascii
import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import ijson

from edit_benchmark.errors import UserError

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class RawSample:
    """One row of a benchmark file before anything about it is believed.

    ``place`` names file and line for messages, ``picture`` reads the source picture's bytes and may
    raise UserError.
    """

    place: str
    id: str
    category: str
    picture: Callable[[], bytes]
    texts: dict[str, str]
    difficulty: str = ""
    tags: list[str] = field(default_factory=list)
    human_score: float | None = None


def read(path: Path, format: str) -> Iterator[RawSample]:
    """Rows of the benchmark file ``path``, in its order, without holding them all.

    Raises
    ------
    UserError
        With file and line, for the first row that cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head:
        raise UserError(f"{path}: not UTF-8 (it looks like UTF-16); save the file as UTF-8.")
    return FORMATS[format](path)


def _read_jsonl(path: Path) -> Iterator[RawSample]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            place = f"{path}, line {number}"
            if number == 1:
                line = line.removeprefix(_BOM)
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8"))
            except UnicodeDecodeError as error:
                raise UserError(f"{place}: not UTF-8 ({error.reason}).") from None
            except (ValueError, RecursionError) as error:
                raise UserError(f"{place}: not JSON ({error}).") from None
            yield _from_row(path, place, row)


def _read_csv(path: Path) -> Iterator[RawSample]:
    csv.field_size_limit(sys.maxsize)  # an instruction may be longer than the module's 131,072
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        while True:
            place = f"{path}, line {reader.line_num + 1}"
            try:
                row = next(reader)
            except StopIteration:
                return
            except UnicodeDecodeError as error:
                raise UserError(f"{path}: not UTF-8 ({error.reason}).") from None
            except csv.Error as error:
                raise UserError(f"{place}: not CSV ({error}).") from None
            if None in row or None in row.values():
                raise UserError(f"{place}: another number of cells than the header has columns.")
            filled: dict[str, Any] = {key: value for key, value in row.items() if value != ""}
            if "tags" in filled:
                filled["tags"] = [tag.strip() for tag in filled["tags"].split(";") if tag.strip()]
            yield _from_row(path, place, filled)


def _read_original(path: Path) -> Iterator[RawSample]:
    """The JSON list of the earlier program and of RE-Edit: pictures inline, one item at a time."""
    seen: Counter[str] = Counter()
    number = 0
    with path.open("rb") as file:
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)
        try:
            for number, row in enumerate(ijson.items(file, "item", use_float=True), start=1):
                place = f"{path}, item {number}"
                _check_object(place, row)
                category = _text(place, row, "subset", required=True)
                index = seen[category]
                seen[category] += 1
                image_path = _text(place, row, "original_image_path").replace("\\", "/")
                encoded = _text(place, row, "src_img_b64", required=True)
                yield RawSample(
                    place=place,
                    id=PurePosixPath(image_path).stem or f"{category}_{index}",
                    category=category,
                    picture=partial(_decode, place, encoded),
                    texts={
                        "instruction_en": _text(place, row, "edit_instruction_en"),
                        "instruction_zh": _text(place, row, "edit_instruction"),
                        "description_en": _text(place, row, "original_description_en"),
                        "description_zh": _text(place, row, "original_description"),
                        "rationale_en": _text(place, row, "rationale_short_en"),
                        "rationale_zh": _text(place, row, "rationale_short"),
                    },
                    difficulty=_text(place, row, "difficulty"),
                    tags=_tags(place, row),
                    human_score=_number(place, row, "human_score"),
                )
        except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
            problem = str(error).splitlines()[0]
            raise UserError(
                f"{path}, after item {number}: not JSON ({problem}); the file has to be one list "
                "of objects."
            ) from None
    if number == 0:
        raise UserError(f"{path}: no items; the file has to be one JSON list of objects.")


def _from_row(path: Path, place: str, row: Any) -> RawSample:
    _check_object(place, row)
    image = _text(place, row, "image", required=True)
    return RawSample(
        place=place,
        id=_text(place, row, "id", required=True),
        category=_text(place, row, "category", required=True),
        picture=partial(_read_picture, place, path.parent / image),
        texts={
            "instruction_en": _text(place, row, "instruction")
            or _text(place, row, "instruction_en"),
            "instruction_zh": _text(place, row, "instruction_zh"),
            "description_en": _text(place, row, "description"),
            "description_zh": _text(place, row, "description_zh"),
            "rationale_en": _text(place, row, "rationale"),
            "rationale_zh": _text(place, row, "rationale_zh"),
        },
        difficulty=_text(place, row, "difficulty"),
        tags=_tags(place, row),
        human_score=_number(place, row, "human_score"),
    )


def _check_object(place: str, row: Any) -> None:
    if not isinstance(row, dict):
        raise UserError(f"{place}: not an object with named fields.")


def _text(place: str, row: Mapping[str, Any], name: str, *, required: bool = False) -> str:
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


def _tags(place: str, row: Mapping[str, Any]) -> list[str]:
    tags = row.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise UserError(f"{place}: field tags is not a list of texts.")
    return [_text(place, {"tags": tag}, "tags") for tag in tags]


def _number(place: str, row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if number != number or number in (float("inf"), float("-inf")) or isinstance(value, bool):
        raise UserError(f"{place}: field {name} is not a number.")
    return number


def _read_picture(place: str, path: Path) -> bytes:
    try:
        # A pipe or a device would be read for ever.
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UserError(f"{place}: picture {path} is not a file.")
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{place}: picture {path} does not exist.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{place}: picture {path} cannot be read ({reason}).") from None


def _decode(place: str, encoded: str) -> bytes:
    # Some writers store a data URL; the picture is what follows the comma.
    _, _, tail = encoded.rpartition(",")
    try:
        return base64.b64decode("".join(tail.split()), validate=True)
    except binascii.Error as error:
        raise UserError(f"{place}: field src_img_b64 is not base64 ({error}).") from None


FORMATS: dict[str, Callable[[Path], Iterator[RawSample]]] = {
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "original": _read_original,
}

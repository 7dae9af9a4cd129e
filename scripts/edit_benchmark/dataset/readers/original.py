"""The JSON list of the earlier program and of RE-Edit: one object a sample, images inline.

RE-Edit's own loader also takes an object of such lists, by category.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import ijson

from edit_benchmark.categories import canonical
from edit_benchmark.dataset.readers.raw_image import RawImage, decode_image
from edit_benchmark.dataset.readers.raw_sample import (
    BYTE_ORDER_MARK,
    RawSample,
    Row,
    check_fields,
    number,
    tags,
    text,
)
from edit_benchmark.errors import UserError, shorten

FIELDS = (
    "subset", "original_image_path", "src_img_b64", "edit_instruction", "edit_instruction_en",
    "original_description", "original_description_en", "rationale_short", "rationale_short_en",
    "difficulty", "tags", "human_score",
    "seed",  # of the model that drew the source image
)  # fmt: skip


def read_original(path: Path) -> Iterator[RawSample]:
    """Items of ``path``, parsed one at a time.

    Raises
    ------
    UserError
        For the first item that is wrong, or if the file is neither one JSON list of objects nor one
        object of such lists by category.
    """
    next_index: Counter[str] = Counter()
    position = 0
    with path.open("rb") as file:
        is_list = _find_value(file)
        items = ijson.items(file, "item", use_float=True, map_type=Row)
        try:
            found = ((None, row) for row in items) if is_list else _of_lists(path, file)
            for position, (key, row) in enumerate(found, start=1):
                place = f"{path}, item {position}"
                unknown = check_fields(place, row, FIELDS)
                category = text(place, row, "subset", required=True)
                if key is not None and (canonical(key) or key) != (canonical(category) or category):
                    raise UserError(
                        f"{place}: subset {shorten(category)!r} stands in the list of "
                        f"{shorten(key)!r}; put it where it belongs."
                    )
                yield _from_item(place, row, category, next_index[category], unknown)
                next_index[category] += 1
        except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
            raise UserError(
                f"{path}, after item {position}: not JSON ({_problem(error)}); the file has to be "
                "one list of objects."
            ) from None
    if position == 0:
        raise UserError(f"{path}: no items; the file has to be one JSON list of objects.")


def _find_value(file: BinaryIO) -> bool:
    """Leave ``file`` where its JSON value begins; whether that is no object."""
    if file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
        file.seek(0)
    begin = file.tell()
    is_object = file.read(1000).lstrip().startswith(b"{")
    file.seek(begin)
    return not is_object


def _of_lists(path: Path, file: BinaryIO) -> Iterator[tuple[str, Any]]:
    """Key and item of an object of lists, an item in memory at a time."""
    keys: set[str] = set()
    key, builder = "", None
    for prefix, event, value in ijson.parse(file, use_float=True):
        if builder is None and event == "map_key":
            key = value
            if key in keys:
                raise UserError(f"{path}: the list {shorten(key)!r} stands there twice.")
            keys.add(key)
        elif builder is None and event == "start_map" and prefix == f"{key}.item":
            builder = ijson.ObjectBuilder(map_type=Row)
        elif builder is None and prefix and (prefix, event[-6:]) != (key, "_array"):
            raise UserError(
                f"{path}: an object, and what it has under {shorten(key)!r} is no list of objects; "
                "give one list of objects, or an object of such lists by category; for one object "
                "a line say format: jsonl."
            )
        if builder is not None:
            builder.event(event, value)
            if event == "end_map" and prefix == f"{key}.item":
                yield key, builder.value
                builder = None


def _problem(error: Exception) -> str:
    """What the parser says is wrong, with the text beside it, in one line."""
    said = error.args[0] if error.args else ""
    said = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    lines = [" ".join(line.split()) for line in said.splitlines()[:2]]
    return " near ".join(shorten(line) for line in lines if line)


def _from_item(
    place: str, row: Mapping[str, Any], category: str, index: int, unknown: tuple[str, ...]
) -> RawSample:
    """The sample of an item; ``index`` (0-based) is its position within its category.

    The id is the file name of the original image, or, without one, category and index.
    """
    image_path = text(place, row, "original_image_path").replace("\\", "/")
    encoded = text(place, row, "src_img_b64")
    name = PurePosixPath(image_path).stem
    return RawSample(
        place=place,
        id=name or f"{category}_{index}",
        id_from=(
            f"the file name in original_image_path {shorten(image_path)}"
            if name
            else "subset and position, without an original_image_path"
        ),
        category=category,
        sources=(RawImage(partial(decode_image, place, "src_img_b64", encoded)),),
        texts={
            "instruction_en": text(place, row, "edit_instruction_en"),
            "instruction_zh": text(place, row, "edit_instruction"),
            "description_en": text(place, row, "original_description_en"),
            "description_zh": text(place, row, "original_description"),
            "rationale_en": text(place, row, "rationale_short_en"),
            "rationale_zh": text(place, row, "rationale_short"),
        },
        difficulty=text(place, row, "difficulty"),
        tags=tags(place, row),
        human_score=number(place, row, "human_score"),
        unknown=unknown,
    )

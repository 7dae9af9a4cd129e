"""The JSON list of the earlier program and of RE-Edit: one object a sample, images inline."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import ijson

from edit_benchmark.dataset.readers.raw_sample import (
    BYTE_ORDER_MARK,
    RawSample,
    check_object,
    number,
    tags,
    text,
)
from edit_benchmark.errors import UserError


def read_original(path: Path) -> Iterator[RawSample]:
    """Items of ``path``, parsed one at a time.

    Raises
    ------
    UserError
        For the first item that is wrong, or if the file is not one JSON list of objects.
    """
    next_index: Counter[str] = Counter()
    position = 0
    with path.open("rb") as file:
        if file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
            file.seek(0)
        try:
            for position, row in enumerate(ijson.items(file, "item", use_float=True), start=1):
                place = f"{path}, item {position}"
                check_object(place, row)
                category = text(place, row, "subset", required=True)
                yield _from_item(place, row, category, next_index[category])
                next_index[category] += 1
        except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
            problem = str(error).splitlines()[0]
            raise UserError(
                f"{path}, after item {position}: not JSON ({problem}); the file has to be one list "
                "of objects."
            ) from None
    if position == 0:
        raise UserError(f"{path}: no items; the file has to be one JSON list of objects.")


def _from_item(place: str, row: Mapping[str, Any], category: str, index: int) -> RawSample:
    """The sample of an item; ``index`` (0-based) is its position within its category.

    The id is the file name of the original image, or, without one, category and index.
    """
    image_path = text(place, row, "original_image_path").replace("\\", "/")
    encoded = text(place, row, "src_img_b64", required=True)
    return RawSample(
        place=place,
        id=PurePosixPath(image_path).stem or f"{category}_{index}",
        category=category,
        read_image=partial(_decode, place, encoded),
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
    )


def _decode(place: str, encoded: str) -> bytes:
    # Some writers store a data URL; the image is what follows the comma.
    _, _, tail = encoded.rpartition(",")
    try:
        return base64.b64decode("".join(tail.split()), validate=True)
    except binascii.Error as error:
        raise UserError(f"{place}: field src_img_b64 is not base64 ({error}).") from None

"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edit_benchmark.dataset.readers.raw_sample import (
    BYTE_ORDER_MARK,
    RawSample,
    Row,
    check_fields,
    from_row,
)
from edit_benchmark.errors import UserError


def read_jsonl(path: Path) -> Iterator[RawSample]:
    """Rows of ``path``; empty lines are passed over.

    Raises
    ------
    UserError
        For the first line that is not UTF-8 or not JSON, or has a wrong field.
    """
    for place, row in _values(path):
        yield from_row(path, place, row)


def objects(path: Path) -> Iterator[tuple[str, Row]]:
    """File and line for messages, and the object, of each line.

    Raises
    ------
    UserError
        For the first line that is not UTF-8, not JSON, or no object with each field once.
    """
    for place, row in _values(path):
        check_fields(place, row, row if isinstance(row, Row) else ())
        yield place, row


def _values(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            place = f"{path}, line {number}"
            if number == 1:
                line = line.removeprefix(BYTE_ORDER_MARK)
                if line.lstrip().startswith(b"[") or line.strip() == b"{":
                    raise UserError(
                        f"{path}: one JSON value goes over the whole file, but format jsonl has an "
                        "object on each line; a list with the images inline is format original."
                    )
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8"), object_pairs_hook=Row.of)
            except UnicodeDecodeError as error:
                raise UserError(f"{place}: not UTF-8 ({error.reason}).") from None
            except (ValueError, RecursionError) as error:
                raise UserError(f"{place}: not JSON ({error}).") from None
            yield place, row

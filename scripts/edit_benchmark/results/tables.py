"""The tables between stations: records as JSON lines.

JSON lines keep what CSV loses (missing against empty, lists, line breaks in texts); the tables made
for people, in the report, are CSV.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from sys import intern
from typing import Any, TypeVar

from edit_benchmark.errors import UserError
from edit_benchmark.records import Edit, Preference, Sample, Score
from edit_benchmark.results.files import write_parts

Record = TypeVar("Record", bound=Sample | Edit | Score | Preference)

_NAMES = {
    kind: [field.name for field in fields(kind)] for kind in (Sample, Edit, Score, Preference)
}
#: Names of fields before 0.2, so that a run that was started then can be continued.
_FORMER_NAMES = {"picture": "image", "picture_sha256": "image_sha256"}


def write_rows(path: Path, rows: Iterable[Sample | Edit | Score | Preference]) -> None:
    """Write records as JSON lines, atomically."""
    write_parts(path, map(_line, rows))


def _line(row: Sample | Edit | Score | Preference) -> bytes:
    # Not asdict(), which copies what is within, and takes most of the time of a large table.
    values = {name: getattr(row, name) for name in _NAMES[type(row)]}
    return f"{json.dumps(values, ensure_ascii=False, allow_nan=False)}\n".encode()


def read_rows(path: Path, kind: type[Record]) -> list[Record]:
    """Read JSON lines into records of ``kind``.

    Raises
    ------
    UserError
        If the file is missing or a line is not such a record.
    """
    return list(each_row(path, kind))


def each_row(path: Path, kind: type[Record]) -> Iterator[Record]:
    """The same, one row at a time."""
    try:
        # As bytes, lines end at line feeds alone: texts may hold separators that JSON leaves as
        # they are. What is no UTF-8 is found with the line that it is in.
        file = path.open("rb")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run the workflow to make it.") from None
    with file:
        for number, line in enumerate(file, start=1):
            if line == b"\n":
                continue
            try:
                written: dict[str, Any] = json.loads(line)
                current: dict[str, Any] = {
                    # Of an id or a key that many rows name there is one text in memory.
                    _FORMER_NAMES.get(name, name): intern(value) if type(value) is str else value
                    for name, value in written.items()
                }
                row = kind(**current)
            except (ValueError, TypeError, AttributeError) as error:
                raise UserError(
                    f"{path}, line {number}: not a {kind.__name__} record ({error}); "
                    "delete the file and run the workflow again."
                ) from None
            yield row

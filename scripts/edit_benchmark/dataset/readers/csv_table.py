"""CSV with a header: the columns are the fields of JSON lines, lists are separated by ``;``."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edit_benchmark.dataset.readers.raw_sample import RawSample, from_row
from edit_benchmark.errors import UserError, shorten

_LISTS = {"tags", "images"}
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_csv(path: Path) -> Iterator[RawSample]:
    """Rows of ``path``; an empty cell is a missing field.

    Raises
    ------
    UserError
        For a header that does not name the fields, and for the first row that is not UTF-8 or not
        CSV, or has a wrong field.
    """
    for place, fields in csv_fields(path):
        for name in _LISTS & fields.keys():
            fields[name] = [part.strip() for part in fields[name].split(";") if part.strip()]
        yield from_row(path, place, fields)


def csv_fields(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row of a CSV file: file and line for messages, and its cells that are not empty.

    Raises
    ------
    UserError
        For a header that does not name the fields, and for the first row that is not UTF-8 or not
        CSV.
    """
    header: list[str] | None = None
    for line, cells in _lines(path):
        place = f"{path}, line {line}"
        if not cells:
            continue
        if header is None:
            header = cells
            _check_header(path, header)
            continue
        if len(cells) != len(header):
            raise UserError(
                f"{place}: {len(cells)} cells, but the header has {len(header)} columns."
            )
        fields: dict[str, Any] = {
            name: cell for name, cell in zip(header, cells, strict=True) if cell != ""
        }
        if "" in fields:
            raise UserError(f"{place}: {shorten(fields[''])!r} stands in a column without a name.")
        yield place, fields


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line, and cells of each row; the header too, and empty ones."""
    csv.field_size_limit(sys.maxsize)  # an instruction may be longer than the module's 131,072
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        while True:
            number = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except UnicodeDecodeError as error:
                raise UserError(f"{path}: not UTF-8 ({error.reason}).") from None
            except csv.Error as error:
                raise UserError(f"{path}, line {number}: not CSV ({error}).") from None
            yield number, cells


def _check_header(path: Path, header: Sequence[str]) -> None:
    for separator, name in _SEPARATORS.items():
        if len(header) == 1 and separator in header[0]:
            raise UserError(
                f"{path}: the columns are separated by {name}; save the file with commas."
            )
    for column, count in Counter(header).items():
        if column != column.strip():
            raise UserError(
                f"{path}: column {shorten(column)!r} of the header has spaces around its name; "
                "write names and cells without spaces beside the commas."
            )
        if count > 1 and column:
            raise UserError(f"{path}: the header has column {shorten(column)!r} twice.")

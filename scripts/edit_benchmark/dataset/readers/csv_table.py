"""CSV with a header: the columns are the fields of JSON lines, tags are separated by ``;``."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edit_benchmark.dataset.readers.raw_sample import RawSample, from_row
from edit_benchmark.errors import UserError


def read_csv(path: Path) -> Iterator[RawSample]:
    """Rows of ``path``; an empty cell is a missing field.

    Raises
    ------
    UserError
        For the first row that is not UTF-8 or not CSV, or has a wrong field.
    """
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
            # DictReader marks a row that is too long or too short with None.
            if None in row or None in row.values():
                raise UserError(f"{place}: another number of cells than the header has columns.")
            fields: dict[str, Any] = {key: value for key, value in row.items() if value != ""}
            if "tags" in fields:
                fields["tags"] = [tag.strip() for tag in fields["tags"].split(";") if tag.strip()]
            yield from_row(path, place, fields)

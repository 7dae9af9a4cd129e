"""The first sheet of an .xlsx file, which is a zip of XML (ECMA-376, SpreadsheetML)."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from edit_benchmark.errors import UserError

_SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_SHEET = "xl/worksheets/sheet1.xml"
_TEXTS = "xl/sharedStrings.xml"
# What zipfile and the parser raise for a damaged or encrypted file, or another one.
_NOT_WHOLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    ElementTree.ParseError,
    LookupError,
    ValueError,
)


def read_xlsx(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Each row below the first, which has the names: its number and its values, None if empty.

    Raises
    ------
    UserError
        If it is no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sheet = ElementTree.fromstring(archive.read(_SHEET))
            texts = []
            if _TEXTS in archive.namelist():
                shared = ElementTree.fromstring(archive.read(_TEXTS))
                texts = [_joined(item) for item in shared.iter(f"{_SPACE}si")]
        rows = [
            (int(row.get("r", "0")), {_column(cell): _value(cell, texts) for cell in row})
            for row in sheet.iter(f"{_SPACE}row")
        ]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    except _NOT_WHOLE as error:
        raise UserError(
            f"{path}: not a whole .xlsx file ({error}); copy it again, or save it as CSV."
        ) from None
    if not rows:
        raise UserError(f"{path}: its first sheet is empty.")
    (_, heading), *others = rows
    names = {column: str(name) for column, name in heading.items() if name is not None}
    return [
        (number, {name: cells.get(column) for column, name in names.items()})
        for number, cells in others
    ]


def _column(cell: ElementTree.Element) -> str:
    """The letters of a cell's place, such as B of B7."""
    return re.sub(r"\d", "", cell.attrib["r"])


def _value(cell: ElementTree.Element, texts: list[str]) -> str | float | bool | None:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return _joined(cell) or None
    value = cell.findtext(f"{_SPACE}v")
    if value is None or kind == "e":
        return None
    if kind == "s":
        return texts[int(value)]
    if kind == "b":
        return value == "1"
    return float(value) if kind == "n" else value


def _joined(element: ElementTree.Element) -> str:
    """The text of all runs."""
    return "".join(run.text or "" for run in element.iter(f"{_SPACE}t"))

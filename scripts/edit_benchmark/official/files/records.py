"""Records of a benchmark's result files; whatever is wrong with one is said with file and row."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edit_benchmark.errors import SampleError, UserError, shorten
from edit_benchmark.official.answers import number
from edit_benchmark.official.files.xlsx import read_xlsx

_PICKLES = (".pkl", ".pickle", ".pth", ".pt")
_ABSENT = ("", None)
_MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Record:
    """One row of a file.

    Attributes
    ----------
    where
        What a message calls it: the file and the row, line or entry.
    fields
        Its values by name, of CSV as texts.
    """

    where: str
    fields: Mapping[str, Any]

    def error(self, problem: str) -> UserError:
        """The error that something is wrong with the record."""
        return UserError(f"{self.where}: {problem}.")

    def get(self, name: str) -> Any:
        """The value of a field that has to be there, whatever it is."""
        if name not in self.fields:
            known = shorten(", ".join(map(str, self.fields)) or "nothing", 200)
            raise self.error(
                f"no field {name} (there is {known}); give a result file of this benchmark, as "
                "its own scripts write it"
            )
        return self.fields[name]

    def text(self, name: str) -> str:
        """The text of a field that must not be empty."""
        value = self.get(name)
        if value in _ABSENT:
            raise self.error(f"{name} is empty; give the file as it was written")
        return str(value)

    def entries(self, name: str) -> list[Any]:
        """The value of a field that has to be a list."""
        value = self.get(name)
        if not isinstance(value, list):
            raise self.error(f"{name} is not a list; give the file as it was written")
        return value

    def count(self, name: str) -> int:
        """The number of rows that a field gives."""
        value = self.number(name, 0, _MOST_ROWS)
        if value is None or value % 1:
            raise self.error(f"{name} is not how many rows there are")
        return int(value)

    def number(
        self, name: str, lowest: float = -math.inf, highest: float = math.inf
    ) -> float | None:
        """The number of a field; None if it is empty."""
        value = self.get(name)
        if value in _ABSENT or (isinstance(value, float) and math.isnan(value)):
            return None
        if isinstance(value, str) and value.strip().lower() == "nan":
            return None
        try:
            return number(_plain(value), lowest, highest)
        except SampleError as error:
            raise self.error(f"{name}: {error}; correct the row or take it out") from None

    def flag(self, name: str) -> bool:
        """A truth value, in any of the spellings of CSV and JSON."""
        value = str(self.get(name)).strip().lower()
        if value in ("true", "1", "1.0"):
            return True
        if value in ("false", "0", "0.0"):
            return False
        raise self.error(f"{name} is {shorten(value)!r}, neither true nor false")


def _plain(value: object) -> object:
    """A number that is written as one, with a sign or an exponent too."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def read_json(path: Path) -> Any:
    """The content of a JSON file, in which no key stands twice.

    Raises
    ------
    UserError
        If it cannot be read, naming the line.
    """
    try:
        return json.loads(_text(path), object_pairs_hook=_without_doubles)
    except json.JSONDecodeError as error:
        raise _no_json(f"{path}, line {error.lineno}", error.msg) from None
    except (ValueError, RecursionError) as error:
        raise _no_json(str(path), error) from None
    except _DoubleKey as error:
        raise UserError(f"{path}: two entries are called {error}; take one of them out.") from None


def _no_json(where: str, problem: object) -> UserError:
    return UserError(
        f"{where}: not JSON ({problem}); the file was cut off or altered: copy it again or repeat "
        "the evaluation that writes it."
    )


class _DoubleKey(Exception):
    """A key that stands twice in an object."""


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _DoubleKey(repr(key))
        found[key] = value
    return found


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that is an object; errors as of :func:`read_json`."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a JSON object; give the file as the benchmark writes it.")
    return content


def read_records(path: Path) -> list[Record]:
    """The rows of a table, by the file's name: .csv, .xlsx, .jsonl, or .json with a list.

    Raises
    ------
    UserError
        If it cannot be read, naming the row.
    """
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise UserError(
            f"{path} is a pickle, which can run any code when it is read; give the .xlsx, .csv or "
            ".json that the benchmark's script writes of it, or convert it yourself where you "
            "trust it: pandas.DataFrame(pandas.read_pickle(FILE)).to_json(OUT, orient='records')."
        )
    if suffix == ".csv":
        return _csv_records(path)
    if suffix == ".xlsx":
        rows = read_xlsx(path)
        return [Record(f"{path}, row {number}", fields) for number, fields in rows]
    if suffix == ".jsonl":
        return _json_lines(path)
    if suffix == ".json":
        content = read_json(path)
        if isinstance(content, list):
            return records_of(path, content)
        raise UserError(f"{path}: not a list of rows; give the file as the benchmark writes it.")
    raise UserError(f"{path}: neither .csv, .xlsx, .jsonl nor .json.")


def records_of(path: Path, entries: Iterable[Any], what: str = "entry") -> list[Record]:
    """Entries of a JSON list as records, counted from 1."""
    records = []
    for number_, entry in enumerate(entries, start=1):
        where = f"{path}, {what} {number_}"
        if not isinstance(entry, dict):
            raise UserError(f"{where}: {shorten(str(entry))!r} is not an object with fields.")
        records.append(Record(where, entry))
    return records


def check_unique(keys: Iterable[tuple[Hashable, Record]], what: str) -> None:
    """Refuse two records of one key.

    Raises
    ------
    UserError
        Naming both.
    """
    first: dict[Hashable, Record] = {}
    for key, record in keys:
        if key in first:
            shown = "/".join(map(str, key)) if isinstance(key, tuple) else key
            raise record.error(
                f"the {what} {shown} stands at {first[key].where} already, and no row can count "
                "twice; take one of them out"
            )
        first[key] = record


def _csv_records(path: Path) -> list[Record]:
    # Not splitlines(): texts may hold other separators of lines than those of files.
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    records: list[Record] = []
    names: list[str] = []
    try:
        for cells in reader:
            if not names:
                names = cells
            elif cells:
                if len(cells) != len(names):
                    raise UserError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells for {len(names)} "
                        "columns; the file was cut off or altered: copy it again."
                    )
                where = f"{path}, line {reader.line_num}"
                records.append(Record(where, dict(zip(names, cells, strict=True))))
    except csv.Error as error:
        raise UserError(
            f"{path}, line {reader.line_num}: not CSV ({error}); the file was cut off or altered: "
            "copy it again."
        ) from None
    if not names:
        raise UserError(f"{path} is empty.")
    return records


def _json_lines(path: Path) -> list[Record]:
    records = []
    for number_, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number_}"
        try:
            fields = json.loads(line, object_pairs_hook=_without_doubles)
        except (ValueError, RecursionError) as error:
            raise _no_json(where, error) from None
        except _DoubleKey as error:
            raise UserError(f"{where}: two fields are called {error}.") from None
        if not isinstance(fields, dict):
            raise UserError(f"{where}: not an object with fields.")
        records.append(Record(where, fields))
    return records


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text in UTF-8; give the file as it was written.") from None

"""Any image-edit data set in Parquet files, by the names of its columns; GEditBench v2 is one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edit_benchmark.categories import OF_FORMAT, canonical
from edit_benchmark.dataset.readers import parquet
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.readers.raw_sample import RawSample, text
from edit_benchmark.errors import UserError, shorten

_GEDIT_V2 = {"image": "source_image", "instruction": "instruction", "id": "key"}
_NOT_IN_A_KEY = re.compile(r"[^A-Za-z0-9_-]+")


def data_set_files(path: Path, options: Options) -> list[Path]:
    """The Parquet files of the split that ``subset`` names."""
    return parquet.part_files(path, options.subset)


def read_gedit_v2(path: Path, options: Options) -> Iterator[RawSample]:
    """Rows of GEditBench v2."""
    return _rows(path, options, {**_GEDIT_V2, **options.columns}, OF_FORMAT["gedit_v2"][0])


def read_data_set(path: Path, options: Options) -> Iterator[RawSample]:
    """Rows of the columns that ``options`` name."""
    return _rows(path, options, options.columns, OF_FORMAT["parquet"][0])


def _rows(
    path: Path, options: Options, columns: Mapping[str, Any], category: str
) -> Iterator[RawSample]:
    """Samples of the rows; ``category`` is that of rows without a column for it."""
    id_columns = columns.get("id", [])
    id_columns = [id_columns] if isinstance(id_columns, str) else id_columns
    single = [name for what, name in columns.items() if what != "id"]
    wanted = list(dict.fromkeys([*single, *id_columns]))
    names: dict[str, str] = {}
    found = parquet.rows(data_set_files(path, options), wanted)
    for number, (place, file, row) in enumerate(found):
        source = parquet.picture(place, file, columns["image"], row[columns["image"]])
        key = "-".join(_id_part(place, row, name) for name in id_columns) or str(number)
        target = columns.get("target")
        caption = text(place, row, columns["target_caption"]) if "target_caption" in columns else ""
        yield RawSample(
            place=place,
            id=key,
            id_from=f"of {', '.join(id_columns) or 'the number of the row'}",
            category=_category(place, row, columns, names) if "category" in columns else category,
            sources=(source,),
            texts={
                f"instruction_{options.language}": text(
                    place, row, columns["instruction"], required=True
                )
            },
            fields={"key": key} | ({"target_caption": caption} if caption else {}),
            pictures={"target_image": parquet.picture(place, file, target, row[target])}
            if target and parquet.has_picture(row[target])
            else {},
        )


def _id_part(place: str, row: Mapping[str, Any], name: str) -> str:
    return text(place, {"id": row[name]}, "id", required=True)


def _category(
    place: str, row: Mapping[str, Any], columns: Mapping[str, Any], names: dict[str, str]
) -> str:
    """The key of a row's category; ``names`` remembers which name each key stands for."""
    name = text(place, row, columns["category"], required=True)
    key = canonical(name) or _NOT_IN_A_KEY.sub("_", name).strip("_-")
    if canonical(key) is None:
        raise UserError(
            f"{place}: category {shorten(name)!r} has no letters or digits of English that could "
            "name it; leave columns.category out."
        )
    if names.setdefault(key, name) != name:
        raise UserError(
            f"{place}: the categories {shorten(names[key])!r} and {shorten(name)!r} are both {key} "
            "without other characters than letters, digits, _ and -; leave columns.category out."
        )
    return key

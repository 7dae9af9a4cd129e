"""Complex-Edit: Parquet files; a row has an image and one instruction of each level of complexity.

A level is a category, C1 to C8, and a row of the data set is a sample of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edit_benchmark.categories import OF_FORMAT
from edit_benchmark.dataset.readers import parquet
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.readers.raw_sample import RawSample, text
from edit_benchmark.errors import UserError

_LEVELS = OF_FORMAT["complex_edit"]


def complex_edit_files(path: Path, options: Options) -> list[Path]:
    """The Parquet files of the chosen part."""
    return parquet.part_files(path, f"test_{options.subset or 'real'}" if path.is_dir() else None)


def read_complex_edit(path: Path, options: Options) -> Iterator[RawSample]:
    """A sample for each row and level; rows have no id but their number."""
    part, files = options.subset or "real", complex_edit_files(path, options)
    total = parquet.count_rows(files)
    for number, (place, file, row) in enumerate(parquet.rows(files, ["image", "edit"]), start=1):
        source = parquet.picture(place, file, "image", row["image"])
        for level, step in zip(_LEVELS, _compound(place, row["edit"]), strict=True):
            yield RawSample(
                place=f"{place}, level {level}",
                id=f"{part}-{number:04d}-{level}",
                id_from="part, row and level",
                category=level,
                sources=(source,),
                texts={"instruction_en": text(place, step, "compound_instruction", required=True)},
                fields={"row": str(number), "rows": str(total), "level": level},
            )


def _compound(place: str, edit: Any) -> list[dict[str, Any]]:
    """The instructions of all levels."""
    steps = edit.get("compound") if isinstance(edit, dict) else None
    if (
        not isinstance(steps, list)
        or len(steps) != len(_LEVELS)
        or not all(isinstance(step, dict) for step in steps)
    ):
        raise UserError(f"{place}: column edit has no list compound of {len(_LEVELS)} levels.")
    return steps

"""KRIS-Bench: a folder for each category, with its images and a JSON object of rows by number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edit_benchmark.categories import OF_FORMAT
from edit_benchmark.dataset.readers.checkout import (
    extra_fields,
    picture,
    rows_of,
    sources,
)
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.readers.raw_sample import RawSample, text
from edit_benchmark.errors import UserError


def kris_files(path: Path, options: Options) -> list[Path]:
    """The files of the rows: one for each category, or one list of all."""
    if path.is_file():
        return [path]
    for root in (path / "KRIS_Bench", path):
        files = [root / category / "annotation.json" for category in OF_FORMAT["kris"]]
        found = [file for file in files if file.is_file()]
        if found:
            return found
    raise UserError(
        f"{path}: no folder of a category with its annotation.json in it; give the checkout of "
        "KRIS-Bench, its folder KRIS_Bench, or the file of one list of all rows."
    )


def read_kris(path: Path, options: Options) -> Iterator[RawSample]:
    """Rows of all categories; an id is unique within its category only."""
    for file in kris_files(path, options):
        for place, key, row in rows_of(file):
            of_category = file.name == "annotation.json"
            category = file.parent.name if of_category else text(place, row, "type", required=True)
            number = key if of_category else text(place, row, "id", required=True)
            root = file.parent if of_category else file.parent / category
            roots = [options.images / category] if options.images else [root]
            images = sources(place, "ori_img", row.get("ori_img"), roots)
            reference = text(place, row, "gt_img")
            shown = {"reference_image": picture(place, "gt_img", reference, roots)}
            yield RawSample(
                place=place,
                id=f"{category}-{number}",
                id_from="category and number of the row",
                category=category,
                sources=images,
                texts={"instruction_en": text(place, row, "ins_en", required=True)},
                fields={
                    "id": number,
                    # Their names say which frames of a sequence they are.
                    **extra_fields(row, ["ori_img", "gt_img", "explain_en"]),
                },
                pictures=shown if reference else {},
            )

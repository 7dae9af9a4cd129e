"""RISEBench, full and small: a JSON list of rows, and folders of images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edit_benchmark.dataset.readers.checkout import (
    extra_fields,
    find_file,
    picture,
    rows_of,
    sources,
)
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.readers.raw_sample import RawSample, text

_FULL, _SMALL = "datav2_total_w_subtask.json", "data_total.json"
_NAMES = {"full": (_FULL, f"data/{_FULL}"), "small": (f"data/{_SMALL}", _SMALL)}
_FIELDS = (
    "index", "subtask", "reference", "reference_txt", "reasoning_img", "reasoning_wo_ins",
    "consistency_free",
)  # fmt: skip


def rise_files(path: Path, options: Options) -> list[Path]:
    """The file of the rows."""
    part = options.subset or "full"
    what = {
        "full": "the download of RISEBench",
        "small": "a checkout of RISEBench",
    }[part]
    return [find_file(path, _NAMES[part], f"{what} (benchmark.subset: {part})")]


def read_rise(path: Path, options: Options) -> Iterator[RawSample]:
    """Rows of the chosen part. An image that is the answer is ``reference_image``."""
    (file,) = rise_files(path, options)
    roots = [options.images] if options.images else [file.parent, file.parent / "data"]
    for place, _, row in rows_of(file):
        images = sources(place, "image", row.get("image"), roots)
        reference = text(place, row, "reference_img")
        shown = {"reference_image": picture(place, "reference_img", reference, roots)}
        yield RawSample(
            place=place,
            id=text(place, row, "index", required=True),
            id_from="field index",
            category=text(place, row, "category", required=True),
            sources=images,
            texts={"instruction_en": text(place, row, "instruction", required=True)},
            fields=extra_fields(row, _FIELDS),
            pictures=shown if reference else {},
        )

"""UnicBench: JSON lines with the instruction in two languages, and a folder of images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edit_benchmark.dataset.readers.checkout import extra_fields, find_file, picture
from edit_benchmark.dataset.readers.jsonl import objects
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.readers.raw_sample import RawSample, text

_NAMES = ("data/test_data.jsonl", "test_data.jsonl")


def unicbench_files(path: Path, options: Options) -> list[Path]:
    """The file of the rows."""
    return [find_file(path, _NAMES, "a checkout of UnicBench")]


def read_unicbench(path: Path, options: Options) -> Iterator[RawSample]:
    """Rows of the file; a category is a subtask, its words joined by ``_``."""
    (file,) = unicbench_files(path, options)
    roots = [options.images, options.images.parent] if options.images else [file.parent, path]
    for place, row in objects(file):
        key = text(place, row, "key", required=True)
        source = picture(place, "image_path", text(place, row, "image_path", required=True), roots)
        yield RawSample(
            place=place,
            id=key,
            id_from="field key",
            category="_".join(text(place, row, "subtask", required=True).split()),
            sources=(source,),
            texts={
                "instruction_en": text(place, row, "en"),
                "instruction_zh": text(place, row, "cn"),
            },
            fields={
                "language": "en" if options.language == "en" else "cn",
                # Without it nothing says whether reasoning is asked about.
                "task": text(place, row, "task", required=True),
                **extra_fields(row, ["key", "subtask", "reasoning_points"]),
            },
        )

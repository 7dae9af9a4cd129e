"""ImgEdit-Bench, Basic and UGE: a JSON object of rows by their keys, and a folder of images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edit_benchmark.dataset.readers.checkout import find_file, picture, rows_of
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.readers.raw_sample import RawSample, text

_NAMES = {
    "basic": ("Benchmark/Basic/basic_edit.json", "Basic/basic_edit.json", "basic_edit.json"),
    "uge": ("Benchmark/UGE/UGE_edit.json", "UGE/UGE_edit.json", "UGE_edit.json"),
}


def imgedit_files(path: Path, options: Options) -> list[Path]:
    """The file of the rows."""
    return [find_file(path, _NAMES[options.subset or "basic"], "a checkout of ImgEdit")]


def read_imgedit(path: Path, options: Options) -> Iterator[RawSample]:
    """Rows of the chosen part; the id of a sample is the row's key, that of an image is not."""
    (file,) = imgedit_files(path, options)
    # The archive with the images unpacks to folders of these names.
    near = (file.parent, path, path / "Benchmark" / "singleturn", path / "singleturn")
    roots = [options.images] if options.images else near
    for place, key, row in rows_of(file):
        source = picture(place, "id", text(place, row, "id", required=True), list(roots))
        uge = options.subset == "uge"
        yield RawSample(
            place=place,
            id=key,
            id_from="the key of the row",
            category="uge" if uge else text(place, row, "edit_type", required=True),
            sources=(source,),
            texts={"instruction_en": text(place, row, "prompt", required=True)},
            fields={"key": key, "image": row["id"]},
        )

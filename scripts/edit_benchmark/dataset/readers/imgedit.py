"""ImgEdit-Bench: Basic, UGE and multi-turn, rows with the paths of their images.

Of Basic and UGE a file is one JSON object of rows by their keys. Of multi-turn each task has a file
``annotation.json`` of JSON lines beside its images (as the archive has it), or such an object (as
the checkout's readme shows it).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePath

from edit_benchmark.categories import of_format
from edit_benchmark.dataset.readers.checkout import find_file, picture, rows_of
from edit_benchmark.dataset.readers.jsonl import objects
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.readers.raw_sample import RawSample, Row, text
from edit_benchmark.errors import UserError, shorten

_NAMES = {
    "basic": ("Benchmark/Basic/basic_edit.json", "Basic/basic_edit.json", "basic_edit.json"),
    "uge": ("Benchmark/UGE/UGE_edit.json", "UGE/UGE_edit.json", "UGE_edit.json"),
}
_MULTITURN = ("Benchmark/multiturn/", "multiturn/", "")


def imgedit_files(path: Path, options: Options) -> list[Path]:
    """The files of the rows."""
    if options.subset != "multiturn":
        return [find_file(path, _NAMES[options.subset or "basic"], "a checkout of ImgEdit")]
    if path.is_file():
        raise UserError(f"{path}: a file; multiturn is three of them: give the folder above.")
    return [
        find_file(
            path,
            [f"{above}{task}/annotation.json" for above in _MULTITURN],
            "ImgEdit's unpacked Benchmark.tar",
        )
        for task in of_format("imgedit_multiturn")
    ]


def read_imgedit(path: Path, options: Options) -> Iterator[RawSample]:
    """Rows of the chosen part; the id of a sample is the row's key, that of an image is not."""
    if options.subset == "multiturn":
        for file in imgedit_files(path, options):
            yield from _read_turns(file, options)
        return
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


def _read_turns(file: Path, options: Options) -> Iterator[RawSample]:
    """The turns of one task's chains; a chain is called by its row's key, or its image's name."""
    task = file.parent.name
    images = options.images
    roots = [images / task, images] if images else [file.parent]
    for place, key, row in _chains(file):
        image = text(place, row, "id", required=True)
        chain = f"{task}-{key or PurePath(image).stem}"
        before = ""
        for number, instruction in enumerate(_instructions(place, row), start=1):
            name = f"{chain}-turn{number}"
            yield RawSample(
                place=f"{place}, turn {number}",
                id=name,
                id_from="task, key of the row or name of its image, and turn",
                category=task,
                sources=() if before else (picture(place, "id", image, roots),),
                texts={"instruction_en": instruction},
                fields={"image": image},
                after=before,
            )
            before = name


def _chains(file: Path) -> Iterator[tuple[str, str, Row]]:
    """File and row for messages, key and row of each chain; JSON lines have no keys."""
    if not _is_lines(file):
        yield from rows_of(file)
        return
    for place, row in objects(file):
        yield place, "", row


def _is_lines(file: Path) -> bool:
    """Whether the first line is a row by itself, and not an object of rows."""
    with file.open("rb") as content:
        try:
            first = json.loads(content.readline())
        except (ValueError, RecursionError):
            return False
    return isinstance(first, dict) and not all(isinstance(row, dict) for row in first.values())


def _instructions(place: str, row: Row) -> list[str]:
    """The instructions of a chain's turns, in their order."""
    names = [name for name in row if name.startswith("turn")]
    wanted = [f"turn{number}" for number in range(1, len(names) + 1)]
    if not names or {*names} != {*wanted}:
        raise UserError(
            f"{place}: a chain has the fields turn1, turn2 and so on, and this one has "
            f"{shorten(', '.join(names)) or 'none'}; is it ImgEdit's multi-turn part?"
        )
    return [text(place, row, name, required=True) for name in wanted]

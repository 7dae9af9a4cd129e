"""Parquet files as ``datasets`` and ``huggingface-cli download`` leave them, read as a stream.

pyarrow is imported where it is used: the workflow's rules import this module too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edit_benchmark.dataset.readers.raw_image import LFS_POINTER, RawImage
from edit_benchmark.errors import ImageError, UserError, shorten

# train-00000-of-00004.parquet, also with a hash behind it.
_PART = re.compile(r"(?P<split>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(-[0-9a-f]+)?")
# 0000.parquet in a folder named by its split, as the hub converts data sets.
_CONVERTED = re.compile(r"\d{4}")
# Rows in memory at a time: images of several megabytes each.
_BATCH = 8

Row = Mapping[str, Any]


def part_files(path: Path, split: str | None) -> list[Path]:
    """The Parquet files of one split, in their order; ``split`` may be None if there is one only.

    Parameters
    ----------
    path
        One file, or a folder that has the files somewhere below it.

    Raises
    ------
    UserError
        If there is none, if a file of a numbered series is missing, or if it cannot be known which
        ones are meant.
    """
    if path.is_file():
        return [path]
    splits: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(path.rglob("*.parquet")):
        # The downloads under way of huggingface-cli.
        if not any(part.startswith(".") for part in file.relative_to(path).parts):
            splits[_split_of(file)].append(file)
    if not splits:
        raise UserError(
            f"{path}: no .parquet file in it; give the folder of the downloaded data set."
        )
    if split is None and len(splits) > 1:
        raise UserError(
            f"{path}: it has the splits {', '.join(splits)}; name one as benchmark.subset."
        )
    chosen = split if split is not None else next(iter(splits))
    if chosen not in splits:
        raise UserError(f"{path}: no split {chosen}; it has: {', '.join(splits)}.")
    _check_series(path, splits[chosen])
    return splits[chosen]


def _split_of(file: Path) -> str:
    part = _PART.fullmatch(file.stem)
    if part:
        return part["split"]
    return file.parent.name if _CONVERTED.fullmatch(file.stem) else file.stem


def _check_series(path: Path, files: Sequence[Path]) -> None:
    folders = {file.parent for file in files}
    if len(folders) > 1:
        names = " and ".join(sorted(str(folder.relative_to(path)) for folder in folders))
        raise UserError(f"{path}: the split lies in {names}; give one of these folders.")
    for number, file in enumerate(files):
        part = _PART.fullmatch(file.stem)
        if part is None:
            continue
        if int(part["number"]) != number or int(part["count"]) < len(files):
            missing = f"{part['split']}-{number:05d}-of-{part['count']}"
        elif file is files[-1] and int(part["count"]) > len(files):
            missing = f"{part['split']}-{len(files):05d}-of-{part['count']}"
        else:
            continue
        raise UserError(f"{file.parent}: {missing}.parquet is missing; the download is not whole.")


def count_rows(files: Sequence[Path]) -> int:
    """Rows of all files together, from their footers."""
    return sum(opened.metadata.num_rows for opened in map(_open, files))


def rows(
    files: Sequence[Path], columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, Path, Row]]:
    """Rows of Parquet files, a few at a time, without the columns that are not asked for.

    Yields
    ------
    tuple
        File and row (from 1) for messages, the file, the row.

    Raises
    ------
    UserError
        For a file that is not whole or lacks a column.
    """
    for file in files:
        opened = _open(file)
        present = opened.schema_arrow.names
        for name in columns:
            if name not in present:
                raise UserError(
                    f"{file}: no column {name}; it has {shorten(', '.join(present), 300)}: it is "
                    "of another data set, or of another version of it."
                )
        wanted = [*columns, *(name for name in optional if name in present)]
        number = 0
        for batch in _batches(file, opened, wanted):
            for row in batch:
                number += 1
                yield f"{file}, row {number}", file, row


def _open(file: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with file.open("rb") as head:
            if head.read(len(LFS_POINTER)) == LFS_POINTER:
                raise UserError(f"{file}: a pointer of Git LFS, not the file; run git lfs pull.")
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise _not_whole(file, error) from None


def _batches(file: Path, opened: Any, columns: Sequence[str]) -> Iterator[list[Row]]:
    import pyarrow as pa

    try:
        for batch in opened.iter_batches(batch_size=_BATCH, columns=list(columns)):
            yield batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise _not_whole(file, error) from None


def _not_whole(file: Path, error: Exception) -> UserError:
    return UserError(
        f"{file}: not a whole Parquet file ({shorten(str(error), 200)}); download it again."
    )


def has_picture(value: Any) -> bool:
    """Whether a row has anything in a column of images: ``datasets`` writes null for none."""
    return any(map(value.get, ("bytes", "path"))) if isinstance(value, Mapping) else bool(value)


def picture(place: str, file: Path, name: str, value: Any) -> RawImage:
    """The image in the column ``name``: bytes, or what ``datasets`` writes, bytes or a path."""
    if isinstance(value, Mapping):
        data, path = value.get("bytes"), value.get("path")
        value = data if data is not None else path
    if isinstance(value, str) and value:
        return RawImage.of_file(place, file.parent / value)
    return RawImage(partial(_read, place, name, value))


def _read(place: str, name: str, value: Any) -> bytes:
    if value is None or value == "":
        raise ImageError(f"{place}: column {name} has no image.")
    if not isinstance(value, bytes):
        raise UserError(
            f"{place}: column {name} is no image, as which datasets stores bytes and a path."
        )
    return value

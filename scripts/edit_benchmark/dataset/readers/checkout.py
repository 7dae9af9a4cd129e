"""Files of public benchmarks as a checkout or an unpacked archive has them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edit_benchmark.dataset.readers.raw_image import LFS_POINTER, RawImage
from edit_benchmark.dataset.readers.raw_sample import Row, text
from edit_benchmark.errors import ImageError, UserError, shorten


def find_file(path: Path, names: Sequence[str], benchmark: str) -> Path:
    """The file ``path``, or the first one of ``names`` that lies below the folder ``path``.

    Raises
    ------
    UserError
        If there is none; ``benchmark`` says what would have it.
    """
    if path.is_file():
        return path
    for name in names:
        if (path / name).is_file():
            return path / name
    raise UserError(
        f"{path}: no {' or '.join(names)} in it; give the folder of {benchmark}, or that file."
    )


def rows_of(path: Path) -> Iterator[tuple[str, str, Row]]:
    """Rows of a JSON file that is one list, or one object of rows by their keys.

    Yields
    ------
    tuple
        File and row for messages, the key (of a list the number of the item, from 1), the row.

    Raises
    ------
    UserError
        If the file is not whole, is another thing, or has a key or a field twice.
    """
    try:
        data = path.read_bytes()
        if data.startswith(LFS_POINTER):
            raise UserError(f"{path}: a pointer of Git LFS, not the file; run git lfs pull.")
        content = json.loads(data.decode("utf-8-sig"), object_pairs_hook=Row.of)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: not JSON ({error}); if its download broke off, get the file again."
        ) from None
    if isinstance(content, list):
        entries = [(f"{path}, item {number}", str(number), row)
                   for number, row in enumerate(content, start=1)]  # fmt: skip
    elif isinstance(content, Row):
        if content.twice is not None:
            raise UserError(f"{path}: key {shorten(content.twice)!r} stands there twice.")
        entries = [(f"{path}, key {shorten(key)}", key, row) for key, row in content.items()]
    else:
        entries = []
    if not entries:
        raise UserError(f"{path}: no rows; it has to be a list or an object of them.")
    for place, key, row in entries:
        if not isinstance(row, Row):
            raise UserError(f"{place}: not an object with named fields.")
        if row.twice is not None:
            raise UserError(f"{place}: field {shorten(row.twice)!r} stands there twice.")
        yield place, key, row


def picture(place: str, name: str, relative: str, roots: Sequence[Path]) -> RawImage:
    """The image that the field ``name`` gives, below the first of ``roots`` that has it."""
    if not relative.strip():
        return RawImage(partial(_refuse, f"{place}: field {name} is missing."))
    paths = [root / relative for root in roots]
    return RawImage.of_file(place, next((path for path in paths if path.is_file()), paths[0]))


def sources(place: str, name: str, value: Any, roots: Sequence[Path]) -> tuple[RawImage, ...]:
    """The source images of a row whose field ``name`` is one path or a list of them."""
    several = value if isinstance(value, list) and value else [value]
    return tuple(picture(place, name, text(place, {name: one}, name), roots) for one in several)


def _refuse(sentence: str) -> bytes:
    raise ImageError(sentence)


def extra_fields(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """The fields ``names`` of a row as texts, those that it lacks left out.

    Lists are their items, a line each; true is written so, and false is as good as lacking.
    """
    found = {
        name: row[name]
        for name in names
        if row.get(name) not in (None, "", []) and row[name] is not False
    }
    return {name: _as_text(value) for name, value in found.items()}


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(_as_text(part) for part in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

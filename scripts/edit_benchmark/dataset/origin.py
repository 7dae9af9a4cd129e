"""Which benchmark file a samples table was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edit_benchmark.errors import UserError
from edit_benchmark.results.files import state, write_text


def sha256_of(path: Path) -> str:
    """Hash of a benchmark file's bytes.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None


@contextmanager
def recorded(benchmark: Path, out: Path) -> Iterator[None]:
    """Write which file is read in the ``with`` block into ``out``, once that is done.

    Raises
    ------
    UserError
        If the file changed meanwhile.
    """
    before = state([benchmark])
    digest = sha256_of(benchmark)
    yield
    if state([benchmark]) != before:
        raise UserError(f"{benchmark}: the file changed while it was read; run again.")
    write_text(out, json.dumps({"path": str(benchmark), "sha256": digest}) + "\n")


def read(path: Path, benchmark: Path) -> dict[str, str]:
    """The ``path`` and ``sha256`` of the file that was read, as :func:`recorded` wrote them.

    Where an earlier version made the samples table, those of ``benchmark`` as it is now.
    """
    try:
        content: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"path": str(benchmark), "sha256": sha256_of(benchmark)}
    return content

"""Which benchmark file a samples table was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
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


def sha256_of_all(files: Sequence[Path]) -> str:
    """Hash of the files of a benchmark: of several that of their names and hashes."""
    if len(files) == 1:
        return sha256_of(files[0])
    lines = "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


@contextmanager
def recorded(benchmark: Path, out: Path, files: Sequence[Path] = ()) -> Iterator[None]:
    """Write which benchmark is read in the ``with`` block into ``out``, once that is done.

    Parameters
    ----------
    files
        The files of the benchmark; none if it is one itself.

    Raises
    ------
    UserError
        If one of them changed meanwhile.
    """
    read = files or [benchmark]
    before = state(read)
    digest = sha256_of_all(read)
    yield
    if state(read) != before:
        what = "the file" if len(read) == 1 else "one of its files"
        raise UserError(f"{benchmark}: {what} changed while it was read; run again.")
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

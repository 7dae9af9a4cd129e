"""The formats of benchmark files.

A new format is a module with a generator of :class:`RawSample` and an entry in :data:`FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from edit_benchmark.dataset.readers.csv_table import read_csv
from edit_benchmark.dataset.readers.jsonl import read_jsonl
from edit_benchmark.dataset.readers.original import read_original
from edit_benchmark.dataset.readers.raw_sample import RawSample
from edit_benchmark.errors import UserError

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# How files that are no text begin, and what they are.
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip or Excel",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "Parquet",
}

#: The reader of each format, by the format's name in the configuration.
FORMATS: dict[str, Callable[[Path], Iterator[RawSample]]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "original": read_original,
}
#: Formats whose images lie in files of their own.
HAVE_FILES = ("jsonl", "csv")


def read(path: Path, format: str) -> Iterator[RawSample]:
    """Rows of the benchmark file ``path``, in its order, without holding them all in memory.

    Raises
    ------
    UserError
        With file and line, for the first row that cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(5)
    for mark, kind in _PACKED.items():
        if head.startswith(mark):
            raise UserError(f"{path}: a {kind} file; unpack it, or save it as {format}.")
    if head.startswith(_UTF16_MARKS) or b"\0" in head:
        raise UserError(f"{path}: not UTF-8 (it looks like UTF-16); save the file as UTF-8.")
    return FORMATS[format](path)

"""The formats of benchmark files.

A new format is a module with a generator of :class:`RawSample` and an entry in :data:`FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edit_benchmark.dataset.readers.complex_edit import complex_edit_files, read_complex_edit
from edit_benchmark.dataset.readers.csv_table import read_csv
from edit_benchmark.dataset.readers.data_set import data_set_files, read_data_set, read_gedit_v2
from edit_benchmark.dataset.readers.editreward import (
    editreward_files,
    read_editscore,
    read_tiger,
)
from edit_benchmark.dataset.readers.gedit import gedit_files, read_gedit
from edit_benchmark.dataset.readers.imgedit import imgedit_files, read_imgedit
from edit_benchmark.dataset.readers.jsonl import read_jsonl
from edit_benchmark.dataset.readers.kris import kris_files, read_kris
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.readers.original import read_original
from edit_benchmark.dataset.readers.raw_sample import RawSample
from edit_benchmark.dataset.readers.rise import read_rise, rise_files
from edit_benchmark.dataset.readers.unicbench import read_unicbench, unicbench_files
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


def _one_file(path: Path, options: Options) -> list[Path]:
    return [path]


@dataclass(frozen=True)
class Format:
    """How a benchmark's files are read.

    Attributes
    ----------
    rows
        The rows of what lies under a path.
    files
        The files that are read for them, image files apart; UserError if they are not there.
    is_text
        Whether these are text files.
    have_images
        Whether images lie in files of their own.
    published
        How many rows the published benchmark has in one language, by ``subset``.
    """

    rows: Callable[[Path, Options], Iterator[RawSample]]
    files: Callable[[Path, Options], list[Path]] = _one_file
    is_text: bool = True
    have_images: bool = False
    published: Mapping[str | None, int] = field(default_factory=dict)


def _own(read: Callable[[Path], Iterator[RawSample]], *, have_images: bool = False) -> Format:
    """A format of one file, of which nothing can be chosen."""
    return Format(lambda path, options: read(path), have_images=have_images)


#: Each format, by its name in the configuration.
FORMATS: dict[str, Format] = {
    "jsonl": _own(read_jsonl, have_images=True),
    "csv": _own(read_csv, have_images=True),
    "original": _own(read_original),
    "re_edit": Format(lambda path, options: read_original(path), published={None: 1000}),
    "gedit": Format(
        read_gedit, gedit_files, is_text=False, published={None: 606, "full": 606}
    ),
    "imgedit": Format(
        read_imgedit, imgedit_files, have_images=True,
        published={None: 737, "basic": 737, "uge": 47},
    ),
    "rise": Format(
        read_rise, rise_files, have_images=True, published={None: 360, "full": 360, "small": 64}
    ),
    "kris": Format(read_kris, kris_files, have_images=True, published={None: 1267}),
    "complex_edit": Format(read_complex_edit, complex_edit_files, is_text=False),
    "unicbench": Format(
        read_unicbench, unicbench_files, have_images=True, published={None: 1100}
    ),
    "gedit_v2": Format(read_gedit_v2, data_set_files, is_text=False, published={None: 1200}),
    "editreward": Format(
        read_tiger, editreward_files, is_text=False, published={None: 1524}
    ),
    "editreward_editscore": Format(read_editscore, editreward_files, is_text=False),
    "parquet": Format(read_data_set, data_set_files, is_text=False),
}  # fmt: skip


def files_of(path: Path, format: str, options: Options) -> list[Path]:
    """The files that are read of a benchmark, image files apart.

    Raises
    ------
    UserError
        If they are not there; it says what has to be.
    """
    return FORMATS[format].files(path, options)


def read(path: Path, format: str, options: Options | None = None) -> Iterator[RawSample]:
    """Rows of the benchmark ``path``, in its order, without holding them all in memory.

    Raises
    ------
    UserError
        With file and row, for the first row that cannot be read.
    """
    options = options or Options()
    known = FORMATS[format]
    for file in known.files(path, options):
        _check_kind(file, format, known.is_text)
    return known.rows(path, options)


def _check_kind(path: Path, format: str, is_text: bool) -> None:
    with path.open("rb") as file:
        head = file.read(5)
    for mark, kind in _PACKED.items():
        if head.startswith(mark) and (is_text or kind != "Parquet"):
            raise UserError(f"{path}: a {kind} file; unpack it, or save it as {format}.")
    if is_text and (head.startswith(_UTF16_MARKS) or b"\0" in head):
        raise UserError(f"{path}: not UTF-8 (it looks like UTF-16); save the file as UTF-8.")


def part_of_published(format: str, options: Options, counted: int) -> str:
    """A sentence if ``counted`` rows are not as many as the published benchmark has, else empty."""
    published = FORMATS[format].published.get(options.subset)
    if published in (None, counted):
        return ""
    return (
        f"{counted} rows were read, and the published benchmark has {published}: results of these "
        "are not those of the whole."
    )

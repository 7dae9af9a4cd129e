"""What an aggregator gives: tables as in the benchmark's paper, and what stands behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

#: The label of numbers that the benchmark's own code gives of the same rows.
AS_PUBLISHED = "as published"
#: The label of numbers without that code's faults; left out where there is none.
CORRECTED = "corrected"


@dataclass(frozen=True)
class Table:
    """One table of a benchmark.

    Attributes
    ----------
    title
        What it shows, with its unit.
    columns
        Headings, named and ordered as in the paper.
    rows
        A value for each column, None where no row stands behind it, by the row's label:
        :data:`AS_PUBLISHED`, :data:`CORRECTED`, or a group.
    decimals
        As many as the paper prints. The values are not rounded.
    """

    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float | None, ...]]
    decimals: int = 2

    def value(self, row: str, column: str) -> float | None:
        """The value of ``row`` under the heading ``column``."""
        return self.rows[row][self.columns.index(column)]


@dataclass(frozen=True)
class Coverage:
    """How many rows stand behind the numbers.

    Attributes
    ----------
    of
        What was counted, such as ``quality``.
    rows, counted
        All rows, and those with an answer that was read.
    missing
        How many rows lacked one, by the reason.
    """

    of: str
    rows: int
    counted: int
    missing: dict[str, int]

    def sentence(self) -> str:
        """One line for people."""
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.missing.items()))
        return f"{self.of}: {self.counted} of {self.rows} rows" + (
            f" ({reasons})" if reasons else ""
        )


@dataclass(frozen=True)
class Outcome:
    """All that an aggregator says: the official table first, and what the numbers mean."""

    tables: tuple[Table, ...]
    coverage: tuple[Coverage, ...]
    notes: tuple[str, ...] = ()

    def table(self, beginning: str) -> Table:
        """The first table whose title begins so."""
        return next(table for table in self.tables if table.title.startswith(beginning))


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of those values that are there; None if none is."""
    present = [value for value in values if value is not None]
    return fmean(present) if present else None


def covered(of: str, problems: Sequence[str]) -> Coverage:
    """The coverage of rows by what each lacks; an empty text is a row that counts.

    Of a reason as :class:`~edit_benchmark.errors.SampleError` writes it, its kind is counted.
    """
    missing = Counter(problem.partition(":")[0] for problem in problems if problem)
    return Coverage(of, len(problems), len(problems) - missing.total(), dict(missing))


def groups_note(what: str, present: Iterable[str], expected: Sequence[str]) -> tuple[str, ...]:
    """A note that names the groups of a benchmark that no row is of."""
    found = set(present)
    absent = [group for group in expected if group not in found]
    if not absent:
        return ()
    return (
        f"No row is of {what} {', '.join(absent)}: the mean over {what} is over "
        f"{len(expected) - len(absent)} of {len(expected)} and is not comparable with papers.",
    )

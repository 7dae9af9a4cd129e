"""Complex-Edit (UCSC-VLAA/Complex-Edit): three measures, each asked 20 times an edit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from edit_benchmark.official.answers import json_object, number, unparsable
from edit_benchmark.official.outcome import (
    AS_PUBLISHED,
    CORRECTED,
    Outcome,
    Table,
    covered,
    mean,
)

#: What is asked, and how tables call it.
MEASURES = {
    "instruction_following": "IF",
    "identity_preservation": "IP",
    "perceptual_quality": "PQ",
}
_COLUMNS = (*MEASURES.values(), "Overall")


@dataclass(frozen=True)
class Row:
    """What one edit got.

    Attributes
    ----------
    complexity
        C1 to C8 as 1 to 8: how many atomic instructions were joined; 0 if it is not known.
    measured
        By the names of :data:`MEASURES` each of the numbers, 0 to 10, that the judge gave; empty
        or left out if there is none.
    problem
        Then why.
    """

    id: str
    measured: dict[str, tuple[float, ...]]
    complexity: int = 0
    problem: str = ""

    def score(self, measure: str) -> float | None:
        """The mean over the measurements."""
        return mean(self.measured.get(measure, ()))

    @property
    def overall(self) -> float | None:
        """The mean of the three; None if one is missing."""
        scores = [score for name in MEASURES if (score := self.score(name)) is not None]
        return fmean(scores) if len(scores) == len(MEASURES) else None


def parse(text: str, measure: str) -> float:
    """The number, 0 to 10, of ``measure`` in one structured answer.

    Raises
    ------
    SampleError
        If there is none, or it lies off the scale.
    """
    found = json_object(text)
    if found is None or measure not in found:
        raise unparsable(text, f"no JSON object with {measure}")
    return number(found[measure], 0, 10)


def aggregate(rows: Sequence[Row]) -> Outcome:
    """Means over samples for each complexity.

    As published, Overall joins scores of different samples where they were evaluated in parallel
    (eval.py pairs answers by the order they came in), which changes no mean while every sample
    has all three; corrected, it is over the samples that do.
    """
    levels = sorted({row.complexity for row in rows})
    tables = tuple(
        _table([row for row in rows if row.complexity == level], level) for level in levels
    )
    coverage = tuple(
        covered(
            MEASURES[measure],
            ["" if row.score(measure) is not None else row.problem or "no_answer" for row in rows],
        )
        for measure in MEASURES
    )
    note = (
        "The benchmark's own overall/final_result.json is a copy of the quality alone; Overall "
        "here is the mean of IF, IP and PQ.",
    )
    return Outcome(tables, coverage, note)


def _table(rows: Sequence[Row], level: int) -> Table:
    name = f"Complex-Edit C{level} (0 to 10)" if level else "Complex-Edit (0 to 10)"
    means = tuple(mean(row.score(measure) for row in rows) for measure in MEASURES)
    joined = [value for value in means if value is not None]
    published = fmean(joined) if len(joined) == len(means) else None
    lines = {
        AS_PUBLISHED: (*means, published),
        CORRECTED: (*means, mean(row.overall for row in rows)),
    }
    return Table(name, _COLUMNS, lines)

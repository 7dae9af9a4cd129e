"""RISEBench (PhoenixZ810/RISEBench): reasoning, appearance consistency, visual plausibility."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edit_benchmark.official.answers import number, unparsable
from edit_benchmark.official.outcome import (
    AS_PUBLISHED,
    CORRECTED,
    Outcome,
    Table,
    covered,
    mean,
)

#: The categories in the order of the leaderboard, with its headings.
CATEGORIES = {
    "temporal_reasoning": "Temporal",
    "causal_reasoning": "Causal",
    "spatial_reasoning": "Spatial",
    "logical_reasoning": "Logical",
}
_LOGICAL = "logical_reasoning"
_COLUMNS = (*CATEGORIES.values(), "Overall")
# As the original code: digits, commas and asterisks behind it, over line ends.
_FINAL = re.compile(r"Final Scores?\*{0,2}:?\s*([\d*\s,]*)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Row:
    """What one edit got.

    Attributes
    ----------
    subtask
        Empty in the repository's small set, which has none.
    consistency_free
        Whether consistency is not asked for; None where the benchmark's file lacks that field, as
        the small set's does.
    reasoning, consistency, plausibility
        1 to 5, of logical rows as :func:`logical` maps them. None where it is not asked for
        (plausibility of logical rows, consistency where it is free) or could not be had.
    problem
        Then why.
    """

    index: str
    category: str
    reasoning: float | None
    consistency: float | None
    plausibility: float | None
    subtask: str = ""
    consistency_free: bool | None = None
    problem: str = ""

    @property
    def applicable(self) -> tuple[float | None, ...]:
        """What is asked about the row."""
        asked: list[float | None] = [self.reasoning]
        if not self.consistency_free:
            asked.append(self.consistency)
        if self.category != _LOGICAL:
            asked.append(self.plausibility)
        return tuple(asked)

    @property
    def answered(self) -> bool:
        """Whether all that is asked has a number: the original drops the others."""
        return None not in self.applicable


def parse(text: str, category: str) -> float:
    """The score, 1 to 5, of one answer: the number behind the first ``Final Score``.

    Where numbers of the next lines were taken for scores too, those of the first line count.

    Raises
    ------
    SampleError
        If there is none, there are several, or it lies off the scale.
    """
    for match in _FINAL.finditer(text):
        numbers = re.findall(r"\d+", match[1], re.ASCII)
        if not numbers:
            continue
        if len(numbers) > 1:
            line = next(line for line in match[1].splitlines() if re.search(r"\d", line))
            numbers = re.findall(r"\d+", line, re.ASCII)
        if len(numbers) > 1:
            raise unparsable(text, f"{len(numbers)} numbers where one was asked for")
        if category == _LOGICAL:
            return logical(number(numbers[0], 0, 1))
        return number(numbers[0], 1, 5)
    raise unparsable(text, "no final score")


def logical(raw: float) -> float:
    """A logical row's 0 or 1 on the scale of 1 to 5."""
    return 4 * min(raw, 1) + 1


def score(row: Row, has_free_column: bool, mode: str) -> float | None:
    """A row's weighted score, 1 to 5.

    As published (``calculate_score`` as shipped) the column ``consistency_free`` makes every row
    that is not logical one without consistency: its empty cells are NaN, which is true. Corrected
    is what the code means, by the row's own field.
    """
    if not row.answered:
        return None
    free = has_free_column if mode == AS_PUBLISHED else bool(row.consistency_free)
    if row.category == _LOGICAL:
        parts = [(0.3, row.consistency), (0.7, row.reasoning)]
    elif free:
        parts = [(0.8, row.reasoning), (0.2, row.plausibility)]
    else:
        parts = [(0.3, row.consistency), (0.5, row.reasoning), (0.2, row.plausibility)]
    weighted = 0.0
    for weight, value in parts:
        if value is None:
            return None
        weighted += weight * value
    return max(0.5 * weighted, 1.0) if row.reasoning == 1 else weighted


def is_right(row: Row) -> bool:
    """Whether the row counts for accuracy: all that is asked has the highest score."""
    return all(value == 5 for value in row.applicable)


def percent(value: float | None) -> float | None:
    """A mean of the scale 1 to 5 on that of 0 to 100."""
    return None if value is None else 25 * (value - 1)


def aggregate(rows: Sequence[Row]) -> Outcome:
    """Accuracy, dimensions and scores, each a mean over samples.

    As published, a row without an answer counts as wrong for accuracy and not at all for the rest;
    corrected, it counts for nothing.
    """
    has_free_column = any(row.consistency_free is not None for row in rows)
    answered = [row for row in rows if row.answered]

    def scores(mode: str) -> Callable[[Sequence[Row]], float | None]:
        return lambda part: mean(score(row, has_free_column, mode) for row in part)

    published, corrected = scores(AS_PUBLISHED), scores(CORRECTED)
    accuracies = {
        AS_PUBLISHED: _by_category(rows, _accuracy),
        CORRECTED: _by_category(answered, _accuracy),
    }
    means = {
        AS_PUBLISHED: _by_category(rows, published),
        CORRECTED: _by_category(rows, corrected),
    }
    percents = {mode: tuple(map(percent, values)) for mode, values in means.items()}
    dimensions = _dimensions(answered)
    tables = [
        Table("RISEBench accuracy (%)", _COLUMNS, accuracies, decimals=1),
        Table(
            "RISEBench dimensions (%)",
            ("Instruction Reasoning", "Appearance Consistency", "Visual Plausibility"),
            {AS_PUBLISHED: dimensions},
            decimals=1,
        ),
        Table("RISEBench score (1 to 5)", _COLUMNS, means, decimals=4),
        Table("RISEBench score (%)", _COLUMNS, percents, decimals=1),
    ]
    subtasks = dict.fromkeys(row.subtask for row in rows if row.subtask)
    if subtasks:
        parts = {name: [row for row in rows if row.subtask == name] for name in subtasks}
        columns = (f"score {AS_PUBLISHED}", f"score {CORRECTED}", "accuracy (%)")
        lines = {
            name: (published(part), corrected(part), _accuracy(part))
            for name, part in parts.items()
        }
        tables.append(Table("RISEBench by subtask", columns, lines, decimals=4))
    note = (
        "Scores as published are as shipped: no row that is not logical counts consistency, "
        "because the benchmark's file has the field consistency_free; corrected are as intended.",
    )
    problems = [row.problem or ("" if row.answered else "no_answer") for row in rows]
    return Outcome(tuple(tables), (covered("answers", problems),), note if has_free_column else ())


def _accuracy(rows: Sequence[Row]) -> float | None:
    return mean(100.0 * is_right(row) for row in rows)


def _dimensions(rows: Sequence[Row]) -> tuple[float | None, ...]:
    return (
        percent(mean(row.reasoning for row in rows)),
        percent(mean(row.consistency for row in rows)),
        percent(mean(row.plausibility for row in rows)),
    )


def _by_category(
    rows: Sequence[Row], value: Callable[[Sequence[Row]], float | None]
) -> tuple[float | None, ...]:
    parts = [[row for row in rows if row.category == category] for category in CATEGORIES]
    return tuple(value(part) for part in [*parts, rows])

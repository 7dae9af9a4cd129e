"""UnicBench (WeChatCV/UnicBench): the geometric mean of three or four scores of 0 to 10."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from edit_benchmark.official.answers import loaded, number, unparsable
from edit_benchmark.official.outcome import (
    AS_PUBLISHED,
    CORRECTED,
    Outcome,
    Table,
    covered,
    mean,
)

#: What is asked, and how tables call it; the last of reasoning tasks alone.
MEASURES = {"if": "IF", "nc": "NC", "vq": "VQ", "ra": "RA"}
REASONING = "Reasoning Editing"
#: The tasks in the order of the benchmark's table.
TASKS = ("Object Editing", "Attribute Editing", "Scene Editing", REASONING)


@dataclass(frozen=True)
class Row:
    """What one edit got.

    Attributes
    ----------
    scores
        0 to 10 by the names of :data:`MEASURES`; one that could not be read is left out.
    problems
        Why, by the same names.
    asked
        The measures of this row. The original asks for ``ra`` where the task is reasoning and the
        row has reasoning points.
    """

    key: str
    task: str
    subtask: str
    scores: dict[str, float] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    asked: tuple[str, ...] = ("if", "nc", "vq")

    def value(self, measure: str, mode: str) -> float | None:
        """A score; as published one that could not be read is 0."""
        if measure not in self.asked:
            return None
        return self.scores.get(measure, 0.0 if mode == AS_PUBLISHED else None)

    def overall(self, mode: str) -> float | None:
        """The geometric mean of all that is asked; None if one is missing."""
        values = [value for name in self.asked if (value := self.value(name, mode)) is not None]
        if len(values) < len(self.asked):
            return None
        return math.prod(values) ** (1 / len(values))


def parse(text: str) -> float:
    """The score, 0 to 10, of an answer: JSON, in a code fence or not.

    Raises
    ------
    SampleError
        If there is none, or it lies off the scale. The original code counts 0 for it.
    """
    plain = text.replace("```json", "").replace("```", "").strip()
    found = loaded(plain.replace("(", "[").replace(")", "]"))
    if not isinstance(found, dict) or "score" not in found:
        raise unparsable(text, "no JSON object with score")
    return number(found["score"], 0, 10)


def aggregate(rows: Sequence[Row]) -> Outcome:
    """Means over samples, of all, by task and by subtask (calculate_scores.py).

    As published, an answer that could not be read counts as 0; corrected, it does not count, nor
    does that sample's overall score.
    """
    modes = (AS_PUBLISHED, CORRECTED)
    columns = (*MEASURES.values(), "Overall")
    tables = [Table("UnicBench (0 to 10)", columns, {mode: _line(rows, mode) for mode in modes})]
    for what, names in (
        ("task", _ordered({row.task for row in rows})),
        ("subtask", list(dict.fromkeys(row.subtask for row in rows))),
    ):
        lines = {
            f"{name}, {mode}": _line([row for row in rows if getattr(row, what) == name], mode)
            for name in names
            for mode in modes
        }
        tables.append(Table(f"UnicBench by {what} (0 to 10)", columns, lines))
    coverage = tuple(
        covered(heading, [_problem(row, name) for row in rows if name in row.asked])
        for name, heading in MEASURES.items()
    )
    unread = sum(bool(_problem(row, name)) for row in rows for name in row.asked)
    note = f"As published, {unread} answers that could not be read count as 0."
    return Outcome(tuple(tables), coverage, (note,) if unread else ())


def _ordered(tasks: set[str]) -> list[str]:
    return [*(name for name in TASKS if name in tasks), *sorted(tasks.difference(TASKS))]


def _line(rows: Sequence[Row], mode: str) -> tuple[float | None, ...]:
    means = [mean(row.value(name, mode) for row in rows) for name in MEASURES]
    return (*means, mean(row.overall(mode) for row in rows))


def _problem(row: Row, measure: str) -> str:
    return "" if measure in row.scores else row.problems.get(measure) or "no_answer"

"""RE-Edit (Yixuan-Ding-ZJU/RE-Edit): a verdict of yes or no, and scores of 0 to 10 beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edit_benchmark.official.answers import UNPARSABLE, loaded, number, unparsable
from edit_benchmark.official.outcome import (
    AS_PUBLISHED,
    CORRECTED,
    Outcome,
    Table,
    covered,
    mean,
)

#: The verdict of the category's own question.
VERDICT = "verdict"
#: The other metrics by the names of the benchmark's code, with what their two numbers are.
PAIRS = {
    "sc_metric": ("SC", "editing success", "overediting"),
    "pq_metric": ("PQ", "naturalness", "artifacts"),
}
INSTRUCTION = "instruction_following"
METRICS = (VERDICT, INSTRUCTION, *PAIRS)
#: The categories in the order of the benchmark, by either of their names.
CATEGORIES = (
    "物理", "physical", "环境", "environmental", "社会", "cultural", "因果", "causal", "指代",
    "referential",
)  # fmt: skip

Value = str | float | tuple[float, float]
# Braces within braces once, as the original code finds an object between words.
_OBJECT = re.compile(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """What one edit got by one metric.

    Attributes
    ----------
    metric
        One of :data:`METRICS`.
    value
        ``yes`` or ``no`` of a verdict, a number of 0 to 10 of instruction following, two numbers
        of SC and PQ; None if it could not be had.
    problem
        Then why.
    """

    id: str
    category: str
    metric: str
    value: Value | None
    problem: str = ""


def parse(text: str, metric: str) -> Value:
    """The value of ``metric`` in an answer: of the longest JSON object with ``score``.

    Raises
    ------
    SampleError
        If there is none, or it is none that the metric can have.
    """
    found = loaded(max(_OBJECT.findall(text), key=len, default=""))
    if not isinstance(found, dict) or "score" not in found:
        raise unparsable(text, "no JSON object with score")
    return value_of(found["score"], metric)


def value_of(score: object, metric: str) -> Value:
    """A score as the benchmark's files have it, as the value of ``metric``; errors as parse."""
    if metric == VERDICT:
        answer = score.strip().lower() if isinstance(score, str) else None
        if answer not in ("yes", "no"):
            raise unparsable(str(score), "neither yes nor no")
        return answer
    if metric == INSTRUCTION:
        return number(score, 0, 10)
    if not isinstance(score, list) or len(score) != 2:
        raise unparsable(str(score), "not two numbers")
    return number(score[0], 0, 10), number(score[1], 0, 10)


def aggregate(rows: Sequence[Row]) -> Outcome:
    """Rates of yes and means, by category and over all rows.

    As published (statistics_calculator.py) the rate is over all rows, those without an answer
    included, and a category whose first row has no answer has no statistic; corrected, both are
    over the rows that were answered.
    """
    tables = []
    for metric in METRICS:
        part = [row for row in rows if row.metric == metric]
        if part:
            tables.append(_table(part, metric))
    coverage = tuple(
        covered(metric, [_problem(row) for row in rows if row.metric == metric])
        for metric in METRICS
        if any(row.metric == metric for row in rows)
    )
    return Outcome(tuple(tables), coverage)


def _table(rows: Sequence[Row], metric: str) -> Table:
    present = {row.category for row in rows}
    categories = [name for name in CATEGORIES if name in present]
    categories += sorted(present.difference(CATEGORIES))
    parts = {name: [row for row in rows if row.category == name] for name in categories}
    parts["Overall"] = list(rows)
    if metric in PAIRS:
        # Which of the two numbers is which matters more than the categories' order.
        name, *numbers = PAIRS[metric]
        lines = {
            f"{category}, {mode}" if mode == CORRECTED else category: tuple(
                _mean_of(part, mode, number) for number in (None, 0, 1)
            )
            for category, part in parts.items()
            for mode in (AS_PUBLISHED, CORRECTED)
        }
        return Table(f"RE-Edit {name} (0 to 10)", (name, *numbers), lines)
    title = "RE-Edit yes-rate (%)" if metric == VERDICT else "RE-Edit IF (0 to 10)"
    by_mode = {
        mode: tuple(_mean_of(part, mode, None) for part in parts.values())
        for mode in (AS_PUBLISHED, CORRECTED)
    }
    return Table(title, tuple(parts), by_mode)


def _mean_of(rows: Sequence[Row], mode: str, which: int | None) -> float | None:
    """The statistic of ``rows``; of pairs the first or second number, or the mean of both."""
    if mode == AS_PUBLISHED and rows[0].value is None:
        return None
    if rows[0].metric == VERDICT:
        asked = [row for row in rows if mode == AS_PUBLISHED or row.value is not None]
        return mean(100.0 * (row.value == "yes") for row in asked)
    numbers = []
    for row in rows:
        if isinstance(row.value, tuple):
            numbers.append(sum(row.value) / 2 if which is None else row.value[which])
        elif isinstance(row.value, float):
            numbers.append(row.value)
    return mean(numbers)


def _problem(row: Row) -> str:
    return "" if row.value is not None else row.problem or UNPARSABLE

"""KRIS-Bench (mercurystraw/Kris_Bench), aggregated as in BAGEL's summarize.py."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from edit_benchmark.official.answers import json_object, number, unparsable
from edit_benchmark.official.outcome import (
    AS_PUBLISHED,
    CORRECTED,
    Coverage,
    Outcome,
    Table,
    covered,
    groups_note,
    mean,
)

#: What is scored, and how tables call it.
METRICS = {
    "consistency_score": "VC",
    "quality_score": "VQ",
    "instruction_score": "IF",
    "knowledge_score": "KP",
}
#: The categories of each dimension.
DIMENSIONS = {
    "Attribute Perception": (
        "count_change",
        "color_change",
        "size_adjustment",
        "part_completion",
        "anomaly_correction",
    ),
    "Spatial Perception": ("viewpoint_change", "position_movement"),
    "Temporal Prediction": ("temporal_prediction",),
    "Social Science": ("humanities", "practical_knowledge"),
    "Natural Science": (
        "biology",
        "chemistry",
        "geography",
        "medicine",
        "mathematics",
        "physics",
    ),
    "Logical Reasoning": ("abstract_reasoning", "rule-based_reasoning"),
    "Instruction Decomposition": ("multi-element_composition", "multi-instruction_execution"),
}
_KNOWLEDGE = ("Social Science", "Natural Science", "Logical Reasoning")
_LEVELS = {
    "Factual": ("Attribute Perception", "Spatial Perception", "Temporal Prediction"),
    "Conceptual": ("Social Science", "Natural Science"),
    "Procedural": ("Logical Reasoning", "Instruction Decomposition"),
}
_DIMENSION_OF = {
    category: dimension for dimension, categories in DIMENSIONS.items() for category in categories
}
CATEGORIES = tuple(_DIMENSION_OF)


@dataclass(frozen=True)
class Row:
    """What one edit got.

    Attributes
    ----------
    id
        Unique within its category.
    scores
        1 to 5 by the names of :data:`METRICS`; a metric that could not be had is left out.
    problem
        Why one is missing.
    """

    category: str
    id: str
    scores: dict[str, float] = field(default_factory=dict)
    problem: str = ""

    @property
    def asked(self) -> tuple[str, ...]:
        """The metrics of its category."""
        return metrics_of(self.category)


def metrics_of(category: str) -> tuple[str, ...]:
    """What is asked in ``category``: knowledge only in ten of them."""
    has_knowledge = _DIMENSION_OF[category] in _KNOWLEDGE
    return tuple(name for name in METRICS if has_knowledge or name != "knowledge_score")


def parse(text: str, metric: str) -> float:
    """The score, 1 to 5, of ``metric`` in an answer: of its JSON, or behind its name, or out of 5.

    Where the original code takes the first digit of any text, only one that stands alone counts.

    Raises
    ------
    SampleError
        If there is none, or it cannot be told which.
    """
    found = json_object(text) or {}
    if metric in found:
        return number(found[metric], 1, 5)
    name = metric.replace("_", r"[_\s]*")
    for pattern in (rf"{name}[\"'*]*\s*[:：]?[\s*]*(\d+)", r"(\d+)\s*(?:/|out\s+of)\s*5\b"):
        numbers = set(re.findall(pattern, text, re.IGNORECASE | re.ASCII))
        if len(numbers) == 1:
            return number(numbers.pop(), 1, 5)
        if numbers:
            raise unparsable(text, f"several scores of {metric}")
    if re.fullmatch(r"\W*[1-5]\W*", text, re.ASCII):
        return number(re.sub(r"\D", "", text), 1, 5)
    raise unparsable(text, f"no {metric}")


def aggregate(rows: Sequence[Row]) -> Outcome:
    """Means of (score - 1) * 25 over all scores of a dimension, a level, or everything.

    Each score has the same weight, so that a sample that is asked about knowledge counts for four
    thirds of one that is not. As published, a score off the scale counts; corrected, it does not.
    """
    modes = {AS_PUBLISHED: False, CORRECTED: True}
    headings: list[str] = []
    for level, dimensions in _LEVELS.items():
        headings += [*dimensions, f"{level} Average"]
    levels = {
        mode: tuple(_pooled(rows, categories, on_scale) for categories in _in_paper_order())
        for mode, on_scale in modes.items()
    }
    details = {
        dimension: tuple(
            _pooled(rows, categories, False, metrics)
            for metrics in (*((name,) for name in METRICS), tuple(METRICS))
        )
        for dimension, categories in DIMENSIONS.items()
    }
    tables = (
        Table("KRIS-Bench (0 to 100)", (*headings, "Overall"), levels),
        Table("KRIS-Bench by metric (0 to 100)", (*METRICS.values(), "AVG"), details),
    )
    coverage = tuple(_coverage(rows, metric) for metric in METRICS)
    notes = groups_note("categories", (row.category for row in rows), CATEGORIES)
    return Outcome(tables, coverage, notes)


def _in_paper_order() -> list[tuple[str, ...]]:
    """The categories of each column: of a level's dimensions, of the level, at last of all."""
    columns: list[tuple[str, ...]] = []
    for dimensions in _LEVELS.values():
        parts = [DIMENSIONS[name] for name in dimensions]
        columns += [*parts, tuple(category for part in parts for category in part)]
    return [*columns, CATEGORIES]


def _pooled(
    rows: Sequence[Row],
    categories: Sequence[str],
    on_scale: bool,
    metrics: Sequence[str] = tuple(METRICS),
) -> float | None:
    values = [
        row.scores[metric]
        for row in rows
        if row.category in categories
        for metric in metrics
        if metric in row.scores and metric in row.asked
    ]
    return mean(25 * (value - 1) for value in values if not on_scale or 1 <= value <= 5)


def _coverage(rows: Sequence[Row], metric: str) -> Coverage:
    asked = [row for row in rows if metric in row.asked]
    problems = []
    for row in asked:
        value = row.scores.get(metric)
        if value is None:
            problems.append(row.problem or "no_answer")
        else:
            problems.append("" if 1 <= value <= 5 else "off_scale")
    return covered(METRICS[metric], problems)

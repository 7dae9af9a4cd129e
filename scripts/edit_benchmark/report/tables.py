"""The report's tables as data frames: every sample's scores, their summary, their breakdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import fmean, median, pstdev
from typing import Any

import pandas as pd

from edit_benchmark.categories import label
from edit_benchmark.records import SCORED, STATUSES, Sample, Score
from edit_benchmark.report.inputs import configured
from edit_benchmark.stats.estimates import (
    FEW,
    Estimate,
    bounds,
    estimate,
    largest_tie,
    macro_estimate,
)

MICRO, MACRO = "overall (micro)", "overall (macro)"
#: A criterion that the judge found not to apply; pandas and R read it as missing.
NOT_APPLICABLE = "n/a"
#: Marks in tables.
FEW_MARK, EQUAL_MARK = f"n<{FEW}", "equal_scores"
#: A category is marked if more than this share of at least so many scores are one same number;
#: the share is what a config that does not say has.
EQUAL_SHARE, EQUAL_FROM = 0.5, 10
#: Samples without a difficulty or a tag.
NONE = "(none)"
_SUMMARY_COLUMNS = [
    "model", "judge", "category", "n", *STATUSES, "coverage", "mean", "standard_error", "ci95_low",
    "ci95_high", "std", "median", "min", "max", "bound_low", "bound_high", "extreme", "marks",
]  # fmt: skip


def scores_frame(samples: Sequence[Sample], scores: Sequence[Score]) -> pd.DataFrame:
    """One row a model, judge and sample, with a column for each criterion of all rubrics.

    A criterion's cell is empty where it is not of the category or there is no answer, and
    ``n/a`` where the judge found that it does not apply.
    """
    by_id = {sample.id: sample for sample in samples}
    criteria = dict.fromkeys(key for row in scores for key in row.criteria)
    rows = []
    for row in scores:
        sample = by_id[row.id]
        rows.append(
            {
                "model": row.model,
                "judge": row.judge,
                "category": row.category,
                "category_zh": label(row.category, "zh"),
                "id": row.id,
                "status": row.status,
                "reason": row.reason,
                "score": row.score,
                **{key: _criterion(row, key) for key in criteria},
                "flags": ";".join(row.flags),
                "difficulty": sample.difficulty,
                "tags": ";".join(sample.tags),
                "seed": row.seed,
                "key": row.key,
                "answer_key": row.answer_key,
                "edit_seconds": row.edit_seconds,
                "judge_seconds": row.judge_seconds,
                "source_sha256": sample.source_sha256,
            }
        )
    # As objects, or a column of numbers with gaps would be shown as texts and "nan" mixed.
    return pd.DataFrame(rows, dtype=object)


def _criterion(row: Score, key: str) -> float | str | None:
    value = row.criteria.get(key)
    return NOT_APPLICABLE if key in row.criteria and value is None else value


def runs(scores: Iterable[Score]) -> dict[tuple[str, str], list[Score]]:
    """Score rows of each model and judge."""
    parts: dict[tuple[str, str], list[Score]] = {}
    for row in scores:
        parts.setdefault((row.model, row.judge), []).append(row)
    return parts


def summary_frame(
    samples: Sequence[Sample],
    scores: Sequence[Score],
    categories: Sequence[str],
    equal_share: float = EQUAL_SHARE,
) -> pd.DataFrame:
    """One row a model, judge and category, then all samples pooled (micro) and the mean of the
    categories' means (macro).

    Columns: counts of each status; ``coverage`` (scored / n); ``mean`` with its standard error and
    95 % bootstrap interval (``ci95_low``, ``ci95_high``); population ``std``, ``median``, ``min``,
    ``max``; ``bound_low`` and ``bound_high``, the mean if all that is not scored had the lowest and
    the highest score; ``extreme`` (best or worst category); ``marks``. The macro row's statistics
    are those of the categories' means, and there is none unless every category that has samples
    has a mean. What does not exist is missing, never 0.
    """
    sources = {sample.id: sample.source_sha256 for sample in samples}
    rows: list[dict[str, Any]] = []
    for (model, judge), mine in runs(scores).items():
        head = {"model": model, "judge": judge}
        parts = []
        for category in categories:
            members = [row for row in mine if row.category == category]
            parts.append(head | {"category": category} | _numbers(members, sources, equal_share))
        means = [part["mean"] for part in parts if part["mean"] is not None]
        if len(means) > 1 and max(means) > min(means):
            for part in parts:
                if part["mean"] is not None:
                    part["extreme"] = {max(means): "best", min(means): "worst"}.get(
                        part["mean"], ""
                    )
        # The pooled scores are not marked: what is wrong is in a category.
        micro = head | {"category": MICRO} | _numbers(mine, sources, equal_share=1)
        rows += [*parts, micro, _macro(micro, parts, mine, sources)]
    return pd.DataFrame(rows, columns=_SUMMARY_COLUMNS, dtype=object)


def _scored(rows: Iterable[Score]) -> list[tuple[Score, float]]:
    return [(row, row.score) for row in rows if row.status == SCORED and row.score is not None]


def _numbers(
    rows: Sequence[Score], sources: Mapping[str, str], equal_share: float
) -> dict[str, Any]:
    counts = Counter(row.status for row in rows)
    scored = _scored(rows)
    values = [value for _, value in scored]
    found = estimate(values, [sources[row.id] for row, _ in scored])
    bound_low, bound_high = bounds(found.mean, len(values), len(rows) - len(values))
    equal = len(values) >= EQUAL_FROM and largest_tie(values) > equal_share
    return {
        "n": len(rows),
        **{status: counts[status] for status in STATUSES},
        "coverage": len(values) / len(rows) if rows else None,
        **_estimated(found),
        "std": found.std,
        "median": found.median,
        "min": found.minimum,
        "max": found.maximum,
        "bound_low": bound_low,
        "bound_high": bound_high,
        "extreme": "",
        "marks": ";".join(_few(found) + [EQUAL_MARK] * equal),
    }


def _estimated(found: Estimate) -> dict[str, float | None]:
    return {
        "mean": found.mean,
        "standard_error": found.standard_error,
        "ci95_low": found.low,
        "ci95_high": found.high,
    }


def _few(found: Estimate) -> list[str]:
    return [FEW_MARK] if found.n < FEW else []


def _macro(
    micro: Mapping[str, Any],
    parts: Sequence[Mapping[str, Any]],
    rows: Sequence[Score],
    sources: Mapping[str, str],
) -> dict[str, Any]:
    """The macro row: counts of the micro row, statistics of the categories' means."""
    filled = [part for part in parts if part["n"]]
    means = [part["mean"] for part in filled]
    few = any(FEW_MARK in part["marks"] for part in filled)
    row = {**micro, "category": MACRO, "marks": FEW_MARK if few else ""}
    statistics = ("mean", "standard_error", "ci95_low", "ci95_high", "std", "median", "min", "max")
    row |= dict.fromkeys((*statistics, "bound_low", "bound_high"))
    if filled:
        row |= {name: fmean(part[name] for part in filled) for name in ("bound_low", "bound_high")}
    if not means or None in means:
        return row
    scored = _scored(rows)
    found = macro_estimate(
        [value for _, value in scored],
        [entry.category for entry, _ in scored],
        [sources[entry.id] for entry, _ in scored],
    )
    return row | {
        **_estimated(found),
        "std": pstdev(means),
        "median": median(means),
        "min": min(means),
        "max": max(means),
    }


def breakdown_frame(
    samples: Sequence[Sample], scores: Sequence[Score], languages: Mapping[str, str]
) -> pd.DataFrame:
    """Means by criterion (of a category), difficulty, tag and language, one row a model, judge
    and value.

    ``n`` counts the samples of the cell, ``scored`` those behind its mean: for a criterion, those
    to which it applies. ``languages`` says in which language each model was given the
    instructions, as far as that is known.
    """
    by_id = {sample.id: sample for sample in samples}
    rows: list[dict[str, Any]] = []
    for (model, judge), mine in runs(scores).items():
        cells: dict[tuple[str, str, str], list[tuple[Score, float | None]]] = {}
        for row in mine:
            sample = by_id[row.id]
            for key, points in row.criteria.items():
                cells.setdefault(("criterion", row.category, key), []).append((row, points))
            difficulty = ("difficulty", "", sample.difficulty or NONE)
            cells.setdefault(difficulty, []).append((row, row.score))
            for tag in sample.tags or [NONE]:
                cells.setdefault(("tag", "", tag), []).append((row, row.score))
            if configured(model) in languages:
                language = ("language", "", languages[configured(model)])
                cells.setdefault(language, []).append((row, row.score))
        for (dimension, category, value), entries in sorted(cells.items(), key=_cell_order):
            known = [(row, number) for row, number in entries if number is not None]
            found = estimate(
                [number for _, number in known], [by_id[row.id].source_sha256 for row, _ in known]
            )
            rows.append(
                {
                    "model": model,
                    "judge": judge,
                    "dimension": dimension,
                    "category": category,
                    "value": value,
                    "n": len(entries),
                    "scored": found.n,
                    **_estimated(found),
                    "marks": ";".join(_few(found)),
                }
            )
    columns = ["model", "judge", "dimension", "category", "value", "n", "scored", "mean",
               "standard_error", "ci95_low", "ci95_high", "marks"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns, dtype=object)


_DIFFICULTIES = {"easy": 0, "medium": 1, "hard": 2}


def _cell_order(item: tuple[tuple[str, str, str], Any]) -> tuple[Any, ...]:
    (dimension, _, value), entries = item
    if dimension == "difficulty":
        return (1, _DIFFICULTIES.get(value, 3), 0, value)
    if dimension == "tag":  # the usual ones first
        return (2, 0, -len(entries), value)
    if dimension == "language":
        return (3, 0, 0, value)
    return (0, 0, 0, "")  # criteria as the rubric has them


def summary_json(
    summary: pd.DataFrame, run: Mapping[str, Any], extra: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of the earlier program's report, for each model and judge, and what came since."""
    entries = []
    for (model, judge), part in summary.groupby(["model", "judge"], sort=False):
        rows = {row["category"]: row for row in plain(part.drop(columns=["model", "judge"]))}
        extremes = {row["extreme"]: name for name, row in rows.items()}
        entries.append(
            {
                "model": model,
                "judge": judge,
                "total_samples": rows[MICRO]["n"],
                "counts": {status: rows[MICRO][status] for status in STATUSES},
                "categories": {k: v for k, v in rows.items() if k not in (MICRO, MACRO)},
                "overall": rows[MICRO],
                "overall_macro": rows[MACRO],
                "best_category": extremes.get("best"),
                "worst_category": extremes.get("worst"),
            }
        )
    head = {"timestamp": run.get("finished"), "config": run.get("config")}
    return {**head, "results": entries, **extra}


def plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table for JSON: what is missing is None."""
    return [
        {str(key): None if _missing(value) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def dataclass_frame(rows: Sequence[Any], columns: Sequence[str]) -> pd.DataFrame:
    """A table of dataclass rows, or of none, with ``columns``."""
    return pd.DataFrame([asdict(row) for row in rows], columns=list(columns), dtype=object)

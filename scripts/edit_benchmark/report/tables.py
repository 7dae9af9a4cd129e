"""Tables of the report: every sample's scores, and their summary by category."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median, pstdev
from typing import Any

import pandas as pd

from ..categories import label
from ..records import SCORED, STATUSES, Sample, Score, write_bytes

MICRO, MACRO = "overall (micro)", "overall (macro)"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBERS = ("mean", "std", "median", "min", "max")


def scores_frame(samples: Sequence[Sample], scores: Sequence[Score]) -> pd.DataFrame:
    """One row a model, judge and sample; a column for each criterion, empty where it does not
    apply or is not of the category."""
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
                **{key: row.criteria.get(key) for key in criteria},
                "flags": ";".join(row.flags),
                "difficulty": sample.difficulty,
                "tags": ";".join(sample.tags),
                "edit_seconds": row.edit_seconds,
                "judge_seconds": row.judge_seconds,
                "seed": row.seed,
                "key": row.key,
                "answer_key": row.answer_key,
                "source_sha256": sample.source_sha256,
            }
        )
    return pd.DataFrame(rows)


def summary_frame(scores: Sequence[Score], categories: Sequence[str]) -> pd.DataFrame:
    """One row a model, judge and category, then the pooled samples (micro) and the mean of the
    categories' means (macro).

    ``std`` is the population's. Of no scores there is no mean: the cells are empty. ``rank`` says
    ``best`` and ``worst`` of the categories with a mean.
    """
    rows: list[dict[str, Any]] = []
    for model, judge in dict.fromkeys((row.model, row.judge) for row in scores):
        mine = [row for row in scores if (row.model, row.judge) == (model, judge)]
        head = {"model": model, "judge": judge}
        parts = []
        for category in categories:
            members = [row for row in mine if row.category == category]
            parts.append(head | {"category": category} | _numbers(members))
        means = [part["mean"] for part in parts if part["mean"] is not None]
        if len(means) > 1 and max(means) > min(means):
            for part in parts:
                if part["mean"] is not None:
                    part["rank"] = {max(means): "best", min(means): "worst"}.get(part["mean"], "")
        macro = head | {"category": MACRO} | _numbers(mine) | dict.fromkeys(_NUMBERS)
        if means and all(part["mean"] is not None for part in parts if part["n"]):
            macro |= {"mean": fmean(means), "std": pstdev(means), "median": median(means),
                      "min": min(means), "max": max(means)}  # fmt: skip
        rows += [*parts, head | {"category": MICRO} | _numbers(mine), macro]
    return pd.DataFrame(rows)


def _numbers(rows: Sequence[Score]) -> dict[str, Any]:
    counts = Counter(row.status for row in rows)
    values = [row.score for row in rows if row.status == SCORED and row.score is not None]
    functions: list[Callable[[Sequence[float]], float]] = [fmean, pstdev, median, min, max]
    return {
        "n": len(rows),
        **{status: counts[status] for status in STATUSES},
        **{
            name: function(values) if values else None
            for name, function in zip(_NUMBERS, functions, strict=True)
        },
        "rank": "",
    }


def summary_json(summary: pd.DataFrame, run: dict[str, Any]) -> dict[str, Any]:
    """The fields of the earlier program's report, for each model and judge."""
    entries = []
    for (model, judge), part in summary.groupby(["model", "judge"], sort=False):
        rows = {row["category"]: _plain(row) for row in part.to_dict("records")}
        ranks = {row["rank"]: row["category"] for row in part.to_dict("records")}
        entries.append(
            {
                "model": model,
                "judge": judge,
                "total_samples": rows[MICRO]["n"],
                "categories": {k: v for k, v in rows.items() if k not in (MICRO, MACRO)},
                "overall": rows[MICRO],
                "overall_macro": rows[MACRO],
                "best_category": ranks.get("best"),
                "worst_category": ranks.get("worst"),
            }
        )
    return {"timestamp": run.get("finished"), "config": run.get("config"), "results": entries}


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    kept = {key: row[key] for key in ("n", *STATUSES, *_NUMBERS)}
    return {
        str(key): None if isinstance(value, float) and math.isnan(value) else value
        for key, value in kept.items()
    }


def to_csv(table: pd.DataFrame, path: Path) -> None:
    """Write CSV that spreadsheets open right: UTF-8 with a mark, no cell taken for a formula."""
    safe = table.map(_no_formula)
    write_bytes(path, safe.to_csv(index=False, lineterminator="\n").encode("utf-8-sig"))


def _no_formula(value: Any) -> Any:
    # An apostrophe in front is what spreadsheets themselves use for text.
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def shown(summary: pd.DataFrame) -> list[dict[str, str]]:
    """The summary as texts: two digits, n/a where there is no number."""
    rows = []
    for row in summary.to_dict("records"):
        rows.append({str(key): _shown(value) for key, value in row.items()})
    return rows


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "n/a"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def to_markdown(summary: pd.DataFrame) -> str:
    """A Markdown table; pipes and markup in names are escaped."""
    rows = shown(summary)
    head = list(summary.columns)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = [row[name].replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
                 for name in head]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    character: f"\\{character}" for character in "&%$#_{}"
}


def to_latex(summary: pd.DataFrame) -> str:
    """A booktabs table, its texts escaped."""
    head = list(summary.columns)
    align = "".join("l" if name in ("model", "judge", "category", "rank") else "r" for name in head)
    lines = [rf"\begin{{tabular}}{{{align}}}", r"\toprule", _tex_row(head), r"\midrule"]
    previous = None
    for row in shown(summary):
        if previous not in (None, (row["model"], row["judge"])):
            lines.append(r"\midrule")
        previous = (row["model"], row["judge"])
        lines.append(_tex_row([row[name] for name in head]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _tex_row(cells: Sequence[str]) -> str:
    escaped = ("".join(_TEX.get(character, character) for character in cell) for cell in cells)
    return " & ".join(escaped) + r" \\"


def to_terminal(summary: pd.DataFrame, scores: Sequence[Score]) -> str:
    """The summary and the failures, aligned for a terminal."""
    head = ["model", "judge", "category", "n", *STATUSES, "mean", "std", "rank"]
    rows = [head, *([row[name] for name in head] for row in shown(summary))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
             for row in rows]  # fmt: skip
    failed = [row for row in scores if row.status != SCORED]
    lines += [f"{row.model} {row.judge} {row.id}: {row.status}: {row.reason}" for row in failed]
    return "\n".join(lines) + "\n"

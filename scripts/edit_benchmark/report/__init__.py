"""The report: tables for papers and spreadsheets, and a page with every picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..records import Sample, Score, write_text
from .page import write_page
from .tables import (
    scores_frame,
    summary_frame,
    summary_json,
    to_csv,
    to_latex,
    to_markdown,
    to_terminal,
)


def write_report(
    samples: Sequence[Sample],
    scores: Sequence[Score],
    categories: Sequence[str],
    results: Path,
    out: Path,
    run: dict[str, Any],
    notes: Sequence[str],
    language: str,
) -> str:
    """Write all tables and the page into ``out``; returns the summary for a terminal.

    Raises
    ------
    UserError
        If a sample lacks a row of a model and judge, or has two.
    """
    _check_complete(samples, scores)
    out.mkdir(parents=True, exist_ok=True)
    table = scores_frame(samples, scores)
    summary = summary_frame(scores, categories)
    to_csv(table, out / "scores.csv")
    to_csv(summary, out / "summary.csv")
    write_text(out / "summary.md", to_markdown(summary))
    write_text(out / "summary.tex", to_latex(summary))
    content = summary_json(summary, run)
    write_text(out / "summary.json", json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    if run:
        write_text(out / "run.json", json.dumps(run, ensure_ascii=False, indent=1) + "\n")
    write_page(samples, scores, summary, results, out, run, notes, language)
    return to_terminal(summary, scores)


def _check_complete(samples: Sequence[Sample], scores: Sequence[Score]) -> None:
    wanted = {sample.id for sample in samples}
    seen: dict[tuple[str, str], set[str]] = {}
    for row in scores:
        ids = seen.setdefault((row.model, row.judge), set())
        if row.id in ids:
            raise UserError(f"sample {row.id} has two rows of {row.model} and {row.judge}.")
        ids.add(row.id)
    for (model, judge), ids in seen.items():
        if ids != wanted:
            odd = sorted(ids ^ wanted)[0]
            problem = "has no row" if odd in wanted else "is not in the benchmark but has a row"
            raise UserError(
                f"sample {odd} {problem} of {model} and {judge}; run the workflow again."
            )

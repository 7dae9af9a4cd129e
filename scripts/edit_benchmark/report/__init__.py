"""The report: tables for papers and spreadsheets, plots, and a page with every picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from edit_benchmark.report import contact_sheets as sheets
from edit_benchmark.report import plots, thumbnails
from edit_benchmark.report.analysis import Analysis, analyse
from edit_benchmark.report.formats import to_csv, to_latex, to_markdown, to_terminal
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.page import write_page
from edit_benchmark.report.tables import EQUAL_SHARE, plain, summary_json
from edit_benchmark.results.files import write_text


def write_report(
    inputs: Inputs,
    out: Path,
    notes: Sequence[str],
    language: str,
    equal_share: float = EQUAL_SHARE,
) -> str:
    """Write all tables, plots and the page into ``out``; returns the summary for a terminal.

    ``out`` stands alone: it holds copies of the pictures and can be moved; only its links to
    pictures in full size need the results folder where it was.

    Parameters
    ----------
    inputs
        Complete rows, as of :func:`inputs.load`.
    notes
        Sentences shown on top of the page.
    language
        ``en`` or ``zh``: of the labels.
    equal_share
        A category is warned of if more than this share of its scores is one same number.

    Raises
    ------
    UserError
        If a picture is missing or broken.
    """
    out.mkdir(parents=True, exist_ok=True)
    analysis = analyse(inputs, language, equal_share)
    _write_tables(inputs, analysis, out, language)
    figures = {}
    for judge in dict.fromkeys(row.judge for row in inputs.scores):
        figures[judge] = plots.overview(analysis.summary, judge, language)
        plots.save(figures[judge], out / "plots" / f"overview-{judge}")
    paths = [sample.source for sample in inputs.samples]
    paths += [row.picture for row in inputs.scores if row.picture]
    copies = thumbnails.make([inputs.results / path for path in paths], out)
    by_path = {path: copies[inputs.results / path] for path in paths}
    sheets.write_sheets(inputs.samples, inputs.scores, inputs.categories, by_path, out)
    write_page(inputs, analysis, by_path, figures, out, notes, language)
    return to_terminal(analysis.summary, analysis.failures, analysis.warnings, language)


def _write_tables(inputs: Inputs, analysis: Analysis, out: Path, language: str) -> None:
    for name in ("scores", "summary", "breakdown", "comparison", "ranks", "agreement", "timings"):
        to_csv(getattr(analysis, name), out / f"{name}.csv")
    write_text(out / "summary.md", to_markdown(analysis.summary, language, analysis.warnings))
    write_text(out / "summary.tex", to_latex(analysis.summary, language))
    extra = {
        "ranks": plain(analysis.ranks),
        "comparison": plain(analysis.comparison),
        "agreement": plain(analysis.agreement),
        "agreement_of_all_judges": analysis.alpha,
        "repeats": plain(analysis.repeats),
        "warnings": analysis.warnings,
    }
    content = summary_json(analysis.summary, inputs.run, extra)
    write_text(out / "summary.json", _json(content))
    if inputs.run:
        write_text(out / "run.json", _json(inputs.run))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"

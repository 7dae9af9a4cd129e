"""Writing a whole report into a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from edit_benchmark.judging.rubrics import Scale
from edit_benchmark.report import plots, thumbnails, timings, words
from edit_benchmark.report.analysis import Analysis, analyse
from edit_benchmark.report.contact_sheets import write_contact_sheets
from edit_benchmark.report.formats import to_csv, to_json, to_latex, to_markdown, to_terminal
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.official_files import write_official
from edit_benchmark.report.page import Content, write_page
from edit_benchmark.report.pair_rows import BiasRow, PairRow, PreferenceRow, StrengthRow
from edit_benchmark.report.pairwise import preference_row
from edit_benchmark.report.pairwise_latex import pairs_to_latex
from edit_benchmark.report.rows import (
    NEEDED,
    AgreementRow,
    BreakdownRow,
    ComparisonRow,
    CostRow,
    PeopleRow,
    RankRow,
    ScoreRow,
    SummaryRow,
    TimingRow,
    columns,
)
from edit_benchmark.report.score_tables import Survey
from edit_benchmark.report.shown import shown
from edit_benchmark.report.tables import EQUAL_SHARE, score_rows
from edit_benchmark.results.files import write_text


def write_report(
    inputs: Inputs,
    out: Path,
    notes: Sequence[str] = (),
    language: str = "en",
    equal_share: float = EQUAL_SHARE,
) -> str:
    """Write all tables, plots and the page into ``out``; returns the summary for a terminal.

    ``out`` stands alone: it holds copies of the images and can be moved; only its links to images
    in full size need the results folder where it was.

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
        If an image is missing or broken.
    """
    out.mkdir(parents=True, exist_ok=True)
    spoken = words.load(language)
    analysis = analyse(inputs, spoken, equal_share)
    write_csv(inputs, analysis, out)
    write_official(analysis.official, out)
    markdown = to_markdown(analysis.summary, spoken, analysis.warnings, inputs.scales)
    write_text(out / "summary.md", markdown)
    write_text(out / "summary.tex", to_latex(analysis.summary, spoken, inputs.scales))
    if analysis.pairwise.pairs:
        write_text(out / "pairwise.tex", pairs_to_latex(analysis.pairwise, spoken))
    else:
        (out / "pairwise.tex").unlink(missing_ok=True)
    write_text(out / "summary.json", _json(to_json(analysis, inputs.run)))
    if inputs.run:
        write_text(out / "run.json", _json(inputs.run))
    figures = {}
    for judge in Survey.of(inputs.scores).judges:
        figures[judge] = plots.overview(
            analysis.summary, judge, spoken, inputs.scales.get(judge, Scale()).ends
        )
        plots.save(figures[judge], out / "plots" / f"overview-{judge}")
    part = shown(inputs)
    paths = [
        path
        for sample in part.samples
        for path in (*sample.sources, sample.mask, sample.target)
        if path
    ]
    paths += [row.image for row in part.scores if row.image and not row.repeat]
    copies = thumbnails.make([inputs.results / path for path in paths], out)
    by_path = {path: copies[inputs.results / path] for path in paths}
    write_contact_sheets(part, by_path, out)
    write_page(Content(inputs, part, analysis, by_path, figures, notes, spoken), out)
    return to_terminal(analysis, spoken, inputs.scales)


def write_csv(inputs: Inputs, analysis: Analysis, out: Path) -> None:
    """Write the tables that programs read into ``out``."""
    stages = [timings.column(stage) for stage in analysis.timings.stages]
    criteria = Survey.of(inputs.scores).criteria
    each_row = score_rows(inputs.samples, inputs.scores, criteria)
    to_csv(each_row, columns(ScoreRow, criteria=criteria), out / "scores.csv")
    to_csv(analysis.summary, columns(SummaryRow), out / "summary.csv")
    to_csv(analysis.breakdown, columns(BreakdownRow), out / "breakdown.csv")
    to_csv(analysis.comparison, columns(ComparisonRow, needed=NEEDED), out / "comparison.csv")
    to_csv(analysis.ranks, columns(RankRow), out / "ranks.csv")
    to_csv(analysis.agreement, columns(AgreementRow), out / "agreement.csv")
    pairs = analysis.pairwise
    # Tables that only some runs have.
    if inputs.preferences:
        each_pair = map(preference_row, inputs.preferences)
        to_csv(each_pair, columns(PreferenceRow), out / "preferences.csv")
    else:
        (out / "preferences.csv").unlink(missing_ok=True)
    for name, kind, rows in (
        ("pairwise", PairRow, pairs.pairs),
        ("strengths", StrengthRow, pairs.strengths),
        ("position_bias", BiasRow, pairs.bias),
        ("people", PeopleRow, analysis.people),
        ("costs", CostRow, analysis.costs),
    ):
        path = out / f"{name}.csv"
        if rows:
            to_csv(rows, columns(kind), path)
        else:  # that of an earlier report is of other rows
            path.unlink(missing_ok=True)
    to_csv(analysis.timings.rows, columns(TimingRow, stages=stages), out / "timings.csv")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"

"""Tables as CSV, JSON, Markdown, LaTeX and text for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from edit_benchmark.markup import (
    aligned,
    markdown,
    markdown_table,
    printable,
    tex,
    tex_comment,
    tex_row,
    tex_table,
)
from edit_benchmark.records import STATUSES
from edit_benchmark.report.analysis import Analysis
from edit_benchmark.report.grouping import by_model_and_judge
from edit_benchmark.report.rows import (
    DEVICES_MARK,
    EQUAL_MARK,
    FEW_MARK,
    MACRO,
    MICRO,
    NOT_APPLICABLE,
    FailureRow,
    Row,
    SummaryRow,
    cells,
)
from edit_benchmark.report.scales import NO_SCALES, Scales, decimals
from edit_benchmark.report.scales import sentence as scales_sentence
from edit_benchmark.report.words import Words
from edit_benchmark.results.files import write_parts

_DAGGERS = {FEW_MARK: "†", EQUAL_MARK: "‡", DEVICES_MARK: "§"}
#: The columns that are shown to readers; the CSV file has all.
SHOWN = ("category", "n", *STATUSES, "mean", "interval", "std", "median", "min", "max")
_FAILURE_KINDS = 20
_REASON_WIDTH = 100
# Of millions of rows, so many are held as text.
_ROWS_AT_ONCE = 1000

# A spreadsheet takes a cell for a formula if it begins with one of these, full-width ones included.
_FORMULA = re.compile(r"[=+\-@＝＋－＠\t\r\n]")


def to_csv(rows: Iterable[Row], columns: Sequence[str], path: Path) -> None:
    """Write the ``columns`` of ``rows`` as CSV that spreadsheets open right and pandas reads back.

    UTF-8 with a byte-order mark, without which Excel takes Chinese for another encoding; lines end
    as on Unix; texts that a spreadsheet would take for a formula get an apostrophe in front.
    """
    write_parts(path, _csv_parts(iter(rows), columns))


def _csv_parts(rows: Iterator[Row], columns: Sequence[str]) -> Iterator[bytes]:
    encoding = "utf-8-sig"
    while (part := [*islice(rows, _ROWS_AT_ONCE)]) or encoding == "utf-8-sig":
        safe = [{name: _no_formula(value) for name, value in cells(row).items()} for row in part]
        # As objects, or whole numbers in a column with gaps would get a decimal point.
        table = pd.DataFrame(safe, columns=list(columns), dtype=object)
        is_first = encoding == "utf-8-sig"
        text = table.to_csv(index=False, header=is_first, lineterminator="\n")
        yield text.encode(encoding)
        encoding = "utf-8"


def _no_formula(value: Any) -> Any:
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return value


def to_json(analysis: Analysis, run: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the earlier program's report, for each model and judge, and what came since.

    ``run`` is the record of the run, empty if there is none. What does not exist is None.
    """
    return {
        "timestamp": run.get("finished"),
        "config": run.get("config"),
        "results": [_json_entry(part) for part in by_model_and_judge(analysis.summary).values()],
        "ranks": [cells(row) for row in analysis.ranks],
        "comparison": [cells(row) for row in analysis.comparison],
        "agreement": [cells(row) for row in analysis.agreement],
        "agreement_of_all_judges": analysis.alpha and asdict(analysis.alpha),
        "pairwise": [cells(row) for row in analysis.pairwise.pairs],
        "strengths": [cells(row) for row in analysis.pairwise.strengths],
        "position_bias": [cells(row) for row in analysis.pairwise.bias],
        "repeats": [asdict(row) for row in analysis.repeats],
        "warnings": analysis.warnings,
    }


def _json_entry(part: Sequence[SummaryRow]) -> dict[str, Any]:
    """The rows of one model and judge."""
    rows = {}
    for row in part:
        rows[row.category] = cells(row)
        del rows[row.category]["model"], rows[row.category]["judge"]
    categories = {name: row for name, row in rows.items() if name not in (MICRO, MACRO)}
    extremes = {row["extreme"]: name for name, row in categories.items()}
    return {
        "model": part[0].model,
        "judge": part[0].judge,
        "total_samples": rows[MICRO]["n"],
        "counts": {status: rows[MICRO][status] for status in STATUSES},
        "categories": categories,
        "overall": rows[MICRO],
        "overall_macro": rows[MACRO],
        "best_category": extremes.get("best"),
        "worst_category": extremes.get("worst"),
    }


def number(value: float | None, digits: int = 2) -> str:
    """A number for readers, never a negative zero; ``n/a`` where there is none."""
    return NOT_APPLICABLE if value is None else f"{value:z.{digits}f}"


def span(low: float | None, high: float | None, digits: int = 2) -> str:
    """An interval for readers."""
    if low is None or high is None:
        return NOT_APPLICABLE
    return f"[{number(low, digits)}, {number(high, digits)}]"


def shown(row: SummaryRow, words: Words, scales: Scales) -> dict[str, str]:
    """The cells of :data:`SHOWN` of one row of the summary, as texts."""
    digits = decimals(row, scales)
    marks = "".join(_DAGGERS[mark] for mark in row.marks.split(";") if mark)
    extreme = f" ({words.cell(row.extreme)})" if row.extreme else ""
    return {
        "category": words.cell(row.category) + extreme,
        "n": str(row.n),
        "scored": str(row.scored),
        "edit_failed": str(row.edit_failed),
        "judge_failed": str(row.judge_failed),
        "skipped": str(row.skipped),
        # Without samples there is nothing to mark.
        "mean": number(row.mean, digits) + (marks if row.n else ""),
        "interval": span(row.ci95_low, row.ci95_high, digits),
        "std": number(row.std, digits),
        "median": number(row.median, digits),
        "min": number(row.min, digits),
        "max": number(row.max, digits),
    }


def to_markdown(
    summary: Sequence[SummaryRow],
    words: Words,
    warnings: Sequence[str],
    scales: Scales = NO_SCALES,
) -> str:
    """One Markdown table a model and judge; markup in texts is escaped."""
    lines = [f"> {markdown(warning)}\n" for warning in warnings]
    for (model, judge), part in by_model_and_judge(summary).items():
        lines.append(f"### {markdown(model)} · {markdown(judge)}\n")
        table = [[words.column(name) for name in SHOWN]]
        for row in part:
            texts = shown(row, words, scales)
            table.append([texts[name] for name in SHOWN])
        lines += [*markdown_table(table), ""]
    lines.append(markdown(_caption(summary, words, scales)))
    return "\n".join(lines) + "\n"


def _caption(summary: Sequence[SummaryRow], words: Words, scales: Scales) -> str:
    judges = dict.fromkeys(row.judge for row in summary)
    return words.sentence("caption", scales=scales_sentence(judges, scales, words))


def to_latex(summary: Sequence[SummaryRow], words: Words, scales: Scales = NO_SCALES) -> str:
    """A booktabs table environment to ``\\input``; needs booktabs, and ctex for Chinese.

    Compiles with XeLaTeX and LuaLaTeX, English ones with pdfLaTeX too.
    """
    lines = [tex_row([words.column(name) for name in SHOWN])]
    for (model, judge), part in by_model_and_judge(summary).items():
        title = tex(f"{model} · {judge}")
        lines += [r"\midrule", rf"\multicolumn{{{len(SHOWN)}}}{{l}}{{\textbf{{{title}}}}} \\"]
        for row in part:
            if row.category == MICRO:
                lines.append(r"\addlinespace")
            texts = shown(row, words, scales)
            lines.append(tex_row([texts[name] for name in SHOWN]))
    caption, columns = _caption(summary, words, scales), f"l{'r' * (len(SHOWN) - 1)}"
    table = tex_table(caption, "image-edit-benchmark", columns, lines)
    return "\n".join([tex_packages(words), *table]) + "\n"


def tex_packages(words: Words) -> str:
    """A comment that says what tables of :func:`~edit_benchmark.markup.tex_table` need."""
    packages = "booktabs, graphicx" + (" and ctex" if words.language == "zh" else "")
    return tex_comment(f"Needs the packages {packages}.")


def to_terminal(analysis: Analysis, words: Words, scales: Scales = NO_SCALES) -> str:
    """The summary, the failures by reason and the warnings, aligned for a terminal."""
    names = ("category", "n", *STATUSES, "mean", "interval")
    table = [[words.column(name) for name in names]]
    for row in analysis.summary:
        texts = shown(row, words, scales)
        table.append([texts[name] for name in names])
    head, *lines = [f"  {line}" for line in aligned(table)]
    result = [head]
    for (model, judge), part in by_model_and_judge(analysis.summary).items():
        result += [printable(f"{model} · {judge}"), *lines[: len(part)]]
        lines = lines[len(part) :]
    result += _failure_lines(analysis.failures, words)
    result += [printable(f"{words.sentence('warning')} {warning}") for warning in analysis.warnings]
    return "\n".join(result) + "\n"


def _failure_lines(failures: Sequence[FailureRow], words: Words) -> list[str]:
    if not failures:
        return []
    lines = [words.sentence("failures")]
    for row in failures[:_FAILURE_KINDS]:
        who = " ".join(filter(None, [row.model, row.judge]))
        example = row.ids[0] + (", ..." if row.count > 1 else "")
        reason = " ".join(row.reason.split())[:_REASON_WIDTH]
        status = words.cell(row.status)
        lines.append(printable(f"  {row.count}x {who}: {status} ({example}): {reason}"))
    if len(failures) > _FAILURE_KINDS:
        lines.append("  " + words.sentence("more", count=len(failures) - _FAILURE_KINDS))
    return lines

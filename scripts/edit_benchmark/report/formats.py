"""Tables as CSV, Markdown, LaTeX and text for a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from edit_benchmark.records import STATUSES
from edit_benchmark.report import texts
from edit_benchmark.report.tables import EQUAL_MARK, FEW_MARK, MICRO, NOT_APPLICABLE, plain
from edit_benchmark.results.files import write_bytes

_DAGGERS = {FEW_MARK: "†", EQUAL_MARK: "‡"}
#: The columns that are shown to readers; the CSV file has all.
SHOWN = ("category", "n", *STATUSES, "mean", "interval", "std", "median", "min", "max")
_FAILURE_KINDS = 20
_REASON_WIDTH = 100

# A spreadsheet takes a cell for a formula if it begins with one of these, full-width ones included.
_FORMULA = re.compile(r"[=+\-@＝＋－＠\t\r\n]")


def to_csv(table: pd.DataFrame, path: Path) -> None:
    """Write CSV that spreadsheets open right and pandas reads back.

    UTF-8 with a byte-order mark, without which Excel takes Chinese for another encoding; lines end
    as on Unix; texts that a spreadsheet would take for a formula get an apostrophe in front.
    """
    safe = table.map(_no_formula)
    write_bytes(path, safe.to_csv(index=False, lineterminator="\n").encode("utf-8-sig"))


def _no_formula(value: Any) -> Any:
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return value


def number(value: float | None, digits: int = 2) -> str:
    """A number for readers, ``n/a`` where there is none."""
    return NOT_APPLICABLE if value is None else f"{value:.{digits}f}"


def span(low: float | None, high: float | None, digits: int = 2) -> str:
    """An interval for readers."""
    if low is None or high is None:
        return NOT_APPLICABLE
    return f"[{number(low, digits)}, {number(high, digits)}]"


def shown(row: Mapping[str, Any], language: str) -> dict[str, str]:
    """The cells of :data:`SHOWN` of one row of the summary, as texts."""
    marks = "".join(_DAGGERS[mark] for mark in str(row["marks"]).split(";") if mark)
    extreme = f" ({texts.word(row['extreme'], language)})" if row["extreme"] else ""
    cells = {name: number(row[name]) for name in ("std", "median", "min", "max")}
    return {
        **cells,
        **{name: str(row[name]) for name in ("n", *STATUSES)},
        "category": texts.word(row["category"], language) + extreme,
        # Without samples there is nothing to mark.
        "mean": number(row["mean"]) + (marks if row["n"] else ""),
        "interval": span(row["ci95_low"], row["ci95_high"]),
    }


def to_markdown(summary: pd.DataFrame, language: str, warnings: Sequence[str]) -> str:
    """One Markdown table a model and judge; markup in texts is escaped."""
    lines = [f"> {_markdown(warning)}\n" for warning in warnings]
    for (model, judge), part in summary.groupby(["model", "judge"], sort=False):
        lines.append(f"### {_markdown(str(model))} · {_markdown(str(judge))}\n")
        head = [texts.column(name, language) for name in SHOWN]
        lines.append("| " + " | ".join(head) + " |")
        lines.append("| --- |" + " ---: |" * (len(SHOWN) - 1))
        for row in plain(part):
            cells = shown(row, language)
            lines.append("| " + " | ".join(_markdown(cells[name]) for name in SHOWN) + " |")
        lines.append("")
    lines.append(texts.sentence("caption", language))
    return "\n".join(lines) + "\n"


def _markdown(text: str) -> str:
    flat = " ".join(text.split())
    escaped = re.sub(r"([\\`*_\[\]#|~])", r"\\\1", flat)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "†": r"\textdagger{}",
    "‡": r"\textdaggerdbl{}",
    "−": r"\textminus{}",
} | {character: f"\\{character}" for character in "&%$#_{}"}


def to_latex(summary: pd.DataFrame, language: str) -> str:
    """A booktabs table environment to ``\\input``; needs booktabs, and ctex for Chinese.

    Compiles with XeLaTeX and LuaLaTeX, English ones with pdfLaTeX too.
    """
    packages = "booktabs, graphicx" + (" and ctex" if language == "zh" else "")
    lines = [
        f"% Needs the packages {packages}.",
        r"\begin{table}[tbp]",
        r"\centering",
        rf"\caption{{{_tex(texts.sentence('caption', language))}}}",
        r"\label{tab:image-edit-benchmark}",
        # A wide table is scaled to the text's width, a narrow one is left as it is.
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * (len(SHOWN) - 1)}}}",
        r"\toprule",
        _tex_row([texts.column(name, language) for name in SHOWN]),
    ]
    for (model, judge), part in summary.groupby(["model", "judge"], sort=False):
        title = _tex(f"{model} · {judge}")
        lines += [r"\midrule", rf"\multicolumn{{{len(SHOWN)}}}{{l}}{{\textbf{{{title}}}}} \\"]
        for row in plain(part):
            if row["category"] == MICRO:
                lines.append(r"\addlinespace")
            cells = shown(row, language)
            lines.append(_tex_row([cells[name] for name in SHOWN]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}"]) + "\n"


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in " ".join(text.split()))


def _tex_row(cells: Sequence[str]) -> str:
    # Braces: a cell that begins with a bracket would be taken for an option of the line before.
    return " & ".join(f"{{{_tex(cell)}}}" for cell in cells) + r" \\"


def to_terminal(
    summary: pd.DataFrame, failures: pd.DataFrame, warnings: Sequence[str], language: str
) -> str:
    """The summary, the failures by reason and the warnings, aligned for a terminal."""
    names = ("category", "n", *STATUSES, "mean", "interval")
    rows = [[texts.column(name, language) for name in names]]
    for row in plain(summary):
        cells = shown(row, language)
        rows.append([cells[name] for name in names])
    lines = _aligned(rows)
    heads = [f"{row['model']} · {row['judge']}" for row in plain(summary)]
    for position in reversed(range(len(heads))):
        if position == 0 or heads[position] != heads[position - 1]:
            lines.insert(position + 1, _printable(heads[position]))
    if len(failures):
        lines.append(texts.sentence("failures", language))
        entries = plain(failures)
        for entry in entries[:_FAILURE_KINDS]:
            who = " ".join(filter(None, [entry["model"], entry["judge"]]))
            status = texts.word(entry["status"], language)
            example = entry["ids"][0] + (", ..." if entry["count"] > 1 else "")
            reason = " ".join(entry["reason"].split())[:_REASON_WIDTH]
            lines.append(_printable(f"  {entry['count']}x {who}: {status} ({example}): {reason}"))
        if len(entries) > _FAILURE_KINDS:
            lines.append(
                "  " + texts.sentence("more", language, count=len(entries) - _FAILURE_KINDS)
            )
    lines += [
        _printable(f"{texts.sentence('warning', language)} {warning}") for warning in warnings
    ]
    return "\n".join(lines) + "\n"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    clean = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*clean, strict=True)]
    lines = []
    for row in clean:
        padded = []
        for position, (cell, width) in enumerate(zip(row, widths, strict=True)):
            gap = " " * (width - _width(cell))
            padded.append(gap + cell if position else f"  {cell}{gap}")
        lines.append("  ".join(padded).rstrip())
    return lines


def _width(text: str) -> int:
    """Columns of ``text`` in a terminal: a Chinese character takes two."""
    return sum(
        0 if unicodedata.combining(character)
        else 2 if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )  # fmt: skip


def _printable(text: str) -> str:
    """``text`` without what would steer a terminal, such as escape sequences."""
    return "".join(
        character for character in text if unicodedata.category(character) not in ("Cc", "Cf")
    )

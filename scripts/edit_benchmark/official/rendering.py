"""An outcome as text for a terminal, and its tables for LaTeX."""

from __future__ import annotations

import re

from edit_benchmark.official.outcome import Outcome, Table

_NONE = "–"
_SPECIAL = {sign: f"\\{sign}" for sign in "&%$#_{}"} | {"–": "--"}


def as_text(outcome: Outcome) -> str:
    """All tables, the coverage and the notes."""
    parts = [_table(table) for table in outcome.tables]
    parts.append("\n".join(part.sentence() for part in outcome.coverage))
    parts += outcome.notes
    return "\n\n".join(parts) + "\n"


def as_markdown(outcome: Outcome) -> str:
    """All tables, the coverage and the notes, as Markdown."""
    parts = [_markdown(table) for table in outcome.tables]
    lines = [*(part.sentence() for part in outcome.coverage), *outcome.notes]
    parts.append("".join(f"- {_plain(line)}\n" for line in lines))
    return "\n".join(parts)


def as_latex(outcome: Outcome) -> str:
    """All tables with booktabs' rules; coverage and notes as comments."""
    comments = [*(part.sentence() for part in outcome.coverage), *outcome.notes]
    return "\n".join([*map(_latex, outcome.tables), *(f"% {line}" for line in comments)]) + "\n"


def cells(table: Table) -> list[list[str]]:
    """The texts of a table: its headings, then its rows, each with its label first."""
    lines = [
        [label, *(_NONE if value is None else f"{value:.{table.decimals}f}" for value in values)]
        for label, values in table.rows.items()
    ]
    return [["", *table.columns], *lines]


def _table(table: Table) -> str:
    texts = cells(table)
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in texts
    ]
    return "\n".join([table.title, *lines])


def _markdown(table: Table) -> str:
    head, *lines = ["| " + " | ".join(map(_plain, line)) + " |" for line in cells(table)]
    rule = "| --- |" + " ---: |" * len(table.columns)
    return "\n".join([f"### {_plain(table.title)}", "", head, rule, *lines]) + "\n"


def _plain(text: str) -> str:
    """A text that Markdown shows as it is."""
    return re.sub(r"([\\`*_\[\]#|~<>])", r"\\\1", text)


def _latex(table: Table) -> str:
    head, *lines = [" & ".join(map(_escaped, line)) + r" \\" for line in cells(table)]
    return "\n".join(
        [
            f"% {table.title}",
            rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
            r"\toprule",
            head,
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(sign, sign) for sign in text)

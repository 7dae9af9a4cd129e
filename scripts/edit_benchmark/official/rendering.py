"""An outcome as text for a terminal, as Markdown, and its tables for LaTeX."""

from __future__ import annotations

from edit_benchmark.markup import (
    aligned,
    markdown,
    markdown_table,
    printable,
    tex_comment,
    tex_row,
)
from edit_benchmark.official.outcome import Outcome, Table

_NONE = "–"


def as_text(outcome: Outcome) -> str:
    """All tables, the coverage and the notes."""
    tables = [
        "\n".join([printable(table.title), *aligned(cells(table))]) for table in outcome.tables
    ]
    coverage = "\n".join(printable(part.sentence()) for part in outcome.coverage)
    return "\n\n".join([*tables, coverage, *map(printable, outcome.notes)]) + "\n"


def as_markdown(outcome: Outcome) -> str:
    """All tables, the coverage and the notes, as Markdown."""
    parts = [
        "\n".join([f"### {markdown(table.title)}", "", *markdown_table(cells(table)), ""])
        for table in outcome.tables
    ]
    parts.append("".join(f"- {markdown(line)}\n" for line in _sentences(outcome)))
    return "\n".join(parts)


def as_latex(outcome: Outcome) -> str:
    """All tables with booktabs' rules; coverage and notes as comments.

    Chinese labels need ctex.
    """
    comments = map(tex_comment, _sentences(outcome))
    return "\n".join([*map(_latex, outcome.tables), *comments]) + "\n"


def cells(table: Table) -> list[list[str]]:
    """The texts of a table: its headings, then its rows, each with its label first."""
    lines = [
        [label, *(_NONE if value is None else f"{value:.{table.decimals}f}" for value in values)]
        for label, values in table.rows.items()
    ]
    return [["", *table.columns], *lines]


def _sentences(outcome: Outcome) -> list[str]:
    return [*(part.sentence() for part in outcome.coverage), *outcome.notes]


def _latex(table: Table) -> str:
    head, *lines = map(tex_row, cells(table))
    return "\n".join(
        [
            tex_comment(table.title),
            rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
            r"\toprule",
            head,
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )

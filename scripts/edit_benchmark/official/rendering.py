"""An outcome as text for a terminal, and its tables for LaTeX."""

from __future__ import annotations

from edit_benchmark.official.outcome import Outcome, Table

_NONE = "–"
_SPECIAL = {sign: f"\\{sign}" for sign in "&%$#_{}"} | {"–": "--"}


def as_text(outcome: Outcome) -> str:
    """All tables, the coverage and the notes."""
    parts = [_table(table) for table in outcome.tables]
    parts.append("\n".join(part.sentence() for part in outcome.coverage))
    parts += outcome.notes
    return "\n\n".join(parts) + "\n"


def as_latex(outcome: Outcome) -> str:
    """All tables with booktabs' rules; coverage and notes as comments."""
    comments = [*(part.sentence() for part in outcome.coverage), *outcome.notes]
    return "\n".join([*map(_latex, outcome.tables), *(f"% {line}" for line in comments)]) + "\n"


def _cells(table: Table) -> list[list[str]]:
    lines = [
        [label, *(_NONE if value is None else f"{value:.{table.decimals}f}" for value in values)]
        for label, values in table.rows.items()
    ]
    return [["", *table.columns], *lines]


def _table(table: Table) -> str:
    cells = _cells(table)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in cells
    ]
    return "\n".join([table.title, *lines])


def _latex(table: Table) -> str:
    head, *lines = [" & ".join(map(_escaped, line)) + r" \\" for line in _cells(table)]
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

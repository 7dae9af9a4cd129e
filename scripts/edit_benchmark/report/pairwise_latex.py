"""Win rates and strengths as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from edit_benchmark.markup import tex_row, tex_table
from edit_benchmark.report.formats import number, span, tex_packages
from edit_benchmark.report.pair_rows import PairRow, StrengthRow
from edit_benchmark.report.pairwise import Pairwise
from edit_benchmark.report.rows import MICRO
from edit_benchmark.report.words import Words

_STRENGTHS = ("judge", "model", "compared", "strength", "interval", "win_rate_of", "interval")
_PAIRS = (
    "judge", "question", "a", "b", "compared", "wins", "ties", "losses", "changed", "win_rate",
    "interval",
)  # fmt: skip


def pairs_to_latex(tables: Pairwise, words: Words) -> str:
    """Two booktabs table environments as of :func:`~edit_benchmark.report.formats.to_latex`.

    Of pairs of which none was compared there are no strengths.
    """
    strengths = [_strength(row) for row in tables.strengths]
    pairs = [_pair(row) for row in tables.pairs if row.category == MICRO]
    parts = [_table(_PAIRS, 4, pairs, "pairwise", words)]
    if strengths:
        parts.insert(0, _table(_STRENGTHS, 2, strengths, "strengths", words))
    return "\n\n".join([tex_packages(words), *parts]) + "\n"


def _strength(row: StrengthRow) -> list[str]:
    return [
        row.judge, row.model, str(row.compared),
        number(row.strength, 0), span(row.ci95_low, row.ci95_high, 0),
        number(row.win_rate), span(row.win_rate_low, row.win_rate_high),
    ]  # fmt: skip


def _pair(row: PairRow) -> list[str]:
    counts = (row.compared, row.wins, row.ties, row.losses, row.changed)
    return [
        row.judge, row.question, row.a, row.b, *map(str, counts),
        number(row.win_rate), span(row.ci95_low, row.ci95_high),
    ]  # fmt: skip


def _table(
    names: Sequence[str], texts: int, rows: Sequence[Sequence[str]], label: str, words: Words
) -> str:
    """A table whose first columns, ``texts`` of them, are words."""
    head = tex_row([words.column(name) for name in names])
    lines = [head, r"\midrule", *map(tex_row, rows)]
    columns = "l" * texts + "r" * (len(names) - texts)
    caption = words.page[f"{label}_note"]
    return "\n".join(tex_table(caption, f"image-edit-benchmark-{label}", columns, lines))

"""Win rates and strengths as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from edit_benchmark.markup import tex, tex_row
from edit_benchmark.report.formats import number, span
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
    """Two booktabs table environments to ``\\input``; needs booktabs, and ctex for Chinese."""
    strengths = [_strength(row) for row in tables.strengths]
    pairs = [_pair(row) for row in tables.pairs if row.category == MICRO]
    return "\n".join(
        [
            *_table(_STRENGTHS, 2, strengths, words.page["strengths_note"], "strengths", words),
            "",
            *_table(_PAIRS, 4, pairs, words.page["pairwise_note"], "pairwise", words),
            "",
        ]
    )


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
    names: Sequence[str],
    texts: int,
    lines: Sequence[Sequence[str]],
    caption: str,
    label: str,
    words: Words,
) -> list[str]:
    """A table whose first columns, ``texts`` of them, are words."""
    return [
        r"\begin{table}[tbp]",
        r"\centering",
        rf"\caption{{{tex(caption)}}}",
        rf"\label{{tab:image-edit-benchmark-{label}}}",
        rf"\begin{{tabular}}{{{'l' * texts}{'r' * (len(names) - texts)}}}",
        r"\toprule",
        tex_row([words.column(name) for name in names]),
        r"\midrule",
        *(tex_row(line) for line in lines),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]

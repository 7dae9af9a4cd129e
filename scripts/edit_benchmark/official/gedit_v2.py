"""GEditBench v2 (ZhangqiJiang07/GEditBench_v2): Elo of models from a judge's choice of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edit_benchmark.official.answers import json_object, unparsable
from edit_benchmark.official.davidson import Array, Comparisons, fit
from edit_benchmark.official.outcome import (
    AS_PUBLISHED,
    CORRECTED,
    Outcome,
    Table,
    covered,
)

FIRST, SECOND, TIE = "Image A", "Image B", "Tie"
_WINNERS = {
    **dict.fromkeys(("image a", "image_a", "a"), FIRST),
    **dict.fromkeys(("image b", "image_b", "b"), SECOND),
    **dict.fromkeys(("tie", "equal", "both", "none"), TIE),
}
# Elo has 400 points for odds of ten to one.
_SCALE = 400 / np.log(10)
_SEED = 42


@dataclass(frozen=True)
class Row:
    """One judged pair of edits.

    Attributes
    ----------
    dimension
        What was judged: visual consistency, quality, or instruction following.
    prompt
        The sample; its pairs are resampled together.
    winner
        :data:`FIRST`, :data:`SECOND` or :data:`TIE`; empty if there is no answer.
    problem
        Then why.
    """

    dimension: str
    prompt: str
    model_a: str
    model_b: str
    winner: str
    problem: str = ""


def parse(text: str) -> str:
    """The winner that an answer names.

    Raises
    ------
    SampleError
        If it names none.
    """
    winner = (json_object(text) or {}).get("winner")
    known = _WINNERS.get(winner.lower()) if isinstance(winner, str) else None
    if known is None:
        raise unparsable(text, "no JSON object with a winner")
    return known


def aggregate(rows: Sequence[Row], resamples: int = 1000) -> Outcome:
    """Elo of each model, with the 2.5 and 97.5 percentiles of a bootstrap over prompts.

    As published (elo_score.py) the fit holds the last model by name at 0 and shrinks the others
    towards it; corrected, all are shrunk towards their mean.

    Raises
    ------
    ValueError
        If the fit does not converge, or no pair has an answer.
    """
    answered = [row for row in rows if not _problem(row)]
    models = sorted({name for row in answered for name in (row.model_a, row.model_b)})
    if not models:
        raise ValueError("no pair of models has an answer")
    dimensions = list(dict.fromkeys(row.dimension for row in answered))
    clusters = [
        _clusters([row for row in answered if row.dimension == name], models) for name in dimensions
    ]
    totals = [_sum(parts) for parts in clusters]
    published, propensities = fit(totals, last_is_zero=True)
    corrected, _ = fit(totals, last_is_zero=False)
    low, high = _interval(clusters, resamples) if resamples else (published, published)
    matches = sum((part.wins + part.wins.T + 2 * part.ties).sum(axis=1) for part in totals)
    values = np.column_stack(
        [1000 + _SCALE * part for part in (published, low, high, corrected)] + [matches]
    )
    order = np.argsort(-values[:, 0], kind="stable")
    interval = (f"2.5 % {AS_PUBLISHED}", f"97.5 % {AS_PUBLISHED}")
    columns = (f"Elo {AS_PUBLISHED}", *interval, f"Elo {CORRECTED}", "pairs")
    lines: dict[str, tuple[float | None, ...]] = {
        models[number]: tuple(
            value if resamples or heading not in interval else None
            for heading, value in zip(columns, values[number].tolist(), strict=True)
        )
        for number in order
    }
    coverage = tuple(
        covered(name, [_problem(row) for row in rows if row.dimension == name])
        for name in dict.fromkeys(row.dimension for row in rows)
    )
    ties = ", ".join(f"{name} {nu:.4f}" for name, nu in zip(dimensions, propensities, strict=True))
    notes = (f"Tie propensity nu: {ties}.",)
    return Outcome((Table("GEditBench v2 Elo", columns, lines, decimals=0),), coverage, notes)


def _problem(row: Row) -> str:
    """Why a row does not count; empty if it does."""
    if not row.winner:
        return row.problem or "no_answer"
    return "one_model_twice" if row.model_a == row.model_b else ""


def _clusters(rows: Sequence[Row], models: Sequence[str]) -> list[Comparisons]:
    """The counts of each prompt."""
    place = {name: number for number, name in enumerate(models)}
    shape = (len(models), len(models))
    found: dict[str, Comparisons] = {}
    for row in rows:
        part = found.setdefault(row.prompt, Comparisons(np.zeros(shape), np.zeros(shape)))
        a, b = place[row.model_a], place[row.model_b]
        if row.winner == TIE:
            part.ties[a, b] += 0.5
            part.ties[b, a] += 0.5
        elif row.winner == FIRST:
            part.wins[a, b] += 1
        else:
            part.wins[b, a] += 1
    return list(found.values())


def _sum(parts: Sequence[Comparisons]) -> Comparisons:
    return Comparisons(
        np.sum([part.wins for part in parts], axis=0),
        np.sum([part.ties for part in parts], axis=0),
    )


def _interval(clusters: Sequence[Sequence[Comparisons]], resamples: int) -> tuple[Array, Array]:
    """The percentiles of theta, each dimension's prompts drawn anew; the original code's seed."""
    generator = np.random.default_rng(_SEED)
    thetas = []
    for _ in range(resamples):
        drawn = [
            _sum([parts[number] for number in generator.integers(0, len(parts), len(parts))])
            for parts in clusters
        ]
        thetas.append(fit(drawn, last_is_zero=True)[0])
    low, high = np.percentile(thetas, [2.5, 97.5], axis=0)
    return low, high

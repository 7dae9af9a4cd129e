"""The report's tables of judges that compare pairs: win rates, strengths, position bias."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from edit_benchmark.dataset.samples import clusters
from edit_benchmark.records import EDIT_FAILED, JUDGE_FAILED, SKIPPED, Preference, Sample
from edit_benchmark.report.pair_rows import BiasRow, PairRow, PreferenceRow, StrengthRow
from edit_benchmark.report.rows import FEW_MARK, MICRO
from edit_benchmark.report.words import Words
from edit_benchmark.stats.estimates import FEW, bounds, estimate
from edit_benchmark.stats.strengths import Compared, strengths

_SHARE = (0.0, 1.0)
# Of many models there are hundreds of pairs: so many are warned of one by one.
_NAMED = 10
# Elo has 400 points for odds of ten to one.
_ELO = 400 / np.log(10)
Key = TypeVar("Key", bound=Hashable)
Clusters = Mapping[str, str]


@dataclass(frozen=True)
class Pairwise:
    """The tables of all judges that compare; empty without any."""

    preferences: list[PreferenceRow]
    pairs: list[PairRow]
    strengths: list[StrengthRow]
    bias: list[BiasRow]


def pairwise(samples: Sequence[Sample], rows: Sequence[Preference]) -> Pairwise:
    """All tables, from a row for every judge, question, sample, repeat and pair."""
    sources = clusters(samples)
    return Pairwise(
        preferences=[_preference_row(row) for row in rows],
        pairs=pair_rows(rows, sources),
        strengths=strength_rows(rows, sources),
        bias=bias_rows(rows, sources),
    )


def pair_rows(rows: Sequence[Preference], sources: Clusters) -> list[PairRow]:
    """Each two models under each judge and question: over all samples, and in each category."""
    found = []
    for (judge, call, a, b), of_pair in _grouped(
        rows, lambda row: (row.judge, row.call, row.a, row.b)
    ).items():
        by_category = _grouped(of_pair, lambda row: row.category)
        scopes = {MICRO: of_pair, **(by_category if len(by_category) > 1 else {})}
        for category, scope in scopes.items():
            found.append(_pair_row((judge, call, category, a, b), scope, sources))
    return found


def strength_rows(rows: Sequence[Preference], sources: Clusters) -> list[StrengthRow]:
    """Each model under each judge, the strongest first; the questions share its strength."""
    found = []
    for judge, of_judge in _grouped(rows, lambda row: row.judge).items():
        compared = [row for row in of_judge if row.win is not None]
        if not compared:
            continue
        fitted = strengths(
            {
                call: [
                    Compared(row.a, row.b, row.win, sources[row.id])
                    for row in part
                    if row.win is not None
                ]
                for call, part in _grouped(compared, lambda row: row.call).items()
            }
        )
        ties = "; ".join(f"{call} {nu:.3f}" for call, nu in fitted.ties.items())
        for model in sorted(fitted.theta, key=lambda name: -fitted.theta[name]):
            own = [row for row in compared if model in (row.a, row.b)]
            rate = estimate(
                [_share(row, model) for row in own], [sources[row.id] for row in own], _SHARE
            )
            low, high = fitted.intervals[model]
            found.append(
                StrengthRow(
                    judge=judge,
                    model=model,
                    compared=len(own),
                    win_rate=rate.mean,
                    win_rate_low=rate.low,
                    win_rate_high=rate.high,
                    strength=_elo(fitted.theta[model]),
                    ci95_low=None if low is None else _elo(low),
                    ci95_high=None if high is None else _elo(high),
                    ties=ties,
                )
            )
    return found


def bias_rows(rows: Sequence[Preference], sources: Clusters) -> list[BiasRow]:
    """Each judge and question."""
    found = []
    for (judge, call), part in _grouped(rows, lambda row: (row.judge, row.call)).items():
        asked = [row for row in part if row.win is not None and not row.identical]
        if not asked:
            continue
        changed = [float(_is_changed(row)) for row in asked]
        share = estimate(changed, [sources[row.id] for row in asked], _SHARE)
        assert share.mean is not None
        found.append(
            BiasRow(
                judge=judge,
                question=call,
                n=len(asked),
                changed=int(sum(changed)),
                share=share.mean,
                ci95_low=share.low,
                ci95_high=share.high,
                first_twice=sum(_said(row) == (1, 0) for row in asked),
                second_twice=sum(_said(row) == (0, 1) for row in asked),
            )
        )
    return found


def pair_warnings(tables: Pairwise, words: Words) -> list[str]:
    """Pairs without a preference, and judges that go by position."""
    partly = [row for row in tables.pairs if row.category == MICRO and row.compared < row.n]
    partly.sort(key=lambda row: row.compared - row.n)
    warnings = [
        words.sentence(
            "pairs_missing", judge=row.judge, question=row.question, a=row.a, b=row.b,
            n=row.n, missing=row.n - row.compared,
        )
        for row in partly[:_NAMED]
    ]  # fmt: skip
    if others := partly[_NAMED:]:
        missing = sum(row.n - row.compared for row in others)
        warnings.append(words.sentence("pairs_missing_more", count=len(others), missing=missing))
    warnings += [
        words.sentence(
            "position_bias", judge=row.judge, question=row.question, n=row.n, changed=row.changed,
            first=row.first_twice, second=row.second_twice,
        )
        for row in tables.bias
        if row.changed
    ]  # fmt: skip
    return warnings


def _pair_row(
    names: tuple[str, str, str, str, str], rows: Sequence[Preference], sources: Clusters
) -> PairRow:
    judge, call, category, a, b = names
    compared = [row for row in rows if row.win is not None]
    changed = [row for row in compared if _is_changed(row)]
    ended = Counter(row.status for row in rows)
    rate = estimate(
        [_share(row, a) for row in compared], [sources[row.id] for row in compared], _SHARE
    )
    low, high = bounds(rate.mean, len(compared), len(rows) - len(compared), _SHARE)
    return PairRow(
        judge=judge,
        question=call,
        category=category,
        a=a,
        b=b,
        n=len(rows),
        compared=len(compared),
        edit_failed=ended[EDIT_FAILED],
        judge_failed=ended[JUDGE_FAILED],
        skipped=ended[SKIPPED],
        wins=sum(row.win == 1 for row in compared),
        ties=sum(row.win == 0.5 for row in compared) - len(changed),
        losses=sum(row.win == 0 for row in compared),
        changed=len(changed),
        first_twice=sum(_said(row) == (1, 0) for row in changed),
        second_twice=sum(_said(row) == (0, 1) for row in changed),
        identical=sum(row.identical for row in compared),
        source_images=rate.clusters,
        win_rate=rate.mean,
        standard_error=rate.standard_error,
        ci95_low=rate.low,
        ci95_high=rate.high,
        bound_low=low,
        bound_high=high,
        marks=FEW_MARK if rate.clusters < FEW else "",
    )


def _preference_row(row: Preference) -> PreferenceRow:
    first, second = _said(row)
    return PreferenceRow(
        judge=row.judge, question=row.call, category=row.category, id=row.id, repeat=row.repeat,
        a=row.a, b=row.b, status=row.status, reason=row.reason, win=row.win, a_first=first,
        b_first=second, identical=row.identical, answer_keys=";".join(row.answer_keys()),
    )  # fmt: skip


def _said(row: Preference) -> tuple[float | None, float | None]:
    """The share of the win of ``a`` when it is shown first, and when ``b`` is."""
    if not row.answers:
        return None, None
    first, second = (answer["preference"] for answer in row.answers)
    return first, second


def _is_changed(row: Preference) -> bool:
    first, second = _said(row)
    return first != second


def _share(row: Preference, model: str) -> float:
    """A model's share of the win of a pair that was compared."""
    assert row.win is not None
    return row.win if model == row.a else 1 - row.win


def _elo(theta: float) -> float:
    # No finer than what the fit leaves open.
    return round(float(1000 + _ELO * theta), 2)


def _grouped(
    rows: Sequence[Preference], key: Callable[[Preference], Key]
) -> dict[Key, list[Preference]]:
    found: dict[Key, list[Preference]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found

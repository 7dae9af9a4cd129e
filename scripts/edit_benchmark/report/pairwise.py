"""The report's tables of judges that compare pairs: win rates, strengths, position bias."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from edit_benchmark.dataset.samples import clusters
from edit_benchmark.records import EDIT_FAILED, JUDGE_FAILED, SKIPPED, Preference, Sample
from edit_benchmark.report.pair_rows import BiasRow, PairRow, PreferenceRow, StrengthRow
from edit_benchmark.report.pair_tables import matches
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
#: What was said in either order.
Said = tuple[float | None, float | None]
# One number in memory for all shares that are equal.
_WINS = {win: win for win in (0.0, 0.5, 1.0)}


@dataclass(frozen=True)
class Pairwise:
    """The tables of all judges that compare; empty without any."""

    pairs: list[PairRow]
    strengths: list[StrengthRow]
    bias: list[BiasRow]


class Heard:
    """What a judge said of all pairs, without what only single rows have: there are millions.

    Attributes
    ----------
    compared, questions
        The pairs that were compared, and which question each is of.
    changed
        By question for each pair that it was asked about: the cluster, and 1.0 if the answer
        changed with the order.
    twice
        By question how many of these pairs had what was said in either order.
    """

    def __init__(self) -> None:
        self.compared: list[Compared] = []
        self.questions: list[str] = []
        self.changed: dict[str, list[tuple[str, float]]] = {}
        self.twice: dict[str, Counter[Said]] = {}

    def add(self, rows: Iterable[Preference], sources: Clusters) -> None:
        """Take more rows of the judge."""
        for row in rows:
            if row.win is None:
                continue
            self.compared.append(Compared(row.a, row.b, _WINS[row.win], sources[row.id]))
            self.questions.append(row.call)
            if not row.identical:
                pair = (sources[row.id], 1.0 if _is_changed(row) else 0.0)
                self.changed.setdefault(row.call, []).append(pair)
                self.twice.setdefault(row.call, Counter())[_said(row)] += 1


def pairwise(samples: Sequence[Sample], rows: Iterable[Preference]) -> Pairwise:
    """All tables, from a row for every judge, question, sample, repeat and pair."""
    sources = clusters(samples)
    pairs: list[PairRow] = []
    heard: dict[str, Heard] = {}
    for (judge, _, _), of_match in matches(rows):
        pairs += pair_rows(of_match, sources)
        heard.setdefault(judge, Heard()).add(of_match, sources)
    return Pairwise(
        pairs=pairs,
        strengths=[row for judge, said in heard.items() for row in strength_rows(judge, said)],
        bias=[row for judge, said in heard.items() for row in bias_rows(judge, said)],
    )


def pair_rows(rows: Sequence[Preference], sources: Clusters) -> list[PairRow]:
    """Two models under one judge and each question: over all samples, and in each category."""
    found = []
    for (judge, call, a, b), of_pair in _grouped(
        rows, lambda row: (row.judge, row.call, row.a, row.b)
    ).items():
        by_category = _grouped(of_pair, lambda row: row.category)
        scopes = {MICRO: of_pair, **(by_category if len(by_category) > 1 else {})}
        for category, scope in scopes.items():
            found.append(_pair_row((judge, call, category, a, b), scope, sources))
    return found


def strength_rows(judge: str, heard: Heard) -> list[StrengthRow]:
    """Each model under a judge, the strongest first; the questions share its strength."""
    if not heard.compared:
        return []
    questions: dict[str, list[Compared]] = {}
    for call, pair in zip(heard.questions, heard.compared, strict=True):
        questions.setdefault(call, []).append(pair)
    fitted = strengths(questions)
    ties = "; ".join(f"{call} {nu:.3f}" for call, nu in fitted.ties.items())
    found = []
    for model in sorted(fitted.theta, key=lambda name: -fitted.theta[name]):
        own = [pair for pair in heard.compared if model in (pair.a, pair.b)]
        rate = estimate(
            [_share(pair, model) for pair in own], [pair.cluster for pair in own], _SHARE
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


def bias_rows(judge: str, heard: Heard) -> list[BiasRow]:
    """Each question of a judge."""
    found = []
    for call, pairs in heard.changed.items():
        changed = [value for _, value in pairs]
        share = estimate(changed, [cluster for cluster, _ in pairs], _SHARE)
        assert share.mean is not None
        found.append(
            BiasRow(
                judge=judge,
                question=call,
                n=len(pairs),
                changed=int(sum(changed)),
                share=share.mean,
                ci95_low=share.low,
                ci95_high=share.high,
                first_twice=heard.twice[call][1, 0],
                second_twice=heard.twice[call][0, 1],
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
        [row.win for row in compared if row.win is not None],
        [sources[row.id] for row in compared],
        _SHARE,
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


def preference_row(row: Preference) -> PreferenceRow:
    """The row of one pair."""
    first, second = _said(row)
    return PreferenceRow(
        judge=row.judge, question=row.call, category=row.category, id=row.id, repeat=row.repeat,
        a=row.a, b=row.b, status=row.status, reason=row.reason, win=row.win, a_first=first,
        b_first=second, identical=row.identical, answer_keys=";".join(row.answer_keys()),
    )  # fmt: skip


def _said(row: Preference) -> Said:
    """The share of the win of ``a`` when it is shown first, and when ``b`` is."""
    if not row.answers:
        return None, None
    first, second = (answer["preference"] for answer in row.answers)
    return first, second


def _is_changed(row: Preference) -> bool:
    first, second = _said(row)
    return first != second


def _share(pair: Compared, model: str) -> float:
    """A model's share of the win of a pair."""
    return pair.win if model == pair.a else 1 - pair.win


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

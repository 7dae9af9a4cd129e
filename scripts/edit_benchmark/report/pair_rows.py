"""Rows of the report's tables of pairs, whose fields are the columns in their order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """One judge, question, sample, repeat and pair of models.

    ``win`` is the share of the win of ``a`` (1, 0.5 or 0), ``a_first`` and ``b_first`` what the
    judge said when the edit of ``a``, or of ``b``, was shown first; None where it said nothing.
    """

    judge: str
    question: str
    category: str
    id: str
    repeat: int
    a: str
    b: str
    status: str
    reason: str
    win: float | None
    a_first: float | None
    b_first: float | None
    identical: bool
    answer_keys: str


@dataclass(frozen=True)
class PairRow:
    """Two models' edits as a judge compared them, over all categories or in one.

    What does not exist is None.

    Attributes
    ----------
    n
        Pairs of edits; ``compared`` to ``skipped`` are how many of them ended as that.
    wins, ties, losses, changed
        Of those compared: ``a`` or ``b`` is better in both orders, neither is in both, or the judge
        changed its answer with the order. They add up to ``compared``.
    first_twice, second_twice
        Of ``changed``: what was shown first, or second, was found better both times.
    identical
        Of ``ties``: both models made the same file.
    win_rate, standard_error, ci95_low, ci95_high
        Wins of ``a`` and half of the ties and of the changed, as a share of ``compared``; its error
        and its 95 % interval over source images.
    bound_low, bound_high
        The rate if all pairs that were not compared were lost, or won.
    """

    judge: str
    question: str
    category: str
    a: str
    b: str
    n: int
    compared: int
    edit_failed: int
    judge_failed: int
    skipped: int
    wins: int
    ties: int
    losses: int
    changed: int
    first_twice: int
    second_twice: int
    identical: int
    source_images: int
    win_rate: float | None
    standard_error: float | None
    ci95_low: float | None
    ci95_high: float | None
    bound_low: float | None
    bound_high: float | None
    marks: str


@dataclass(frozen=True)
class StrengthRow:
    """One model among all that a judge compared, over all questions.

    Attributes
    ----------
    compared
        Pairs that it is in.
    win_rate, win_rate_low, win_rate_high
        As of :class:`PairRow`, over all of them.
    strength, ci95_low, ci95_high
        By Davidson's model, in points of Elo (400 for odds of ten to one) around 1000, and the 95 %
        interval over source images.
    ties
        Davidson's nu of each question: how often two models of one strength tie, 2 nu to 2.
    """

    judge: str
    model: str
    compared: int
    win_rate: float | None
    win_rate_low: float | None
    win_rate_high: float | None
    strength: float
    ci95_low: float | None
    ci95_high: float | None
    ties: str


@dataclass(frozen=True)
class BiasRow:
    """How often a judge says something else when two edits are shown the other way round.

    ``n`` are the pairs that it answered about in both orders, of them ``changed``; ``share`` is
    their share with its interval over source images; ``first_twice`` and ``second_twice`` as of
    :class:`PairRow`.
    """

    judge: str
    question: str
    n: int
    changed: int
    share: float
    ci95_low: float | None
    ci95_high: float | None
    first_twice: int
    second_twice: int

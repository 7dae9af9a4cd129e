"""Intervals, tests and places by simulation: how often they are right, briefly.

``make statistics`` runs the same simulations and more at length; tests/statistics.md has its table.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

import simulations
from edit_benchmark.stats import comparison
from edit_benchmark.stats.permutation import holm
from edit_benchmark.stats.power import samples_needed
from simulations import share


def reached(value: float, promised: float, runs: int) -> bool:
    """Whether ``value`` is no further below ``promised`` than a simulation of so many runs is."""
    return value >= promised - 3 * math.sqrt(promised * (1 - promised) / runs)


@pytest.mark.parametrize("images", [2, 3, 4, 5, 8, 20])
def test_the_interval_covers_the_true_mean(images: int) -> None:
    """The percentile interval alone covered 50, 74, 88 and 91 % with 2 to 5 images."""
    trial = partial(simulations.mean_is_covered, draw=simulations.normal, images=images)
    value = share(trial, 1000)
    assert 0.93 <= value <= 0.98


@pytest.mark.parametrize("images", [12, 40])
def test_samples_of_an_image_count_as_what_they_share(images: int) -> None:
    trial = partial(simulations.mean_is_covered, draw=simulations.shared, images=images)
    assert 0.93 <= share(trial, 1000) <= 0.97


def test_the_interval_covers_where_one_image_has_most_samples() -> None:
    """One image of 40 samples and nine of one: t alone covers 31 %."""
    trial = partial(simulations.mean_is_covered, draw=simulations.unequal, images=10)
    assert share(trial, 500) >= 0.9


def test_the_macro_interval_covers() -> None:
    trial = partial(simulations.macro_is_covered, sizes=(4, 7, 12, 20))
    assert 0.93 <= share(trial, 500) <= 0.99


def test_the_bounds_hold_whatever_is_missing() -> None:
    assert share(partial(simulations.bounds_hold, samples=30), 300) == 1


@pytest.mark.parametrize("size", [1.8, 1.2, 1.0, 0.8])
def test_the_samples_that_are_needed_have_the_power(size: float) -> None:
    """With 2, 3 or 5 pairs, as z would have it, a sign-flip test cannot be significant."""
    assert samples_needed(1.0, size) >= 6
    runs = 400 if size > 0.9 else 150
    assert reached(share(partial(simulations.difference_is_seen, size=size), runs), 0.8, runs)


@pytest.mark.parametrize(("true", "least"), [(0.5, 0.93), (0.9, 0.93), (0.98, 0.9)])
def test_the_interval_of_a_win_rate_covers(true: float, least: float) -> None:
    for each in (1, 2):
        trial = partial(simulations.win_rate_is_covered, true=true, images=20, each=each)
        assert share(trial, 1000) >= least


@pytest.mark.parametrize("true", [0.5, 0.95, 0.99])
def test_the_interval_of_an_area_covers(true: float) -> None:
    """The bootstrap covered 55 to 75 % of areas above 0.95, where all edits seem to win."""
    trial = partial(simulations.auc_is_covered, true=true, images=10, correlation=0.0)
    assert reached(share(trial, 500), 0.95, 500)


def test_places_cover_the_true_ones() -> None:
    near = partial(simulations.places_are_covered, models=6, gap=0.02, images=20)
    equal = partial(simulations.places_are_covered, models=6, gap=0.0, images=20)
    assert share(near, 150) >= 0.95
    assert share(equal, 150) >= 0.95


def test_equal_models_rarely_raise_an_alarm_in_any_category() -> None:
    trial = partial(simulations.equal_models_raise_an_alarm, models=4, categories=3, images=14)
    assert share(trial, 200) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_category_rows_are_corrected_over_all_pairs_and_categories() -> None:
    """Within a pair alone equal models raised an alarm in 3 of 10 runs."""
    rng = np.random.default_rng(3)
    ids = [f"s{number}" for number in range(24)]
    categories = {name: "xyz"[number % 3] for number, name in enumerate(ids)}
    models = {name: {i: float(rng.normal(5, 1)) for i in ids} for name in "abcd"}
    rows = comparison.compare(models, categories, {i: i for i in ids}, "all", "macro")
    family = [row for row in rows if row.category in "xyz"]
    assert len(family) == 18
    assert [row.p_holm for row in family] == holm([row.p for row in family])

"""Intervals, tests and places by simulation: how often they are right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edit_benchmark.stats import comparison
from edit_benchmark.stats.estimates import (
    estimate,
)
from edit_benchmark.stats.permutation import permutation_p
from edit_benchmark.stats.power import samples_needed
from edit_benchmark.stats.ranks import ranks


@pytest.mark.parametrize(("images", "most"), [(40, 3), (12, 2)])
def test_the_interval_covers_the_true_mean_in_93_to_97_of_100_runs(images: int, most: int) -> None:
    """1,000 runs; samples of an image share what the image adds."""
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(1000):
        sizes = rng.integers(1, most + 1, images)
        image = np.repeat(rng.normal(0, 1, images), sizes)
        values = 5 + image + rng.normal(0, 1, sizes.sum())
        names = np.repeat([str(number) for number in range(images)], sizes)
        found = estimate(values.tolist(), names.tolist())
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 5 <= found.high
    print(f"{images} images: covered {covered} of 1000")
    assert 930 <= covered <= 970


@pytest.mark.parametrize("images", [2, 3, 4, 5, 8])
def test_the_interval_of_few_images_covers(images: int) -> None:
    """The percentile interval alone covered 50, 74, 88 and 91 % with 2 to 5 images."""
    rng = np.random.default_rng(images)
    names = [str(number) for number in range(images)]
    covered = 0
    for _ in range(1000):
        result = estimate(rng.normal(5, 1, images).tolist(), names)
        assert result.low is not None
        assert result.high is not None
        covered += result.low <= 5 <= result.high
    assert 930 <= covered <= 980


def test_the_interval_covers_where_one_image_has_most_samples() -> None:
    """One image of 40 samples and nine of one: t alone covers 31 %."""
    rng = np.random.default_rng(1)
    names = ["0"] * 40 + [str(number) for number in range(1, 10)]
    covered = 0
    for _ in range(500):
        image = rng.normal(0, 1, 10)
        values = 5 + np.concatenate([np.repeat(image[0], 40), image[1:]])
        result = estimate(values.clip(0, 10).tolist(), names)
        assert result.low is not None
        assert result.high is not None
        covered += result.low <= 5 <= result.high
    assert covered >= 450


@pytest.mark.parametrize("size", [1.8, 1.2, 1.0, 0.8])
def test_the_samples_that_are_needed_have_the_power(size: float) -> None:
    """With 2, 3 or 5 pairs, as z would have it, a sign-flip test cannot be significant."""
    count = samples_needed(1.0, size)
    assert count >= 6
    rng = np.random.default_rng(8)
    runs = 400 if count < 13 else 150
    seen = sum(permutation_p(rng.normal(size, 1, count)) <= 0.05 for _ in range(runs))
    assert seen / runs >= 0.8 - 3 * math.sqrt(0.16 / runs)


def test_category_rows_are_corrected_over_all_pairs_and_categories() -> None:
    """Equal models: within a pair alone the share of runs with a row below 0.05 was 0.3 here."""
    rng = np.random.default_rng(3)
    ids = [f"s{number}" for number in range(24)]
    categories = {name: "xyz"[number % 3] for number, name in enumerate(ids)}
    alarms = 0
    for _ in range(60):
        models = {name: {i: float(rng.normal(5, 1)) for i in ids} for name in "abcd"}
        rows = comparison.compare(models, categories, {i: i for i in ids}, "all", "macro")
        alarms += any(
            row.p_holm is not None and row.p_holm < 0.05 for row in rows if row.category in "xyz"
        )
    assert alarms <= 8


def test_places_cover_the_true_ones_all_at_once() -> None:
    """Four models 0.1 apart, 12 images: every true place is possible in 95 % of runs."""
    rng = np.random.default_rng(6)
    ids = [f"s{number}" for number in range(12)]
    covered = 0
    for _ in range(150):
        models = {
            name: {i: float(rng.normal(5 - 0.1 * place, 1)) for i in ids}
            for place, name in enumerate("abcd")
        }
        places = {row.model: row for row in ranks(models, {i: i for i in ids})}
        covered += all(
            places[name].low <= place <= places[name].high for place, name in enumerate("abcd", 1)
        )
    assert covered >= 138

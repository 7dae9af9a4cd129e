"""Every statistic against scipy, a published worked example or a simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from edit_benchmark.stats import agreement, comparison, estimates, permutation
from edit_benchmark.stats.estimates import (
    bounds,
    cluster_sums,
    estimate,
    expanded_level,
    largest_tie,
    macro_estimate,
    standard_error,
)
from edit_benchmark.stats.permutation import holm, permutation_p
from edit_benchmark.stats.power import samples_needed
from edit_benchmark.stats.ranks import ranks

RNG = np.random.default_rng(11)
SCORES = np.round(RNG.normal(5, 1.5, 40), 2)
ALONE = [f"image {number}" for number in range(40)]
SHARED = [f"image {number // 3}" for number in range(40)]

# ----- Means -----


def test_the_numbers_of_a_mean_are_those_of_scipy() -> None:
    found = estimate(SCORES.tolist(), ALONE)
    assert (found.n, found.clusters) == (40, 40)
    assert found.mean == pytest.approx(SCORES.mean(), abs=1e-12)
    assert found.standard_error == pytest.approx(stats.sem(SCORES), abs=1e-12)
    assert found.std == pytest.approx(stats.tstd(SCORES) * math.sqrt(39 / 40), abs=1e-12)
    assert (found.median, found.minimum) == (np.median(SCORES), SCORES.min())


def test_the_interval_is_scipys_percentile_bootstrap_at_the_expanded_level() -> None:
    found = estimate(SCORES.tolist(), ALONE)
    theirs = stats.bootstrap(
        (SCORES,), np.mean, method="percentile", confidence_level=expanded_level(40),
        n_resamples=20_000, rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    # Two bootstraps of thousands differ by about 2 % of the standard error.
    tolerance = 0.06 * stats.sem(SCORES)
    assert found.low == pytest.approx(theirs.low, abs=tolerance)
    assert found.high == pytest.approx(theirs.high, abs=tolerance)
    assert estimate(SCORES.tolist(), ALONE) == found  # the seed is fixed


def test_the_expanded_level_by_hand() -> None:
    """n = 10: t = 2.2622 (9 degrees of freedom), times sqrt(10/9) 2.3845, of which Phi is
    0.00855; and with many images it is 95 %."""
    assert (1 - expanded_level(10)) / 2 == pytest.approx(0.00855, abs=5e-6)
    assert expanded_level(100_000) == pytest.approx(0.95, abs=1e-5)


def test_samples_of_one_picture_count_as_one_in_the_standard_error() -> None:
    residuals = SCORES - SCORES.mean()
    groups = [sum(residuals[k] for k in range(40) if SHARED[k] == name) for name in set(SHARED)]
    count = len(groups)
    by_hand = math.sqrt(count / (count - 1) * sum(group**2 for group in groups)) / 40
    assert standard_error(SCORES, SHARED) == pytest.approx(by_hand, abs=1e-12)
    # Copies of a sample add nothing to what is known.
    twice = estimate([*SCORES, *SCORES], [*ALONE, *ALONE])
    once = estimate(SCORES.tolist(), ALONE)
    assert twice.standard_error == pytest.approx(once.standard_error, rel=1e-12)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), abs=1e-12)


def test_one_picture_has_no_interval_and_no_sample_no_mean() -> None:
    one = estimate([4.0, 6.0], ["a", "a"])
    assert (one.mean, one.standard_error, one.low, one.high) == (5.0, None, None, None)
    assert estimate([], []).mean is None


def test_the_macro_mean_is_that_of_the_categories() -> None:
    values, groups = [2.0, 4.0, 8.0, 8.0], ["a", "a", "b", "b"]
    found = macro_estimate(values, groups, ["1", "2", "3", "4"])
    assert found.mean == pytest.approx((3 + 8) / 2)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 5.5 <= found.high


def test_the_macro_error_is_the_stratified_one() -> None:
    """Categories of 4, 7 and 12 images: sqrt(sum SE_k^2) / 3; one category is its own."""
    rng = np.random.default_rng(4)
    parts = [rng.normal(5, scale, size) for scale, size in ((1, 4), (2, 7), (0.5, 12))]
    values = np.concatenate(parts).tolist()
    groups = [name for name, part in zip("abc", parts, strict=True) for _ in part]
    images = [str(number) for number in range(len(values))]
    by_hand = math.sqrt(sum(stats.sem(part) ** 2 for part in parts)) / 3
    assert macro_estimate(values, groups, images).standard_error == pytest.approx(by_hand)
    for size in (2, 5):
        alone = macro_estimate(values[:size], ["a"] * size, images[:size])
        micro = estimate(values[:size], images[:size])
        assert alone.standard_error == pytest.approx(micro.standard_error)
        assert (alone.low, alone.high) == pytest.approx((micro.low, micro.high))
    # An image in two categories moves both means together.
    shared = macro_estimate([1.0, 9.0, 1.0, 9.0], list("aabb"), ["1", "2", "1", "2"])
    assert shared.standard_error == pytest.approx(stats.sem([1.0, 9.0]))
    # A category of one image says nothing of others.
    assert macro_estimate([1.0, 2.0, 3.0], list("aab"), ["1", "2", "3"]).standard_error is None


def test_an_interval_stays_on_the_scale() -> None:
    result = estimate([0.5, 9.5], ["a", "b"])
    assert (result.low, result.high) == (0.0, 10.0)


def test_bounds_take_every_missing_sample_at_the_lowest_and_highest_score() -> None:
    assert bounds(6.0, 8, 2) == (pytest.approx(4.8), pytest.approx(6.8))
    assert bounds(6.0, 8, 0) == (6.0, 6.0)
    assert bounds(None, 0, 3) == (0.0, 10.0)
    assert bounds(None, 0, 0) == (None, None)


def test_samples_needed_by_the_usual_formula() -> None:
    """As G*Power 3.1 says for a paired t test, two-sided, 5 %, power 80 %."""
    assert samples_needed(1.0, 0.8) == 15
    assert samples_needed(1.0, 0.5) == 34
    assert samples_needed(1.0, 0.2) == 199
    assert samples_needed(1.0, 0.001) > 7_000_000


def test_equal_differences_have_no_effect_size() -> None:
    ids = [f"s{number}" for number in range(6)]
    a = dict(zip(ids, (5.1, 2.3, 7.7, 6.9, 3.3, 4.7), strict=True))
    b = {name: round(score - 0.2, 1) for name, score in a.items()}
    # The differences are equal but for rounding, which gave an effect size of 1e14.
    assert 0 < np.std([a[name] - b[name] for name in ids]) < 1e-12
    row = comparison.compare(
        {"a": a, "b": b}, dict.fromkeys(ids, "x"), {name: name for name in ids}, "all", "macro"
    )[0]
    assert row.difference == pytest.approx(0.2)
    assert (row.effect_size, row.needed) == (None, (None, None))


def test_the_largest_share_of_equal_scores() -> None:
    assert largest_tie([5.0, 5.0, 5.0, 4.0]) == 0.75
    assert largest_tie([]) == 0.0


# ----- Models compared -----


def test_the_permutation_test_is_scipys_exact_one() -> None:
    sums = np.array([0.3, -0.1, 0.8, 0.4, 0.2, -0.5, 0.6, 0.1])
    theirs = stats.permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert permutation_p(sums) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_many_flips_are_drawn_and_never_give_zero() -> None:
    assert permutation_p(np.full(30, 0.5)) == pytest.approx(1 / 100_000)
    rng = np.random.default_rng(5)
    drawn = permutation_p(rng.normal(0.25, 1, 50))
    by_t = stats.ttest_1samp(np.random.default_rng(5).normal(0.25, 1, 50), 0).pvalue
    assert drawn == pytest.approx(by_t, abs=0.03)


def test_holms_correction_of_a_published_example() -> None:
    """Four p values of the usual textbook example: 0.01, 0.04, 0.03, 0.005."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]


def test_only_samples_scored_for_both_models_are_compared() -> None:
    ids = [f"s{number}" for number in range(10)]
    a = {name: 5.0 + number % 3 for number, name in enumerate(ids)}
    b = dict.fromkeys(ids[:8], 5.0)
    categories = {name: "x" if number < 5 else "y" for number, name in enumerate(ids)}
    rows = comparison.compare(
        {"a": a, "b": b}, categories, {name: name for name in ids}, "all", "macro"
    )
    whole, macro, x, y = rows
    assert [row.category for row in rows] == ["all", "macro", "x", "y"]
    assert macro.difference == pytest.approx((x.difference + y.difference) / 2)
    assert (macro.n, macro.left_out, macro.images) == (8, 2, 8)
    assert (whole.n, whole.left_out) == (8, 2)
    assert (x.n, x.left_out, y.n, y.left_out) == (5, 0, 3, 2)
    differences = np.array([a[name] - b[name] for name in ids[:8]])
    assert whole.difference == pytest.approx(differences.mean())
    assert (whole.wins, whole.ties, whole.losses) == (5, 3, 0)
    assert whole.effect_size == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert whole.p == whole.p_holm  # one pair
    assert x.p is not None
    assert y.p is not None
    assert [x.p_holm, y.p_holm] == holm([x.p, y.p])
    assert whole.needed[1] == samples_needed(
        float(differences.std(ddof=1)), 0.5
    )  # an image each: the usual standard error


def test_models_without_a_common_sample_are_not_compared() -> None:
    rows = comparison.compare({"a": {"1": 5.0}, "b": {"2": 4.0}}, {"1": "x", "2": "x"},
                              {"1": "p", "2": "q"}, "all", "macro")  # fmt: skip
    assert (rows[0].n, rows[0].left_out, rows[0].difference, rows[0].p) == (0, 2, None, None)


def test_many_models_make_every_pair_and_overall_p_values_are_corrected_together() -> None:
    ids = [f"s{number}" for number in range(12)]
    models = {name: {i: float(RNG.normal(5, 1)) for i in ids} for name in "abcd"}
    rows = comparison.compare(models, dict.fromkeys(ids, "x"), {i: i for i in ids}, "all", "macro")
    overall = [row for row in rows if row.category == "all"]
    assert [(row.a, row.b) for row in overall] == list(itertools.combinations("abcd", 2))
    ps = [row.p for row in overall if row.p is not None]
    assert [row.p_holm for row in overall] == pytest.approx(holm(ps))


def test_a_model_without_a_score_has_no_place_and_takes_none() -> None:
    ids = [f"s{number}" for number in range(8)]
    good, bad = dict.fromkeys(ids, 8.0), {i: 2.0 + (i == "s0") for i in ids}
    rows = ranks({"none": {}, "bad": bad, "good": good}, {i: i for i in ids})
    assert [(row.model, row.rank, row.n) for row in rows] == [
        ("good", 1, 8), ("bad", 2, 8), ("none", None, 0)
    ]  # fmt: skip


def test_ranks_with_intervals() -> None:
    ids = [f"s{number}" for number in range(30)]
    best = {name: 8.0 + number % 2 for number, name in enumerate(ids)}
    tied = dict.fromkeys(ids, 5.0)
    rows = ranks({"worse": tied, "best": best, "same": dict(tied)}, {name: name for name in ids})
    assert [(row.model, row.rank) for row in rows] == [("best", 1), ("worse", 2), ("same", 2)]
    assert (rows[0].low, rows[0].high) == (1, 1)
    noise = np.random.default_rng(0)
    close = {name: {i: float(noise.normal(5, 1)) for i in ids} for name in "ab"}
    assert [(row.low, row.high) for row in ranks(close, {i: i for i in ids})] == [
        (1, 2), (1, 2)
    ]  # fmt: skip


# ----- Judges -----


def test_krippendorffs_worked_example() -> None:
    """Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section E: four observers,
    twelve units, missing values; interval metric: 0.849."""
    nan = math.nan
    table = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
    found = agreement.alpha([np.array(row, float) for row in table])
    assert found == pytest.approx(0.849, abs=5e-4)


@pytest.mark.parametrize(
    ("a", "b", "kappa"),
    [
        ([1, 2, 3], [1, 2, 3], 1.0),
        ([1, 2, 1], [1, 2, 2], 0.4),
        ([1, 2, 3, 1, 2, 2, 3], [1, 2, 3, 1, 2, 3, 2], 0.75),
    ],
)
def test_quadratic_kappa_of_published_examples(a: list[int], b: list[int], kappa: float) -> None:
    """The examples of Hamner's Metrics, which defined the measure for competitions."""
    found = agreement.quadratic_kappa(np.array(a, float), np.array(b, float))
    assert found == pytest.approx(kappa)


def test_quadratic_kappa_is_that_of_the_weighted_confusion_matrix() -> None:
    a, b = RNG.integers(0, 7, 200), RNG.integers(0, 7, 200)
    observed = np.zeros((7, 7))
    np.add.at(observed, (a, b), 1 / 200)
    expected = np.outer(observed.sum(1), observed.sum(0))
    weights = np.subtract.outer(np.arange(7), np.arange(7)) ** 2
    by_matrix = 1 - (weights * observed).sum() / (weights * expected).sum()
    found = agreement.quadratic_kappa(a.astype(float), b.astype(float))
    assert found == pytest.approx(by_matrix, abs=1e-12)


def test_shrout_and_fleiss_worked_example() -> None:
    """Shrout and Fleiss 1979, table 2: six targets, four judges, ICC(1,1) = .17."""
    table = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    ratings = {
        f"judge {column}": {("m", str(row), 0): float(table[row][column]) for row in range(6)}
        for column in range(4)
    }
    found = agreement.repeats(ratings)
    assert found.n == 6
    assert found.reliability == pytest.approx(0.17, abs=0.005)
    assert found.noise_std == pytest.approx(math.sqrt(6.26), abs=0.005)  # their WMS: 6.26


def test_sums_of_clusters_skip_what_is_missing() -> None:
    table = np.array([[1.0, math.nan], [2.0, 5.0], [3.0, math.nan]])
    sums, counts = cluster_sums(table, ["a", "b", "a"])
    assert sums.tolist() == [[4.0, 0.0], [2.0, 5.0]]
    assert counts.tolist() == [[2.0, 0.0], [1.0, 1.0]]


def test_many_clusters_have_the_interval_and_p_value_of_fewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Student's t and a normal law stand for draws and flips that would fill the memory."""
    generator = np.random.default_rng(2)
    values = generator.exponential(2, 1500)
    images = [str(number % 1200) for number in range(1500)]
    few = estimates.estimate(values.tolist(), images, (0, 100))
    monkeypatch.setattr(estimates, "MANY", 100)
    many = estimates.estimate(values.tolist(), images, (0, 100))
    assert few.low is not None
    assert few.high is not None
    width = few.high - few.low
    assert many.low == pytest.approx(few.low, abs=width / 50)
    assert many.high == pytest.approx(few.high, abs=width / 50)
    differences = generator.standard_normal(800) + 0.08
    one_decides = np.r_[generator.normal(0, 0.1, 800), 5]
    flipped, of_one = permutation_p(differences), permutation_p(one_decides)
    monkeypatch.setattr(permutation, "MANY", 500)
    assert permutation_p(differences) == pytest.approx(flipped, rel=0.1)
    assert permutation_p(differences + 1) == 1 / (permutation.FLIPS + 1)
    assert permutation_p(np.zeros(800)) == 1
    # Most models' edits are scored alike: what differs in a few images is no normal sum.
    few_differ = np.r_[np.zeros(2000), np.full(8, 0.5)]
    assert permutation_p(few_differ) == pytest.approx(2 / 2**8, rel=0.1)
    assert permutation_p(one_decides) == pytest.approx(of_one, rel=0.05)

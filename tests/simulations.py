"""How often intervals, tests and places are right: simulations of their promises.

``tests/test_coverage.py`` runs some of them briefly; ``make statistics`` all of them, into
``tests/statistics.md``. A trial draws data whose truth is known and says how much of what is
promised came true, 0 to 1; a simulation is the mean of many.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from multiprocessing import Pool
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from tqdm import tqdm

from edit_benchmark.stats import ranks as places
from edit_benchmark.stats.auc import auc, win_rate
from edit_benchmark.stats.estimates import bounds, estimate, macro_estimate
from edit_benchmark.stats.permutation import holm, permutation_p
from edit_benchmark.stats.power import samples_needed

SEED = 20_240_501
Rng = np.random.Generator
Trial = Callable[[Rng], float]
Data = tuple[NDArray[np.float64], list[str], float]


def share(trial: Trial, runs: int, seed: int | tuple[int, int] = SEED) -> float:
    """The mean of ``runs`` trials."""
    rng = np.random.default_rng(seed)
    return float(np.mean([trial(rng) for _ in range(runs)]))


def _names(count: int) -> list[str]:
    return [str(number) for number in range(count)]


# ----- Data: scores, the source image of each, and the true mean -----


def normal(rng: Rng, images: int) -> Data:
    return rng.normal(5, 1, images), _names(images), 5.0


def shared(rng: Rng, images: int) -> Data:
    """One to three samples an image, which share what the image adds."""
    sizes = rng.integers(1, 4, images)
    values = 5 + np.repeat(rng.normal(0, 1, images), sizes) + rng.normal(0, 1, sizes.sum())
    return values, np.repeat(_names(images), sizes).tolist(), 5.0


def unequal(rng: Rng, images: int) -> Data:
    """Forty samples of one image and one of each other; samples of an image are equal."""
    sizes = np.array([40] + [1] * (images - 1))
    values = np.repeat(rng.normal(5, 1, images), sizes)
    return values, np.repeat(_names(images), sizes).tolist(), 5.0


def rare(rng: Rng, images: int, spread: float) -> Data:
    """One edit in twenty fails."""
    values = np.where(rng.random(images) < 0.05, 0.0, rng.normal(8, spread, images))
    return values, _names(images), 7.6


# ----- Trials -----


def mean_is_covered(rng: Rng, draw: Callable[[Rng, int], Data], images: int) -> float:
    values, names, true = draw(rng, images)
    found = estimate(values.tolist(), names)
    assert found.low is not None
    assert found.high is not None
    return found.low <= true <= found.high


def macro_is_covered(rng: Rng, sizes: tuple[int, ...]) -> float:
    """Categories differ in mean and spread."""
    means = np.linspace(4, 6, len(sizes))
    values = np.concatenate(
        [rng.normal(mean, 0.5 + mean / 5, size) for mean, size in zip(means, sizes, strict=True)]
    )
    groups = np.repeat(_names(len(sizes)), sizes).tolist()
    found = macro_estimate(values.tolist(), groups, _names(len(values)))
    assert found.low is not None
    assert found.high is not None
    return found.low <= 5 <= found.high


def bounds_hold(rng: Rng, samples: int) -> float:
    """Failures hit the worst edits most: the mean over all is within the bounds."""
    scores = rng.normal(5, 2, samples).clip(0, 10)
    scored = scores[rng.random(samples) < scores / 8]
    low, high = bounds(float(scored.mean()) if len(scored) else None, len(scored),
                       samples - len(scored))  # fmt: skip
    assert low is not None
    assert high is not None
    return low - 1e-9 <= scores.mean() <= high + 1e-9


def difference_is_seen(rng: Rng, size: float) -> float:
    """A difference of ``size`` standard deviations, with the samples that are needed for it."""
    p = permutation_p(rng.normal(size, 1, samples_needed(1.0, size)))
    return p is not None and p <= 0.05


def win_rate_is_covered(rng: Rng, true: float, images: int, each: int = 1) -> float:
    """``each`` edits of an image win or lose together."""
    won = np.repeat(rng.random(images) < true, each).astype(float)
    _, low, high = win_rate(won, 1 - won, np.repeat(_names(images), each).tolist())
    assert low is not None
    assert high is not None
    return low <= true <= high


def auc_is_covered(rng: Rng, true: float, images: int, correlation: float) -> float:
    """Normal scores of edits and of their changed versions."""
    both = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], images)
    ahead = stats.norm.ppf(true) * math.sqrt(2)
    _, low, high = auc(both[:, 0] + ahead, both[:, 1], _names(images))
    assert low is not None
    assert high is not None
    return low <= true <= high


def places_are_covered(
    rng: Rng, models: int, gap: float, images: int, all_at_once: bool = False
) -> float:
    """Models ``gap`` apart, the same spread: of equal ones each may have every place."""
    scores = rng.normal(0, 1, (images, models)) + 5 - gap * np.arange(models)
    table = {
        str(model): dict(zip(_names(images), scores[:, model].tolist(), strict=True))
        for model in range(models)
    }
    with patch.object(places, "permutation_p", _screened_p):
        rows = places.ranks(table, {name: name for name in _names(images)})
    covered = [
        row.low <= (int(row.model) + 1 if gap else 1)
        and (int(row.model) + 1 if gap else models) <= row.high
        for row in rows
        if row.low is not None and row.high is not None
    ]
    return float(all(covered) if all_at_once else np.mean(covered))


def equal_models_raise_an_alarm(rng: Rng, models: int, categories: int, images: int) -> float:
    """Any category of any pair below 0.05 after Holm's correction over all of them."""
    scores = rng.normal(5, 1, (categories, images, models))
    ps = [
        _screened_p(category[:, a] - category[:, b])
        for category in scores
        for a, b in combinations(range(models), 2)
    ]
    return min(holm(ps)) <= 0.05


def _screened_p(sums: NDArray[np.float64]) -> float:
    """The sign-flip test, but for sums so small that by its normal limit p is far above 0.05 over
    the number of tests: the true p costs 100,000 flips."""
    limit = float(2 * stats.norm.sf(abs(sums.sum()) / math.sqrt(np.square(sums).sum())))
    if limit > 0.05:
        return limit
    p = permutation_p(sums)
    assert p is not None
    return p


# ----- All of them -----


@dataclass(frozen=True)
class Simulation:
    """One row of the table: what is promised of which data, and the trial of it."""

    what: str
    data: str
    promised: str
    trial: Trial
    runs: int = 2000


def simulations() -> Iterator[Simulation]:
    for title, draw in (
        ("normal scores", normal),
        ("1 to 3 samples an image", shared),
        ("40 samples of one image, 1 of each other", unequal),
        ("one edit in 20 fails, others are equal", partial(rare, spread=0.0)),
        ("one edit in 20 fails, others vary by 1", partial(rare, spread=1.0)),
    ):
        for images in (2, 3, 4, 5, 8, 10, 20, 50, 270):
            yield Simulation(
                "mean's interval covers", f"{title}; {images} images", "0.95",
                partial(mean_is_covered, draw=draw, images=images), 1000 if images > 50 else 2000,
            )  # fmt: skip
    for sizes in ((2,) * 5, (5,) * 5, (50,) * 5, (4, 7, 12, 20, 50)):
        yield Simulation(
            "macro mean's interval covers", f"5 categories of {', '.join(map(str, sizes))} images",
            "0.95", partial(macro_is_covered, sizes=sizes),
        )  # fmt: skip
    yield Simulation("bounds hold", "the worst edits fail most; 40 samples", "1",
                     partial(bounds_hold, samples=40))  # fmt: skip
    for size in (1.8, 1.2, 1.0, 0.8, 0.5):
        yield Simulation(
            "needed samples see the difference",
            f"{size} SD, {samples_needed(1.0, size)} samples", "0.80",
            partial(difference_is_seen, size=size),
        )  # fmt: skip
    for images, each in ((10, 1), (20, 1), (40, 1), (20, 2)):
        for true in (0.5, 0.7, 0.9, 0.98, 0.99):
            together = f", {each} edits each" if each > 1 else ""
            yield Simulation(
                "win rate's interval covers", f"{true}; {images} images{together}", "0.95",
                partial(win_rate_is_covered, true=true, images=images, each=each), 4000,
            )  # fmt: skip
    for correlation in (0.0, 0.5):
        for images in (10, 40):
            for true in (0.5, 0.8, 0.95, 0.99):
                yield Simulation(
                    "AUC's interval covers",
                    f"{true}; {images} images, scores correlate {correlation}", "0.95",
                    partial(auc_is_covered, true=true, images=images, correlation=correlation),
                )  # fmt: skip
    for title, gap in (("0.02 SD apart", 0.02), ("equal", 0.0)):
        # Each place has its interval; that all hold is not promised.
        for whose, promised, all_at_once in (
            ("a model's true place is possible", "0.95", False),
            ("all true places are possible at once", "", True),
        ):
            yield Simulation(
                whose, f"10 models {title}, 50 images", promised,
                partial(places_are_covered, models=10, gap=gap, images=50, all_at_once=all_at_once),
                1000,
            )  # fmt: skip
    yield Simulation(
        "false alarm after Holm", "10 equal models, 5 categories of 16 images", "0.05 at most",
        partial(equal_models_raise_an_alarm, models=10, categories=5, images=16), 1000,
    )  # fmt: skip


def _run(task: tuple[int, int]) -> float:
    seed, number = task
    simulation = list(simulations())[number]
    return share(simulation.trial, simulation.runs, (seed, number))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    rows = list(simulations())
    with Pool(arguments.processes) as pool:
        # The costly ones stand last; they go first.
        tasks = [(arguments.seed, number) for number in reversed(range(len(rows)))]
        found = list(tqdm(pool.imap(_run, tasks), total=len(tasks)))[::-1]
    print("# Promises of the statistics, by simulation\n")
    print(f"Printed by `make statistics` (`python tests/simulations.py --seed {arguments.seed}`).")
    print("± is twice the standard error of the simulation itself.\n")
    print("| what | data | runs | promised | found |")
    print("| --- | --- | ---: | ---: | ---: |")
    for row, value in zip(rows, found, strict=True):
        error = 2 * math.sqrt(value * (1 - value) / row.runs)
        print(
            f"| {row.what} | {row.data} | {row.runs} | {row.promised} | {value:.3f} ± {error:.3f} |"
        )


if __name__ == "__main__":
    main()

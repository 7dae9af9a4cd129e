"""Bradley-Terry with ties (Davidson): one ability a model from comparisons of pairs.

R. R. Davidson, On extending the Bradley-Terry model to accommodate ties in paired comparison
experiments, JASA 65 (1970): with the abilities theta and the tie propensity nu,

    P(a beats b) : P(b beats a) : P(tie) = e^theta_a : e^theta_b : 2 nu e^((theta_a + theta_b)/2)

(the factor 2 as in GEditBench v2's elo_score.py). Several dimensions share theta; each has a nu of
its own and the same weight in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: log nu is kept within these, so that a dimension without ties has a finite one.
LOG_NU = (-12.0, 8.0)


@dataclass(frozen=True)
class Comparisons:
    """Counts of one dimension.

    Attributes
    ----------
    wins
        Of shape (models, models): how often the first was found better than the second.
    ties
        The same shape, symmetric: half of the ties of a pair on each side.
    """

    wins: Array
    ties: Array

    @property
    def count(self) -> float:
        """How many comparisons there are."""
        return float(self.wins.sum() + self.ties.sum())


def fit(
    dimensions: Sequence[Comparisons], *, last_is_zero: bool, penalty: float = 1.0
) -> tuple[Array, Array]:
    """The abilities, centred at 0, of shape (models,), and nu, of shape (dimensions,).

    The maximum of the joint likelihood less ``penalty`` / 2 times the sum of squares of theta, by
    L-BFGS-B. A dimension's weight is the mean count over dimensions, divided by its own.

    Parameters
    ----------
    last_is_zero
        Whether the squares are those of theta with the last model's held at 0, as the original
        code has it: then the result depends on which model is the last. Otherwise they are of
        theta centred.

    Raises
    ------
    ValueError
        If the maximum is not found.
    """
    # Whoever only reads a judge's answers needs no scipy.
    from scipy import optimize

    models = len(dimensions[0].wins)
    counts = np.array([part.count for part in dimensions])
    present = counts > 0
    weights = np.divide(counts[present].mean(), counts, where=present, out=np.zeros_like(counts))
    rates = np.array([part.ties.sum() / max(part.count, 1) for part in dimensions]).clip(1e-6, 0.5)
    start = np.concatenate([np.zeros(models - 1), np.log(rates / (1 - rates)).clip(*LOG_NU)])

    def loss_and_gradient(parameters: Array) -> tuple[float, Array]:
        theta = np.append(parameters[: models - 1], 0.0)
        rows, columns = np.broadcast_arrays(theta[:, None], theta[None, :])
        shrunk = theta if last_is_zero else theta - theta.mean()
        loss = 0.5 * penalty * float(shrunk @ shrunk)
        slope, slopes_nu = penalty * shrunk, np.zeros(len(dimensions))
        for number, part in enumerate(dimensions):
            log_nu = parameters[models - 1 + number]
            logits = np.stack([rows, columns, log_nu + np.log(2) + (rows + columns) / 2])
            logs = logits - np.logaddexp.reduce(logits, axis=0)
            # Each pair stands in both orders: its ties are halved, its wins stand on one side.
            seen = np.stack([part.wins, np.zeros_like(part.wins), part.ties])
            expected = seen.sum(axis=0) * np.exp(logs)
            loss -= weights[number] * float((seen * logs).sum())
            first, second, tied = weights[number] * (expected - seen)
            slope = slope + (first + tied / 2).sum(axis=1) + (second + tied / 2).sum(axis=0)
            slopes_nu[number] = tied.sum()
        return loss, np.concatenate([slope[:-1], slopes_nu])

    bounds = [(None, None)] * (models - 1) + [LOG_NU] * len(dimensions)
    found = optimize.minimize(loss_and_gradient, start, method="L-BFGS-B", jac=True, bounds=bounds)
    if not found.success:
        raise ValueError(f"the abilities of the models cannot be fitted ({found.message})")
    theta = np.append(found.x[: models - 1], 0.0)
    return theta - theta.mean(), np.exp(found.x[models - 1 :])

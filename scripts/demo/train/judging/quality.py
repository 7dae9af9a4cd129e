"""How good an edit is, by its target: what the judge learns, on the scale of its labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from demo.world.check import CELL_LEVELS, CELLS, CHANGED_ERROR, CHANGED_LEVELS, KEPT_LEVELS
from demo.world.truth import CHANGED

#: The most that an edit can get that is wrong by what it shows, whatever its pixels.
WRONG = 2.0
_EDGE = 3
# Labels lost each time that a picture is twice as far off.
_PER_DOUBLING = 5 / 3


def quality(edited: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Labels 1 to 7, with fractions, of pictures (N, 3, 256, 256), levels 0 to 255.

    A picture at a bound of the world's check gets 6, one twice as far off 5/3 less, one that is
    all but the target 7. The bounds are the check's, but for that on the things' colours, which
    takes the scene; of cells of another colour the square root of the number counts.
    """
    changed = ((source - target).abs().amax(1) > CHANGED).float()
    grown = functional.max_pool2d(changed[:, None], 2 * _EDGE + 1, 1, _EDGE)[:, 0]
    error = edited - target
    squared = error.square().mean(1)
    of_changed = _mean(squared, changed)
    before = _mean((source - target).square().mean(1), changed)
    kept = 1 - grown
    # As in the check: where night falls, few pixels stay, and few say little.
    of_kept = _mean(squared, kept) * (kept.mean((1, 2)) > 0.01)
    cells = functional.avg_pool2d(error, 8).abs().amax(1) > CELL_LEVELS
    far = torch.stack(
        [
            of_changed / before.clamp_min(1) / CHANGED_ERROR,
            of_changed.sqrt() / CHANGED_LEVELS,
            of_kept.sqrt() / KEPT_LEVELS,
            (cells.sum((1, 2)) / CELLS).sqrt(),
        ]
    ).amax(0)
    return (6 - _PER_DOUBLING * far.clamp_min(0.1).log2()).clamp(1, 7)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum((1, 2)) / mask.sum((1, 2)).clamp_min(1)

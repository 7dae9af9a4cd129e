"""Whether an edited picture is right, by the rendered truth.

The bounds were set before any model was trained, from rendered pictures alone: they leave the right
picture room for what a good autoencoder and a file format do to it, and no room for any wrong edit.
``python scripts/demo/world rates`` measures both; ``check.md`` holds what it printed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.world.canvas import SIDE
from demo.world.truth import Pixels, Truth, pixels

#: Of the mean squared error within the changed region, relative to what the source has there. An
#: edit that is half there (0.25 for half the change) is not right.
CHANGED_ERROR = 0.15
#: Of the root mean square error within the changed region, in levels. Night changes so much that
#: the relative bound alone would let a wrong night pass.
CHANGED_LEVELS = 24.0
#: Of the root mean square error where nothing is to change, in levels: 28 dB.
KEPT_LEVELS = 10.0
#: Of the distance of an object's mean colour from the target's, in levels of the worst channel;
#: also for the place that an object has left. The least that another colour makes is a house at
#: night: 18 levels, since the dark hides colours.
OBJECT_LEVELS = 12.0
#: Of a cell's mean colour in the same way, and how many cells may be beyond it.
#: A target blurred to 32 dB has one such cell at most, a wrong colour has 10 or more.
CELL_LEVELS, CELLS = 32.0, 6
_CELL = 8  # pixels


@dataclass(frozen=True)
class Measures:
    """How far a picture is from its target; see the bounds of the same names."""

    changed_error: float
    changed_levels: float
    kept_levels: float
    object_levels: float
    cells: int
    worst: str

    @property
    def faults(self) -> list[str]:
        """What makes the picture wrong, in words; nothing if it is right."""
        found = []
        if self.changed_error > CHANGED_ERROR or self.changed_levels > CHANGED_LEVELS:
            found.append(
                f"the changed region is off by {self.changed_levels:.0f} levels, "
                f"{self.changed_error:.2f} of the source's squared error"
            )
        if self.kept_levels > KEPT_LEVELS:
            found.append(f"what is to stay is off by {self.kept_levels:.0f} levels")
        if self.object_levels > OBJECT_LEVELS:
            found.append(f"{self.worst} is off by {self.object_levels:.0f} levels")
        if self.cells > CELLS:
            found.append(f"{self.cells} cells are of another colour")
        return found

    @property
    def right(self) -> bool:
        return not self.faults


def measures(edited: Image.Image, truth: Truth) -> Measures:
    """Compare an edited picture, of any size, with its target."""
    if edited.size != (SIDE, SIDE):
        edited = edited.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    error = pixels(edited) - truth.target
    squared = _squared(error)
    changed = float(squared[truth.changed].mean())
    before = float(_squared(truth.source - truth.target)[truth.changed].mean())
    # Where night falls, no pixel stays; where one does, few say little.
    kept = squared[truth.kept] if truth.kept.mean() > 0.01 else np.zeros(1)
    flat = error.reshape(-1, 3)
    # How far the mean colour of a region is off, in its worst channel.
    offsets = {
        name: float(np.abs(flat[region].mean(axis=0)).max())
        for name, region in truth.regions.items()
    }
    worst = max(offsets, key=lambda name: offsets[name])
    return Measures(
        changed_error=changed / before,
        changed_levels=changed**0.5,
        kept_levels=float(kept.mean()) ** 0.5,
        object_levels=offsets[worst],
        cells=int((np.abs(_cells(error)).max(axis=-1) > CELL_LEVELS).sum()),
        worst=worst,
    )


def _squared(error: Pixels) -> NDArray[np.float64]:
    """The mean over the channels, shape (SIDE, SIDE)."""
    red, green, blue = (error[..., band] ** 2 for band in range(3))
    mean: NDArray[np.float64] = (red + green + blue) / 3
    return mean


def _cells(error: Pixels) -> NDArray[np.float64]:
    """The means of cells, shape (SIDE / _CELL, SIDE / _CELL, 3)."""
    # Rows first, all at once: many times faster than over both axes together.
    rows = error.reshape(SIDE // _CELL, _CELL, SIDE * 3).sum(axis=1)
    cells: NDArray[np.float64] = rows.reshape(-1, SIDE // _CELL, _CELL, 3).mean(axis=2)
    return cells / _CELL

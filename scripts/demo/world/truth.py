"""What is true of a scene: its two pictures, where they differ, where its things are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from demo.world import draw
from demo.world.scene import Scene
from demo.world.state import State

Pixels = NDArray[np.int32]
Mask = NDArray[np.bool_]

#: By how many levels of 255 a channel must differ for a pixel to count as changed.
CHANGED = 12
# A thing of which fewer pixels are seen is too little to have a colour of its own.
_SEEN = 40
# Pixels that belong neither to what changes nor to what stays: a shape's soft edge.
_EDGE = 3


@dataclass(frozen=True)
class Truth:
    """A scene rendered.

    Attributes
    ----------
    source, target
        The two pictures, shape (SIDE, SIDE, 3), levels 0 to 255.
    changed
        Where they differ by more than ``CHANGED`` in some channel, shape (SIDE, SIDE).
    kept
        Where nothing near is changed, shape (SIDE, SIDE).
    regions
        The pixels of each thing of the target with its edge, and of each place that a thing of the
        source has left, by name: indices into the flattened picture.
    """

    source: Pixels
    target: Pixels
    changed: Mask
    kept: Mask
    regions: dict[str, NDArray[np.intp]]


def truth(scene: Scene) -> Truth:
    source, target = pixels(draw.picture(scene.source)), pixels(draw.picture(scene.target))
    changed = np.abs(source - target).max(axis=-1) > CHANGED
    regions = _seen(scene.target)
    for name, region in _seen(scene.source).items():
        if (region & changed).sum() >= _SEEN:
            regions[f"the place that {name} left"] = region & changed
    return Truth(
        source=source,
        target=target,
        changed=changed,
        kept=~_grown(changed),
        # With its edge: a blur takes colour from a thing no farther than there.
        regions={name: np.flatnonzero(_grown(region)) for name, region in regions.items()},
    )


def pixels(image: Image.Image) -> Pixels:
    """Levels 0 to 255, shape (height, width, 3)."""
    return np.asarray(image.convert("RGB"), dtype=np.int32)


def objects(state: State) -> list[dict[str, Any]]:
    """The things of a state as they are written to a file, each with its box.

    A box is left, top, right and bottom in pixels, the last two exclusive; null for what is hidden.
    """
    labels = draw.labels(state)
    listed = []
    for number, thing in enumerate(state.things, start=1):
        rows, columns = np.nonzero(labels == number)
        box = (
            [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
            if rows.size
            else None
        )
        listed.append(
            {name: value for name, value in vars(thing).items() if value != ""} | {"box": box}
        )
    return listed


def _seen(state: State) -> dict[str, Mask]:
    labels = draw.labels(state)
    regions = {
        f"{number} {thing.kind}": labels == number
        for number, thing in enumerate(state.things, start=1)
    }
    return {name: region for name, region in regions.items() if region.sum() >= _SEEN}


def _grown(mask: Mask) -> Mask:
    """A mask with its edge: the pixels at most ``_EDGE`` away, along rows and columns."""
    image = Image.fromarray(mask).convert("L").filter(ImageFilter.BoxBlur(_EDGE))
    return np.asarray(image) > 0

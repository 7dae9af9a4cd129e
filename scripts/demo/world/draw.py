"""Draws a state: its place, its things from back to front, its weather."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.world import outdoors, people, toys
from demo.world.canvas import SIDE, Canvas, Labels, mix
from demo.world.palette import ROOMS
from demo.world.shapes import FLAT, box, ellipse, polygon
from demo.world.state import State, Thing

#: Where the wall of a room meets its floor, in pixels from the top.
HORIZON = 146

#: The kinds of things, each with the function that draws it.
DRAWN: dict[str, Callable[[Canvas, Thing, State], None]] = {
    **toys.DRAWN,
    **people.DRAWN,
    **outdoors.DRAWN,
}


def picture(state: State) -> Image.Image:
    """The picture of a state, mode RGB, ``SIDE`` pixels square."""
    return _drawn(Canvas(_backdrop(state), state.light), state).image


def labels(state: State) -> NDArray[np.uint8]:
    """Which thing is seen at each pixel: its number counted from 1, 0 for none of them.

    Of shape (SIDE, SIDE); with shadows and weather it has nothing to do.
    """
    canvas = Labels(_backdrop(state), state.light)
    _drawn(canvas, state)
    return canvas.labels


def _drawn(canvas: Canvas, state: State) -> Canvas:
    for number, thing in sorted(enumerate(state.things, start=1), key=_nearness):
        canvas.belongs(number)
        DRAWN[thing.kind](canvas, thing, state)
    canvas.belongs(0)
    if state.place == "meadow":
        outdoors.weather(canvas, state)
    return canvas


def _nearness(numbered: tuple[int, Thing]) -> tuple[bool, int]:
    """What rests on something is drawn after it, though its foot is higher on the picture."""
    return numbered[1].form == "up", numbered[1].y


def _backdrop(state: State) -> Image.Image:
    if state.place == "meadow":
        return outdoors.meadow(state.palette, state.light, state.weather)
    return _room(state.palette, state.light)


@lru_cache(maxsize=64)
def _room(palette: int, light: int) -> Image.Image:
    above, below, behind, front = ROOMS[palette]
    canvas = Canvas(
        outdoors.bands([(0, above), (HORIZON, below), (HORIZON, behind), (SIDE, front)]), light
    )
    middle = SIDE // 2
    canvas.put(ellipse(150, 110), middle + light * 80, 20, (255, 252, 240), FLAT, 30, 120)
    canvas.put(ellipse(150, 70), middle + light * 60, 235, (255, 250, 236), FLAT, 24, 70)
    canvas.put(ellipse(120, 90), middle - light * 130, 150, (60, 50, 80), FLAT, 36, 46)
    # What comes in through a window lies on the wall.
    for column in (0, 1):
        for row in (0, 1):
            pane = polygon((0, 0), (30, -4), (30, 34), (0, 38))
            x = middle + light * 62 - 32 + 34 * column
            canvas.put(pane, x, 30 + 43 * row - 5 * column, (255, 250, 228), FLAT, 2, 130)
    canvas.put(box(SIDE + 20, 7), middle, HORIZON - 4, mix(below, (255, 255, 255), 120))
    canvas.put(box(SIDE + 20, 2), middle, HORIZON, mix(behind, (60, 50, 60), 80), FLAT, 1, 200)
    return canvas.image

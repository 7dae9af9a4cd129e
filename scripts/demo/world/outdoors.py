"""A meadow with a house and a tree, by day and night, in rain and snow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from PIL import Image

from demo.world.canvas import SIDE, Canvas, Colour, mix
from demo.world.dice import Dice
from demo.world.palette import COLOURS, DARK_WOOD, MEADOWS, WHITE
from demo.world.shapes import FLAT, TUBE, Shading, box, ellipse, line, polygon
from demo.world.state import State, Thing

#: Where hills and meadow meet, in pixels from the top.
HORIZON = 148
_SUN: Colour = (255, 232, 140)
_MOON: Colour = (244, 240, 220)
_SNOW: Colour = (240, 244, 250)
_NIGHT: Colour = (88, 92, 150)
_RAIN: Colour = (150, 162, 178)


def bands(stops: Sequence[tuple[int, Colour]]) -> Image.Image:
    """Rows whose colours go from stop to stop (a row and its colour); two on a row are an edge."""
    rows = np.zeros((SIDE, 3), np.int64)
    for (start, first), (end, last) in pairwise(stops):
        for row in range(start, end):
            rows[row] = mix(first, last, (row - start) * 256 // (end - start))
    return Image.fromarray(
        np.ascontiguousarray(np.broadcast_to(rows[:, None], (SIDE, SIDE, 3))).astype(np.uint8)
    )


@lru_cache(maxsize=64)
def meadow(palette: int, light: int, weather: str) -> Image.Image:
    """All that is there but for things and what falls from the sky."""
    above, below, far, near, behind, front = MEADOWS[palette]
    if weather == "snow":
        above, below = (176, 188, 204), (224, 230, 238)
        far, near, behind, front = (mix(c, _SNOW, 190) for c in (far, near, behind, front))
    if weather == "rain":
        above, below = (122, 132, 148), (184, 192, 202)
    if weather == "night":
        above, below = (58, 74, 140), (150, 150, 190)
    canvas = Canvas(bands([(0, above), (HORIZON, below), (HORIZON, behind), (SIDE, front)]), light)
    middle = SIDE // 2
    sky = middle + light * 88
    if weather == "day":
        canvas.put(ellipse(46, 46), sky, 40, (255, 246, 205), FLAT, 14, 190)
        canvas.put(ellipse(21, 21), sky, 40, _SUN, ("down", 170, 128))
        cloud = (250, 252, 254)
    else:
        cloud = mix(above, _SNOW, 90)
    if weather != "night":
        for x, y, wide in ((middle - light * 70, 34, 30), (middle + light * 10, 62, 22)):
            _cloud(canvas, x, y, wide, cloud)
    if weather in ("rain", "snow"):
        for x, y, wide in ((40, 22, 44), (130, 12, 50), (220, 26, 44)):
            _cloud(canvas, x, y, wide, cloud)
    canvas.put(ellipse(170, 56), middle - 70, HORIZON + 14, far, ("down", 150, 110))
    canvas.put(ellipse(150, 44), middle + 96, HORIZON + 12, far, ("down", 144, 110))
    canvas.put(ellipse(210, 30), middle - 30, HORIZON + 14, near, ("down", 150, 100))
    field = bands([(0, behind), (HORIZON, behind), (SIDE, front)])
    canvas.image.paste(field.crop((0, HORIZON, SIDE, SIDE)), (0, HORIZON))
    canvas.put(ellipse(200, 40), middle + light * 60, 214, mix(front, WHITE, 90), FLAT, 20, 90)
    return canvas.image


def _cloud(canvas: Canvas, x: int, y: int, wide: int, colour: Colour) -> None:
    for dx, dy, share in ((-10, 2, 6), (10, 3, 5), (0, -4, 7), (0, 5, 9)):
        canvas.put(
            ellipse(wide * share // 10, wide * share // 22),
            x + dx * wide // 20,
            y + dy * wide // 26,
            colour,
            ("down", 180, 128),
            2,
            220,
        )


def _cast(canvas: Canvas, thing: Thing, state: State, tall: int) -> None:
    """The long shadow on the meadow away from the sun."""
    x, y, half, away = thing.x, thing.y, thing.size, -state.light
    if state.weather != "day":
        canvas.put(ellipse(half + 6, half // 4), x, y, (40, 40, 70), FLAT, 3, 70)
        return
    points = [(-half, 0), (half, 0), (half + away * tall, 26), (-half // 2 + away * tall, 26)]
    canvas.put(polygon(*points), x, y - 2, (34, 44, 70), FLAT, 2, 110)


def house(canvas: Canvas, thing: Thing, state: State) -> None:
    x, y, half, wall = thing.x, thing.y, thing.size, COLOURS[thing.colour]
    lit = state.weather == "night"
    tall = half * 4 // 3
    _cast(canvas, thing, state, half * 3 // 2)
    roof: Colour = (104, 80, 84)
    canvas.put(
        box(half // 3, half * 2 // 3), x - half // 2, y - tall - half // 2, (150, 104, 92), TUBE
    )
    body = polygon((-half, -tall), (half, -tall), (half, 0), (-half, 0))
    canvas.put(body, x, y, mix(wall, WHITE, 16), ("across", 150, 104))
    gable = polygon((0, -half), (half + 8, 0), (-half - 8, 0))
    snow = state.weather == "snow"
    canvas.put(gable, x, y - tall + 2, _SNOW if snow else roof, ("across", 176, 96))
    if snow:
        canvas.put(box(half // 3 + 4, 6, 3), x - half // 2, y - tall - half * 5 // 6, _SNOW)
    door = box(half * 2 // 5, half * 3 // 4, 3)
    canvas.put(door, x + half // 3, y - half * 3 // 8, DARK_WOOD, ("down", 140, 100))
    canvas.put(box(half * 5 // 8, half * 5 // 8, 2), *_window(thing), WHITE)
    _pane(
        canvas, thing, (255, 222, 120) if lit else (126, 158, 184), ("down", 170, 120), bars=WHITE
    )


def _window(thing: Thing) -> tuple[int, int]:
    """The middle of a house's window."""
    return thing.x - thing.size * 2 // 5, thing.y - thing.size * 3 // 4


def _pane(canvas: Canvas, thing: Thing, glass: Colour, shading: Shading, bars: Colour) -> None:
    """What is within the frame of a house's window."""
    place, half = _window(thing), thing.size
    canvas.put(box(half // 2, half // 2, 1), *place, glass, shading)
    canvas.put(line(0, -half // 4, 0, half // 4, 2), *place, bars)
    canvas.put(line(-half // 4, 0, half // 4, 0, 2), *place, bars)


def tree(canvas: Canvas, thing: Thing, state: State) -> None:
    """``form`` is its kind: ``round`` or ``fir``."""
    x, y, half = thing.x, thing.y, thing.size
    green: Colour = (88, 142, 84) if thing.form == "round" else (70, 122, 96)
    snow = state.weather == "snow"
    _cast(canvas, Thing("tree", "", x, y, half * 3 // 5), state, half * 2)
    trunk = polygon((-half // 6, -half), (half // 6, -half), (half // 5, 0), (-half // 5, 0))
    canvas.put(trunk, x, y, DARK_WOOD, TUBE)
    if thing.form == "fir":
        for step in range(3):
            wide, top = half - step * half // 5, y - half // 2 - step * half * 2 // 3
            canvas.put(
                polygon((0, -half * 6 // 5), (wide, 0), (-wide, 0)),
                x,
                top,
                green,
                ("across", 164, 88),
            )
            if snow:
                canvas.put(
                    polygon(
                        (0, -half * 6 // 5),
                        (wide * 2 // 3, -half // 3),
                        (-wide * 2 // 3, -half // 3),
                    ),
                    x,
                    top,
                    _SNOW,
                )
        return
    for dx, dy, share in ((-5, 0, 6), (5, 1, 6), (0, -6, 7)):
        radius = half * share // 8
        canvas.ball(x + dx * half // 10, y - half * 8 // 5 + dy * half // 8, radius, green)
    if snow:
        canvas.put(
            ellipse(half * 3 // 4, half // 3), x, y - half * 11 // 4, _SNOW, ("down", 160, 120)
        )


def weather(canvas: Canvas, state: State) -> None:
    """What lies over a whole picture of the meadow."""
    if state.weather == "night":
        canvas.tint(_NIGHT, 160)
        _night_lights(canvas, state)
    elif state.weather == "rain":
        canvas.tint(_RAIN, 150)
        canvas.image.paste((226, 234, 242), None, _falling("rain"))
    elif state.weather == "snow":
        canvas.image.paste((255, 255, 255), None, _falling("snow"))


def _night_lights(canvas: Canvas, state: State) -> None:
    sky = SIDE // 2 + state.light * 88
    canvas.put(ellipse(32, 32), sky, 42, _MOON, FLAT, 10, 90)
    canvas.put(ellipse(19, 19), sky, 42, _MOON, ("ball",))
    dice = Dice("stars")
    for _ in range(26):
        x, y = dice.between(4, SIDE - 4), dice.between(4, 92)
        if abs(x - sky) > 34:
            canvas.put(ellipse(1, 1), x, y, WHITE, FLAT, 0, dice.between(150, 255))
    for thing in state.things:
        if thing.kind == "house":
            wide = thing.size * 2 // 3
            canvas.put(ellipse(wide, wide), *_window(thing), (255, 206, 110), FLAT, 7, 96)
            _pane(canvas, thing, (255, 226, 138), FLAT, bars=(120, 90, 80))


@lru_cache(maxsize=4)
def _falling(what: str) -> Image.Image:
    """Drops or flakes over the whole picture, as a mask."""
    canvas = Canvas(Image.new("RGB", (SIDE, SIDE)), 1)
    dice = Dice(what)
    for _ in range(150 if what == "rain" else 130):
        x, y, size = dice.between(0, SIDE), dice.between(0, SIDE), dice.between(1, 3)
        if what == "rain":
            canvas.put(line(0, 0, -3, 10 + 2 * size, 1), x, y, (150, 150, 150))
        else:
            canvas.put(ellipse(size, size), x, y, (235, 235, 235), FLAT, 0, 230)
    return canvas.image.convert("L")


DRAWN: dict[str, Callable[[Canvas, Thing, State], None]] = {"house": house, "tree": tree}

"""Things of a room: toys, what they stand on or hang from, and what can become of things."""

from __future__ import annotations

from collections.abc import Callable

from demo.world.canvas import Canvas, Colour, mix
from demo.world.palette import COLOURS, DARK_WOOD, STONE, STRING, WHITE, WOOD
from demo.world.shapes import FLAT, TUBE, box, cone, drum, ellipse, line, polygon
from demo.world.state import State, Thing

#: Where on the floor things stand, in pixels from the top; some a little before or behind it.
FLOOR = 214
_FIRE: Colour = (250, 170, 60)
_GLOW: Colour = (255, 226, 150)
_INK: Colour = (40, 32, 60)


def height(thing: Thing) -> int:
    """How far a toy or a support reaches above its foot, in pixels."""
    tenths = {"ball": 20, "cube": 18, "cone": 23, "pillar": 34, "stool": 21, "crate": 18}
    # On the top of what has depth a toy stands in its middle, not at its far edge.
    sunk = {"pillar": 2, "stool": 2, "crate": 3}.get(thing.kind, 0)
    return thing.size * (tenths[thing.kind] - sunk) // 10


def ball(canvas: Canvas, thing: Thing, state: State) -> None:
    _shadow(canvas, thing)
    canvas.ball(thing.x, thing.y - thing.size, thing.size, COLOURS[thing.colour])


def cube(canvas: Canvas, thing: Thing, state: State) -> None:
    _shadow(canvas, thing)
    block(canvas, thing.x, thing.y, thing.size, COLOURS[thing.colour])


def block(canvas: Canvas, x: int, y: int, size: int, colour: Colour) -> int:
    """A cube of ``size`` half its width, seen a little from above; gives its face's width."""
    depth = size // 2
    face, up = 2 * size - depth, depth * 3 // 5
    left, right, lit = -size, -size + face, canvas.light > 0
    side = polygon((right, 0), (right, -face), (right + depth, -face - up), (right + depth, -up))
    top = polygon(
        (left, -face), (left + depth, -face - up), (right + depth, -face - up), (right, -face)
    )
    front = polygon((left, -face), (right, -face), (right, 0), (left, 0))
    canvas.put(side, x, y, colour, ("down", 150, 112) if lit else ("down", 70, 44))
    canvas.put(top, x, y, colour, ("across", 212, 184))
    canvas.put(front, x, y, colour, ("down", 134, 84) if lit else ("down", 152, 108))
    return face


def pyramid(canvas: Canvas, thing: Thing, state: State) -> None:
    _shadow(canvas, thing)
    shape = cone(thing.size, thing.size * 23 // 10)
    canvas.put(shape, thing.x, thing.y + thing.size // 8, COLOURS[thing.colour], ("cone",))


def pillar(canvas: Canvas, thing: Thing, state: State) -> None:
    x, y, half = thing.x, thing.y, thing.size
    _shadow(canvas, thing)
    tall = half * 34 // 10
    _plinth(canvas, x, y + half // 4, half, half * 4 // 5)
    canvas.put(drum(half * 3 // 4, tall - half // 2), x, y - half // 4, STONE, TUBE)
    for flute in (-1, 0, 1):
        shape = line(0, 0, 0, -tall + half * 3 // 2, max(half // 8, 2))
        canvas.put(
            shape,
            x + flute * half * 2 // 5,
            y - half * 2 // 3,
            STONE,
            ("down", 84, 84),
            opacity=150,
        )
    _plinth(canvas, x, y - tall + half * 4 // 5, half, half * 4 // 5)


def _plinth(canvas: Canvas, x: int, y: int, half: int, tall: int) -> None:
    canvas.put(drum(half, tall), x, y, STONE, TUBE)
    canvas.put(ellipse(half, half // 4), x, y - tall + half // 4, STONE, ("across", 206, 172))


def stool(canvas: Canvas, thing: Thing, state: State) -> None:
    x, y, half = thing.x, thing.y, thing.size
    tall, thick = half * 21 // 10, half // 3
    _shadow(canvas, thing, 80)
    for side in (-1, 1):
        leg = line(side * half // 2, -tall + thick, side * half * 5 // 6, -3, half // 5)
        canvas.put(leg, x, y - half // 6, DARK_WOOD, ("down", 80, 120))
    for side in (-1, 1):
        leg = line(side * half // 4, -tall + thick, side * half // 3, -3, half // 5)
        canvas.put(leg, x, y + half // 6, DARK_WOOD, ("down", 100, 160))
    canvas.put(
        drum(half, half // 2 + thick), x, y - tall + half // 2 + thick - 2, WOOD, ("tube", 150)
    )
    canvas.put(ellipse(half, half // 4), x, y - tall + half // 4, WOOD, ("across", 204, 170))


def crate(canvas: Canvas, thing: Thing, state: State) -> None:
    x, y, half = thing.x, thing.y, thing.size
    _shadow(canvas, thing)
    face = block(canvas, x, y, half, WOOD)
    middle = x - half + face // 2
    for plank in range(1, 4):
        canvas.put(box(face - 4, 2), middle, y - face * plank // 4, DARK_WOOD, FLAT, opacity=130)
    bar = box(max(face // 9, 4), face)
    for edge in (x - half + face // 18 + 1, x - half + face - face // 18 - 1):
        canvas.put(bar, edge, y - face // 2, WOOD, ("down", 160, 110))


def string(canvas: Canvas, thing: Thing, state: State) -> None:
    """From the ceiling to the top of what hangs on it, (x, y)."""
    canvas.put(line(0, 4, 0, -260, 3), thing.x, thing.y, STRING)


def candle(canvas: Canvas, thing: Thing, state: State) -> None:
    x, half, wax = thing.x, thing.size, COLOURS[thing.colour]
    canvas.shadow(x, thing.y, half * 2, 90)
    canvas.put(ellipse(half * 2, half // 2 + 2), x, thing.y - 2, WHITE, ("across", 150, 96))
    canvas.put(ellipse(half * 2, half // 2 + 1), x, thing.y - 5, WHITE, ("across", 200, 150))
    y = thing.y - 3
    if thing.form == "burnt":
        canvas.put(ellipse(half * 8 // 5, half // 2 - 1), x, y - 1, wax, ("across", 168, 120))
        canvas.put(ellipse(half // 2, half // 3), x - half, y - 2, wax, ("ball",))
        canvas.put(ellipse(half // 2, half // 3), x + half, y - 1, wax, ("ball",))
    tall = half if thing.form == "burnt" else half * 11 // 2
    canvas.put(drum(half, tall), x, y, wax, TUBE)
    canvas.put(ellipse(half, half // 4), x, y - tall + half // 4, wax, ("across", 216, 186))
    if thing.form != "burnt":
        for side, drop in ((-1, 3), (1, 2)):
            shape = line(0, 0, 0, half * drop // 3, half * 2 // 5)
            canvas.put(
                shape, x + side * half * 3 // 5, y - tall + half // 3, wax, ("down", 186, 150)
            )
    _flame(canvas, x, y - tall + half // 4)


def _flame(canvas: Canvas, x: int, y: int) -> None:
    canvas.put(ellipse(26, 28), x, y - 18, _GLOW, FLAT, 9, 150)
    canvas.put(line(0, 0, 0, -6, 3), x, y, _INK)
    canvas.put(polygon((0, -20), (7, -6), (-7, -6)), x, y - 8, _FIRE)
    canvas.put(ellipse(8, 9), x, y - 12, _FIRE)
    canvas.put(ellipse(4, 7), x, y - 10, (255, 244, 190))


def ice(canvas: Canvas, thing: Thing, state: State) -> None:
    x, y, half = thing.x, thing.y, thing.size
    water = mix(COLOURS[thing.colour], (236, 246, 255), 56)
    plate = half * 3 // 2
    canvas.shadow(x, y, plate, 90)
    canvas.put(ellipse(plate, plate // 4 + 2), x, y, WHITE, ("across", 140, 90))
    canvas.put(ellipse(plate, plate // 4 + 1), x, y - 3, WHITE, ("across", 200, 160))
    if thing.form == "melted":
        canvas.put(ellipse(plate * 7 // 8, plate // 5), x, y - 3, water, ("across", 150, 112))
        canvas.put(
            ellipse(plate // 3, plate // 14),
            x + canvas.light * plate // 3,
            y - 7,
            WHITE,
            FLAT,
            1,
            150,
        )
        canvas.put(
            ellipse(plate // 5, plate // 9), x - canvas.light * plate // 4, y, water, ("ball",)
        )
        return
    face = block(canvas, x, y - 3, half, water)
    canvas.put(line(0, 0, 0, -face // 2, 4), x - half + 8, y - 14, WHITE, FLAT, opacity=150)
    canvas.put(
        line(0, 0, face // 3, -face // 3, 4), x - half + 18, y - 18, WHITE, FLAT, opacity=110
    )
    canvas.put(line(0, 0, face // 5, -face // 5, 3), x - half + 32, y - 14, WHITE, FLAT, opacity=90)


def balloon(canvas: Canvas, thing: Thing, state: State) -> None:
    x, y, half, skin = thing.x, thing.y, thing.size, COLOURS[thing.colour]
    canvas.shadow(x, y, half * 3 // 5, 100)
    if thing.form == "burst":
        canvas.put(line(-half // 2, 4, half, 6, 2), x, y, STRING)
        canvas.put(line(half, 6, half * 3 // 2, 1, 2), x, y, STRING)
        for dx, dy, turn in ((-27, 4, 0), (25, -3, 1), (-8, 15, 1), (34, 13, 0), (-34, -8, 1)):
            _scrap(canvas, x + dx * half // 28, y + dy, half // 2, skin, turn)
        _weight(canvas, x, y, half)
        return
    canvas.put(line(0, -half // 2, 0, -half * 3, 2), x, y, STRING)
    _weight(canvas, x, y, half)
    inflated(canvas, x, y - half * 4 + 4, half, skin)


def _weight(canvas: Canvas, x: int, y: int, half: int) -> None:
    canvas.put(drum(half // 2, half * 4 // 5), x, y + half // 8, DARK_WOOD, TUBE)
    canvas.put(
        ellipse(half // 2, half // 8),
        x,
        y - half * 4 // 5 + half // 4,
        DARK_WOOD,
        ("across", 190, 150),
    )


def _scrap(canvas: Canvas, x: int, y: int, half: int, colour: Colour, turn: int) -> None:
    canvas.put(ellipse(half, half // 3), x, y + 2, _INK, FLAT, 2, 70)
    points = ((-half, 2), (-half // 3, -half // 2), (half, -2), (half // 4, half // 2))
    mirrored = tuple((-px, py) for px, py in reversed(points))
    canvas.put(polygon(*(mirrored if turn else points)), x, y, colour, ("across", 170, 104))


def inflated(canvas: Canvas, x: int, y: int, half: int, colour: Colour) -> None:
    """A balloon's body around (x, y)."""
    knot = half * 6 // 5
    canvas.put(polygon((0, -8), (5, 3), (-5, 3)), x, y + knot + 2, colour, ("down", 110, 90))
    canvas.put(ellipse(half, knot), x, y, colour, ("ball",))
    canvas.put(
        ellipse(half // 6, half // 4),
        x + canvas.light * half * 2 // 5,
        y - half // 2,
        WHITE,
        FLAT,
        1,
        150,
    )


def _shadow(canvas: Canvas, thing: Thing, opacity: int = 120) -> None:
    if thing.form == "air":
        canvas.shadow(thing.x, FLOOR, thing.size * 4 // 5, opacity // 2)
    elif thing.form == "up":
        canvas.put(
            ellipse(thing.size * 2 // 3, thing.size // 8), thing.x, thing.y, _INK, FLAT, 1, opacity
        )
    else:
        canvas.shadow(thing.x, thing.y, thing.size, opacity)


DRAWN: dict[str, Callable[[Canvas, Thing, State], None]] = {
    "ball": ball, "cube": cube, "cone": pyramid, "pillar": pillar, "stool": stool, "crate": crate,
    "string": string, "candle": candle, "ice": ice, "balloon": balloon,
}  # fmt: skip

"""People as wooden toy figures, and what they can have: a hat, a scarf, a balloon, an umbrella."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from demo.world.canvas import Canvas, Colour, mix
from demo.world.palette import COLOURS, HAIRS, SKINS, STRING, WHITE
from demo.world.shapes import FLAT, TUBE, box, dome, ellipse, line, polygon
from demo.world.state import State, Thing
from demo.world.toys import inflated

_INK: Colour = (52, 40, 52)
_CHEEK: Colour = (226, 110, 100)


def person(canvas: Canvas, thing: Thing, state: State) -> None:
    """``form`` is two digits: which skin, which hair."""
    x, y, half = thing.x, thing.y, thing.size
    skin, hair = SKINS[int(thing.form[0])], HAIRS[int(thing.form[1])]
    shirt = COLOURS[thing.colour]
    head, neck = half * 4 // 5, y - half * 2
    canvas.shadow(x, y, half, 110)
    wear = ITEMS.get(thing.holds)
    colour = COLOURS.get(thing.holds_colour, WHITE)
    holding = thing.holds in ("balloon", "umbrella")
    if wear and holding:
        wear(canvas, x, neck, half, colour)
    _body(canvas, x, y, half, shirt, skin, holding)
    canvas.put(ellipse(head + 1, head + 1), x, neck - head * 3 // 4 - 2, hair, ("ball",))
    canvas.put(ellipse(head - 1, head - 3), x, neck - head * 3 // 4 + 5, skin, ("ball",))
    _face(canvas, x, neck - head * 3 // 4 + 3, head)
    if wear and not holding:
        wear(canvas, x, neck, half, colour)


def _body(
    canvas: Canvas, x: int, y: int, half: int, shirt: Colour, skin: Colour, raised: bool
) -> None:
    tall = half * 2 + half // 4
    canvas.put(
        polygon(
            (-half * 3 // 5, -tall), (half * 3 // 5, -tall), (half, -half // 4), (-half, -half // 4)
        ),
        x,
        y,
        shirt,
        TUBE,
    )
    canvas.put(ellipse(half, half // 4), x, y - half // 4, shirt, ("across", 140, 84))
    canvas.put(ellipse(half * 3 // 5, half // 3), x, y - tall + 1, shirt, TUBE)
    for side in (-1, 1):
        hand = (side * half * 11 // 10, -half * 7 // 8)
        if raised and side > 0:
            hand = (half * 6 // 5, -half * 8 // 5)
        sleeve = line(side * half * 3 // 5, -tall + half // 4, *hand, half * 2 // 5)
        canvas.put(sleeve, x, y, mix(shirt, _INK, 30), ("down", 150, 104))
        canvas.ball(x + hand[0], y + hand[1], half // 5 + 1, skin)


def _face(canvas: Canvas, x: int, y: int, head: int) -> None:
    for side in (-1, 1):
        canvas.put(ellipse(2, 3), x + side * head * 2 // 5, y + 2, _INK)
        canvas.put(ellipse(4, 3), x + side * head * 3 // 5, y + head * 2 // 5, _CHEEK, FLAT, 1, 90)
    smile = ((-7, 0), (-4, 3), (0, 4), (4, 3), (7, 0))
    for start, end in pairwise(smile):
        canvas.put(line(*start, *end, 2), x, y + head * 2 // 5, _INK)


def hat(canvas: Canvas, x: int, neck: int, half: int, colour: Colour) -> None:
    """A woollen hat with a bobble."""
    y, wide = neck - half * 6 // 5, half * 7 // 8
    canvas.put(ellipse(wide, half * 3 // 4), x, y, colour, ("ball",))
    canvas.put(box(wide * 2 + 6, half * 2 // 5, half // 6), x, y + 3, colour, ("across", 190, 130))
    for rib in range(-3, 4):
        canvas.put(
            line(0, -3, 0, 3, 2), x + rib * wide // 4, y + 3, colour, ("down", 84, 84), opacity=150
        )
    canvas.ball(x, y - half * 3 // 4 - 2, half // 4, mix(colour, WHITE, 120))


def scarf(canvas: Canvas, x: int, neck: int, half: int, colour: Colour) -> None:
    wide = half * 8 // 5
    tail = box(half // 2, half * 6 // 5, 4)
    canvas.put(tail, x + half * 2 // 5, neck + half * 4 // 5, colour, ("down", 120, 150))
    for stripe in (0, 1):
        canvas.put(
            box(half // 2, 4),
            x + half * 2 // 5,
            neck + half + 2 + stripe * 8,
            WHITE,
            FLAT,
            opacity=200,
        )
    canvas.put(box(wide, half // 2, half // 4), x, neck + half // 4, colour, ("down", 176, 104))


def held_balloon(canvas: Canvas, x: int, neck: int, half: int, colour: Colour) -> None:
    hand = (x + half * 6 // 5, neck + half * 2 // 5)
    middle, up = x + half // 2, neck - half * 27 // 10
    canvas.put(line(0, 0, middle - hand[0], up + half - hand[1], 2), *hand, STRING)
    inflated(canvas, middle, up, half * 7 // 8, colour)


def umbrella(canvas: Canvas, x: int, neck: int, half: int, colour: Colour) -> None:
    hand, top, wide = half * 6 // 5, neck - half * 17 // 10, half * 7 // 5
    middle = x + half // 4
    canvas.put(line(hand, half * 2 // 5, half // 4, top - neck, 3), x, neck, STRING)
    canvas.ball(middle, top - half * 9 // 8, 3, STRING)
    canvas.put(dome(wide, half * 9 // 8), middle, top, colour, ("ball",))
    for share in (-5, 0, 5):
        panel = ellipse(wide // 4, half // 6)
        canvas.put(panel, middle + wide * share // 8, top, colour, ("down", 60, 60), opacity=170)


#: What a person can have, each with the function that draws it on the one whose neck is at (x, y).
ITEMS: dict[str, Callable[[Canvas, int, int, int, Colour], None]] = {
    "hat": hat, "scarf": scarf, "balloon": held_balloon, "umbrella": umbrella,
}  # fmt: skip
# How far above the neck's place an item lies when nobody has it, in tenths of half a person.
_LYING = {"hat": 9, "scarf": -12, "balloon": -4, "umbrella": -4}


def item(canvas: Canvas, thing: Thing, state: State) -> None:
    """An item on the floor; ``holds`` says which."""
    canvas.shadow(thing.x, thing.y, thing.size * 2 // 3, 90)
    neck = thing.y + thing.size * _LYING[thing.holds] // 10
    ITEMS[thing.holds](canvas, thing.x, neck, thing.size, COLOURS[thing.holds_colour])


DRAWN: dict[str, Callable[[Canvas, Thing, State], None]] = {"person": person, "item": item}

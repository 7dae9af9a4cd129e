"""Scenes with several things of a kind, one of which the instruction means."""

from __future__ import annotations

from demo.scenes.canvas import (
    Canvas,
    Linear,
    Radial,
    curve,
    darker,
    ellipse,
    lighter,
    rectangle,
    stroke,
)
from demo.scenes.people import Look, standing
from demo.scenes.props import (
    cloud,
    contact_shadow,
    ground_shadow,
    mug,
    round_paint,
    sky,
    table_scene,
    tree,
)


def mugs(canvas: Canvas) -> None:
    """Four equal white mugs in a row."""
    table_scene(canvas, 178, "#8fb0a8", "#b5855a", seed=9)
    canvas.fill(rectangle(0, 60, 512, 70), Linear(("#d7a774", "#8d6238")))
    canvas.fill(rectangle(0, 70, 512, 82), "#10142a30", blur=4)
    for x, height, colour in [
        (70, 40, "#d9a441"),
        (104, 30, "#b95f4d"),
        (380, 44, "#5f7fa2"),
        (420, 34, "#e4dfd2"),
    ]:
        canvas.fill(rectangle(x - 13, 60 - height, x + 13, 60, 4), round_paint(colour))
        canvas.fill(rectangle(x - 9, 54 - height, x + 9, 61 - height, 2), round_paint("#6d5a48"))
    for x in (78, 190, 302, 414):
        mug(canvas, x, 264, 84, "#e6e2da")


def bookshelf(canvas: Canvas) -> None:
    """Two shelves of books of many colours, heights and widths."""
    canvas.backdrop(Linear(("#d8d2c4", "#e6e0d2")))
    canvas.fill(rectangle(30, 26, 430, 430), "#10142a50", blur=8)
    canvas.fill(rectangle(24, 20, 424, 426, 3), Linear(("#b27d4c", "#8d5f36"), 0))
    for top, bottom in ((36, 212), (230, 410)):
        canvas.fill(rectangle(40, top, 408, bottom), Linear(("#4a3020", "#75502f")))
        canvas.fill(rectangle(40, top, 408, top + 14), "#1c100890", blur=4)
        canvas.fill(rectangle(34, bottom, 414, bottom + 16, 2), Linear(("#d2a069", "#94663a")))
    upper = [
        (24, 128, "#3f6c94"),
        (18, 116, "#c9a24a"),
        (30, 138, "#5d8a5a"),
        (20, 108, "#e2dccb"),
        (52, 126, "#7b5b8c"),
        (22, 134, "#2f4f66"),
        (26, 112, "#cf8a4a"),
    ]
    lower = [
        (22, 122, "#557f9e"),
        (30, 134, "#4f6b45"),
        (18, 110, "#d9c9a2"),
        (26, 128, "#8a5a7c"),
        (46, 118, "#3e6f73"),
        (20, 136, "#c08a3c"),
        (28, 114, "#6a7891"),
        (24, 126, "#e3ddce"),
    ]
    for base, books, start in ((212, upper, 58), (410, lower, 66)):
        x = float(start)
        for width, height, colour in books:
            _book(canvas, x, base, width, height, colour)
            x += width + 2
    contact_shadow(canvas, 356, 210, 40, 6, "90")
    vase = curve(
        [
            (344, 128),
            (340, 148),
            (322, 180),
            (340, 210),
            (366, 210),
            (384, 180),
            (366, 148),
            (362, 128),
        ]
    )
    canvas.fill(vase, round_paint("#6fa3b5"))
    for x, y in [(330, 74), (352, 60), (376, 76)]:
        canvas.line(curve([(353, 130), ((x + 353) / 2, 100), (x, y)]), 2.4, "#6fae5a")
        for dx, dy in [(-7, 0), (7, 0), (0, -7), (0, 7)]:
            canvas.fill(ellipse(x + dx, y + dy, 6, 6), "#fdf6ea")
        canvas.fill(ellipse(x, y, 5, 5), "#f2c14a")


def _book(canvas: Canvas, x: float, base: float, width: float, height: float, colour: str) -> None:
    paint = Linear((darker(colour, 0.3), lighter(colour, 0.2), colour, darker(colour, 0.35)), 0)
    canvas.fill(rectangle(x, base - height, x + width, base, 2.5), paint)
    for share in (0.1, 0.84):
        band = rectangle(x, base - height * (1 - share), x + width, base - height * (1 - share) + 4)
        canvas.fill(band, lighter(colour, 0.55) + "b0")
    label = rectangle(
        x + width * 0.26, base - height * 0.74, x + width * 0.74, base - height * 0.4, 1
    )
    canvas.fill(label, lighter(colour, 0.6) + "90")


def houses(canvas: Canvas) -> None:
    """Five houses along a street; they differ in height, roof, colour and chimneys."""
    sky(canvas, 266, "#57a4e4", "#e2f2fa")
    cloud(canvas, 120, 50, 28)
    cloud(canvas, 392, 40, 24)
    canvas.backdrop(Linear(("#8fbf68", "#6ba34a")), top=244, bottom=286)
    for x, height, seed in [(6, 74, 31), (508, 84, 33)]:
        tree(canvas, x, 262, height, "#5a9c4b", seed)
    canvas.backdrop(Linear(("#d6cfc1", "#bcb4a5")), top=272, bottom=292)
    canvas.backdrop(Linear(("#72757c", "#5a5d64")), top=292)
    for x in range(10, 512, 84):
        canvas.fill(rectangle(x, 316, x + 44, 321), "#ece6d2")
    _house(canvas, 26, 80, 160, "#e6c58f", "#a8503c", chimney=False)
    _house(canvas, 116, 82, 172, "#bcd0d6", "#56677c", chimney=True)
    _house(canvas, 208, 84, 166, "#efe3cf", "#8a5a3c", chimney=False)
    _house(canvas, 302, 84, 92, "#d99f8b", "#5f4038", chimney=False)
    _house(canvas, 396, 84, 164, "#c3d1a6", "#7c4d3a", chimney=False)


def _house(
    canvas: Canvas, x: float, width: float, top: float, wall: str, roof: str, chimney: bool
) -> None:
    base = 272
    if chimney:
        canvas.fill(
            rectangle(x + width * 0.66, top - 50, x + width * 0.84, top - 4),
            Linear(("#b5614c", "#7c3d30"), 0),
        )
        canvas.fill(rectangle(x + width * 0.63, top - 54, x + width * 0.87, top - 46, 1), "#6b3529")
        for dx, dy, size in [(2, -66, 7), (8, -80, 9), (17, -95, 11)]:
            canvas.fill(
                ellipse(x + width * 0.75 + dx, top + dy, size, size * 0.8), "#f4f4f2b0", blur=3
            )
    canvas.fill(
        rectangle(x, top, x + width, base), Linear((lighter(wall, 0.15), darker(wall, 0.1)), 30)
    )
    canvas.fill(
        [(x - 8, top + 2), (x + width / 2, top - 44), (x + width + 8, top + 2)],
        Linear((lighter(roof, 0.18), darker(roof, 0.15)), 60),
    )
    canvas.fill(rectangle(x, top + 2, x + width, top + 8), "#10142a38", blur=2)
    door = x + width * 0.5
    canvas.fill(rectangle(door - 13, base - 44, door + 13, base), lighter(wall, 0.6))
    canvas.fill(rectangle(door - 10, base - 41, door + 10, base), Linear(("#8a6a52", "#6b4d38")))
    canvas.fill(ellipse(door + 6, base - 20, 1.8, 1.8), "#f1d27a")
    levels = 2 if base - top > 150 else 1
    for level in range(levels):
        y = top + 16 + level * 54
        for share in (0.2, 0.8):
            middle = x + width * share
            canvas.fill(rectangle(middle - 12, y - 2, middle + 12, y + 28), lighter(wall, 0.65))
            canvas.fill(
                rectangle(middle - 9, y + 1, middle + 9, y + 25), Linear(("#5f86a6", "#b6d6e8"), 50)
            )
            canvas.line([(middle, y), (middle, y + 26)], 1.5, lighter(wall, 0.65))
    canvas.fill(rectangle(door - 17, base - 3, door + 17, base + 3, 1), "#a8a296")


def balloons(canvas: Canvas) -> None:
    """Eight balloons of three colours and several sizes."""
    sky(canvas, 512, "#5aa9ea", "#eaf6fc")
    cloud(canvas, 70, 410, 40)
    cloud(canvas, 320, 450, 46)
    cloud(canvas, 320, 70, 24)
    # Red, with radii 44, 34 and 20; the smallest balloon of all is yellow.
    balloons = [
        (110, 104, 40, "#3f7fd0"),
        (208, 84, 34, "#d93a36"),
        (296, 138, 42, "#f0b82f"),
        (92, 206, 44, "#d93a36"),
        (190, 184, 36, "#f0b82f"),
        (278, 232, 28, "#3f7fd0"),
        (156, 268, 20, "#d93a36"),
        (226, 282, 14, "#f0b82f"),
    ]
    knot = (192, 430)
    for x, y, radius, _ in balloons:
        string = curve(
            [
                (x, y + radius * 1.28),
                ((x + knot[0]) / 2 + (x - knot[0]) * 0.12, (y + knot[1]) / 2 + 30),
                knot,
            ]
        )
        canvas.line(string, 1.2, "#4a5568b0")
    tail = curve([knot, (186, 456), (198, 482), (190, 508)])
    canvas.line(tail, 1.8, "#4a5568c0")
    canvas.fill(ellipse(*knot, 6, 5), Radial(("#f3d37a", "#a87722")))
    for x, y, radius, colour in balloons:
        neck = [
            (x, y + radius * 1.12),
            (x + radius * 0.14, y + radius * 1.3),
            (x - radius * 0.14, y + radius * 1.3),
        ]
        canvas.fill(neck, darker(colour, 0.2))
        upper = ellipse(x, y, radius * 0.9, radius, 180, 360)
        lower = ellipse(x, y, radius * 0.9, radius * 1.2, 0, 180)
        # Below its middle a balloon narrows towards the knot.
        tapered = [(x + (px - x) * (1 - 0.16 * ((py - y) / radius) ** 2), py) for px, py in lower]
        skin = upper + tapered
        canvas.fill(
            skin,
            Radial(
                (lighter(colour, 0.5), lighter(colour, 0.1), colour, darker(colour, 0.34)),
                0.34,
                0.28,
                1.4,
            ),
        )
        canvas.fill(
            ellipse(x - radius * 0.34, y - radius * 0.42, radius * 0.14, radius * 0.2),
            "#ffffffb0",
            blur=radius * 0.05,
        )


def friends(canvas: Canvas) -> None:
    """Five people side by side, facing the viewer; the middle one wears a yellow dress."""
    sky(canvas, 236, "#63ace6", "#e3f2fa")
    cloud(canvas, 100, 54, 28)
    for x, height, seed in [(20, 150, 41), (110, 116, 42), (412, 120, 43), (500, 150, 44)]:
        tree(canvas, x, 250, height, "#63a354", seed)
    canvas.backdrop(Linear(("#9bcb70", "#74ad4f", "#568f3a")), top=236)
    looks = [
        (64, 204, Look("#e8b890", "#7a4a28", "#4f8f7a", "#3b4660")),
        (158, 190, Look("#8d5a3c", "#1f1714", "#d9785a", "#2f3a52", long_hair=True)),
        (256, 198, Look("#f0c6a2", "#3a2a22", "#f0c23c", "#d9a884", long_hair=True, dress=True)),
        (354, 208, Look("#c98e66", "#201a1a", "#5a78b4", "#4a4238", beard=True)),
        (448, 186, Look("#e2b48c", "#c9a050", "#9a6aa4", "#39485e", glasses=True)),
    ]
    for x, height, look in looks:
        ground_shadow(canvas, ellipse(x + 26, 344, 38, 7))
        standing(canvas, x, 344, height, look)
    canvas.fill(stroke([(0, 380), (512, 380)], 10), "#3f6d2c40")

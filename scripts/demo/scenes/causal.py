"""Scenes in which something is about to happen."""

from __future__ import annotations

import math

from demo.scenes.canvas import (
    Canvas,
    Linear,
    Radial,
    Shape,
    curve,
    darker,
    ellipse,
    lighter,
    mirrored,
    moved,
    rectangle,
    stroke,
    turned,
)
from demo.scenes.props import (
    block,
    cloud,
    contact_shadow,
    cylinder,
    ground_shadow,
    round_paint,
    sky,
    sun,
    table_scene,
)


def paper_plane(canvas: Canvas) -> None:
    """A paper plane that glides towards the flame of a candle."""
    table_scene(canvas, 288, "#4a4258", "#6e4b34", seed=2)
    canvas.fill(ellipse(356, 150, 230, 190), Radial(("#ffd98a90", "#ffb85a40", "#ffb05000")))
    contact_shadow(canvas, 362, 332, 62, 10, "a0")
    cylinder(canvas, 356, 322, 328, 54, 12, "#9d7a3c")
    cylinder(canvas, 356, 186, 322, 24, 7, "#efe6d2")
    canvas.fill(ellipse(356, 186, 17, 4.5), "#fff1b8")
    canvas.line([(356, 186), (357, 172)], 2.6, "#33261c")
    flame = curve(
        [(356, 116), (369, 152), (366, 174), (356, 182), (346, 174), (344, 152)], closed=True
    )
    canvas.fill(flame, "#ffb03c90", blur=7)
    canvas.fill(flame, Radial(("#fffbe6", "#ffe48a", "#ff9a2c"), 0.5, 0.75, 1.3))
    canvas.fill(
        curve([(356, 164), (362, 176), (356, 184), (350, 176)], closed=True), "#5a7fd690", blur=1
    )
    # The nose is 18 pixels from the flame.
    nose, keel = (328.0, 150.0), (176.0, 138.0)
    canvas.fill([nose, (138, 92), (168, 128)], Linear(("#ffffff", "#d9d6de"), 20))
    canvas.fill([nose, (168, 128), (182, 176)], Linear(("#b4aebb", "#e8dfd2"), 0))
    canvas.fill([nose, (168, 128), keel, (196, 112)], Linear(("#f7f4f2", "#fff3d6"), 0))
    canvas.fill([nose, (196, 112), (120, 118), (168, 128)], Linear(("#e9e7ee", "#fff2d2"), 0))
    for y, length in [(104, 44), (126, 60), (152, 46)]:
        canvas.fill(stroke([(104 - length, y - 6), (104, y)], 0.8, 2.2), "#ffffff70")


def dominoes(canvas: Canvas) -> None:
    """A row of standing dominoes and a finger at the first."""
    table_scene(canvas, 150, "#a8bdc4", "#9c6b43", seed=4)
    for number in range(8):
        x, y = 128 + number * 42, 196 + number * 5
        ground_shadow(
            canvas, [(x + 18, y + 72), (x + 66, y + 52), (x + 76, y + 56), (x + 30, y + 78)]
        )
        contact_shadow(canvas, x + 16, y + 76, 20, 5, "80")
        block(canvas, x, y, 13, 76, 34, "#f2ead8")
        for row in range(2):
            for column in range(1 + (number + row) % 3):
                dot = (x + 18 + column * 9, y + 8 + row * 36 - column * 5 + 6)
                canvas.fill(ellipse(*dot, 2.4, 3.6), "#2a2630")
        canvas.line([(x + 14, y + 38), (x + 45, y + 20)], 1.4, "#2a263090")
    sleeve = stroke([(-20, 168), (28, 190)], 58, 52)
    canvas.fill(sleeve, Linear(("#5f86b4", "#34557f"), 70))
    hand = curve([(26, 168), (62, 180), (76, 206), (58, 232), (30, 224), (14, 204)], closed=True)
    canvas.fill(hand, Linear(("#f0c3a0", "#d79d78"), 70))
    finger = stroke(curve([(58, 190), (88, 196), (122, 208)]), 19, 14)
    canvas.fill(finger, Linear(("#f3c9a8", "#d49a74")))
    canvas.fill(turned(rectangle(112, 202, 122, 209, 3), 14, 116, 206), "#fbe3d3")
    for x, y in [(56, 214), (48, 228)]:
        canvas.fill(stroke([(x - 10, y), (x + 12, y + 3)], 15, 13), Linear(("#eab893", "#c98e69")))


def ice_lolly(canvas: Canvas) -> None:
    """A frozen lolly on a plate in the full sun of a summer day."""
    sky(canvas, 250, "#3d97e6", "#cdebfb")
    sun(canvas, 372, 66, 30)
    cloud(canvas, 92, 84, 32)
    canvas.fill(
        [
            *curve([(-40, 250), (80, 206), (210, 236), (330, 198), (490, 246)]),
            (490, 300),
            (-40, 300),
        ],
        Linear(("#8fc46d", "#6dac51")),
    )
    canvas.backdrop(Linear(("#f3e3c4", "#d9b98a", "#b98f5e")), top=270)
    for y in (308, 362):
        canvas.line([(0, y), (canvas.width, y)], 1.6, "#8e683c70")
    contact_shadow(canvas, 206, 376, 170, 26, "68")
    canvas.fill(ellipse(224, 356, 164, 44), Linear(("#dfe6ea", "#b4c0c8")))
    canvas.fill(ellipse(224, 350, 164, 44), Linear(("#ffffff", "#e6ecef")))
    canvas.fill(ellipse(224, 352, 122, 29), Linear(("#d9e1e6", "#f6f9fa")))
    contact_shadow(canvas, 218, 366, 100, 12, "48")

    def lying(x0: float, y0: float, x1: float, y1: float, radius: float) -> Shape:
        return turned(rectangle(x0, y0, x1, y1, radius), -9, 224, 346)

    canvas.fill(lying(300, 341, 366, 354, 6), Linear(("#f0d7a5", "#c79f62")))
    canvas.fill(lying(118, 316, 306, 374, 27), darker("#e8503f", 0.32))
    canvas.fill(lying(118, 311, 306, 367, 27), Linear(("#ff8f6b", "#f0523f", "#d23a45"), 80))
    canvas.fill(lying(142, 323, 290, 334, 6), "#ffb9a0b0", blur=1.5)
    canvas.fill(lying(142, 345, 290, 356, 6), "#b82c3c70", blur=1.5)
    for x, y in [
        (128, 330),
        (160, 316),
        (210, 314),
        (268, 316),
        (298, 340),
        (240, 362),
        (180, 364),
    ]:
        canvas.fill(moved(lying(x, y, x + 9, y + 5, 2.5), 0, 0), "#ffffffa8", blur=1.2)


def cat_and_glass(canvas: Canvas) -> None:
    """A cat on a table whose paw pushes a glass of milk that already stands over the edge."""
    canvas.backdrop(Linear(("#cfd9c6", "#e6e7d4")))
    canvas.fill(ellipse(120, 80, 260, 200), Radial(("#fffbe890", "#fffbe800")))
    canvas.backdrop(Linear(("#b98f66", "#8f6a47")), top=398)
    for y in (424, 458):
        canvas.line([(0, y), (canvas.width, y)], 1.4, "#5e412870")
    canvas.backdrop(Linear(("#f7f5ee", "#d8d3c4")), top=388, bottom=400)
    canvas.fill(ellipse(130, 452, 170, 26), "#1a142060", blur=9)
    for x in (34, 200):
        canvas.fill(
            [(x, 262), (x + 26, 262), (x + 22, 452), (x + 4, 452)],
            Linear(("#9b6a3e", "#63401f"), 0),
        )
    canvas.fill(rectangle(-10, 244, 258, 268, 3), Linear(("#b67f4c", "#7d5229")))
    canvas.fill([(-10, 226), (240, 226), (258, 245), (-10, 245)], Linear(("#dcae78", "#c8945c")))
    fur = "#d98f45"
    contact_shadow(canvas, 104, 236, 84, 9, "70")
    tail = curve([(44, 226), (10, 214), (6, 168), (26, 146)])
    canvas.fill(stroke(tail, 20, 12), Linear((lighter(fur, 0.1), darker(fur, 0.3))))
    body = curve(
        [(84, 126), (128, 128), (146, 180), (142, 234), (60, 236), (34, 208), (50, 156)],
        closed=True,
    )
    canvas.fill(body, Radial((lighter(fur, 0.3), fur, darker(fur, 0.35)), 0.4, 0.3, 1.4))
    for x, y in [(58, 168), (52, 188), (54, 208)]:
        canvas.line(curve([(x - 6, y), (x + 10, y - 3), (x + 24, y + 2)]), 4.5, "#a8622a90")
    canvas.fill(ellipse(118, 196, 17, 34), "#fbeeda", blur=3)
    canvas.fill(
        stroke([(112, 190), (110, 228)], 20, 18), Linear((lighter(fur, 0.2), darker(fur, 0.2)), 0)
    )
    canvas.fill(ellipse(112, 233, 15, 7), "#fdf1e0")
    paw = stroke(curve([(130, 180), (170, 188), (208, 184)]), 24, 17)
    canvas.fill(paw, Linear((lighter(fur, 0.25), darker(fur, 0.22))))
    canvas.fill(ellipse(213, 184, 11, 10), Radial(("#fff6e6", "#f0d3a8", "#c99a62")))
    for ear in ([(66, 86), (70, 42), (100, 66)], [(116, 66), (146, 42), (150, 86)]):
        canvas.fill(ear, Linear((fur, darker(fur, 0.2))))
        middle = (sum(x for x, _ in ear) / 3, sum(y for _, y in ear) / 3)
        canvas.fill(
            [
                (middle[0] + (x - middle[0]) * 0.55, middle[1] + (y - middle[1]) * 0.55)
                for x, y in ear
            ],
            "#f0b0a0",
        )
    canvas.fill(
        ellipse(108, 98, 47, 41),
        Radial((lighter(fur, 0.32), fur, darker(fur, 0.26)), 0.38, 0.32, 1.4),
    )
    for x in (98, 108, 118):
        canvas.line([(x, 60), (108 + (x - 108) * 0.8, 76)], 4, "#a8622aa0")
    canvas.fill(ellipse(110, 116, 20, 14), "#fdf1e0", blur=1.5)
    for x in (92, 128):
        canvas.fill(ellipse(x, 95, 9, 9.5), "#e6d35a")
        canvas.fill(ellipse(x + 3, 95, 3.4, 8), "#17151a")
        canvas.fill(ellipse(x + 1, 91, 2, 2), "#ffffff")
    canvas.fill([(105, 108), (115, 108), (110, 114)], "#c9645a")
    canvas.line(curve([(101, 119), (106, 122), (110, 115), (114, 122), (120, 119)]), 1.6, "#7a4a30")
    for dy in (-4, 2, 8):
        canvas.line([(128, 114 + dy * 0.4), (164, 110 + dy)], 1, "#ffffffd0")
        canvas.line([(92, 114 + dy * 0.4), (56, 110 + dy)], 1, "#ffffffd0")
    glass = [(220, 150), (282, 150), (274, 236), (228, 236)]
    canvas.fill([(223, 170), (279, 170), (273, 234), (229, 234)], round_paint("#f6f3ea"))
    canvas.fill(ellipse(251, 170, 28, 5), "#fffdf6")
    canvas.fill(glass, Linear(("#ffffff78", "#ffffff18", "#ffffff70"), 0))
    canvas.fill(ellipse(251, 236, 23, 4, 0, 180), "#c9d2d4")
    rim = ellipse(251, 150, 31, 6)
    canvas.line([*rim, rim[0]], 2, "#9fb4bcd8")
    for x0, x1 in ((220, 228), (282, 274)):
        canvas.line([(x0, 150), (x1, 236)], 1.8, "#9fb4bcd8")


def wilted_plant(canvas: Canvas) -> None:
    """A pot plant that hangs its leaves over dry, cracked earth; a full watering can beside it."""
    table_scene(canvas, 306, "#e3d8c2", "#8f8574", seed=6)
    window = rectangle(28, 30, 170, 214, 4)
    canvas.fill(window, "#fdfcf8")
    for x in (38, 104):
        for y in (40, 127):
            canvas.fill(rectangle(x, y, x + 56, y + 77), Linear(("#8ec5ee", "#d9eefa")))
    contact_shadow(canvas, 186, 414, 96, 14, "80")
    stem = curve([(176, 306), (172, 236), (184, 186), (206, 172)])
    stems = [
        (stem, "#8b8a48"),
        (curve([(174, 306), (160, 232), (130, 206), (106, 228)]), "#94904e"),
        (curve([(180, 306), (200, 256), (232, 240), (250, 270)]), "#86843f"),
        (curve([(170, 306), (146, 270), (118, 270), (104, 296)]), "#7f7d3c"),
    ]
    for line, colour in stems:
        canvas.fill(stroke(line, 7, 4), Linear((colour, darker(colour, 0.3))))
    for x, y, angle, size, colour in [
        (206, 172, 74, 62, "#a39a4a"),
        (196, 178, 118, 54, "#b3a255"),
        (106, 228, 98, 66, "#9a9446"),
        (120, 212, 66, 54, "#b09a4c"),
        (250, 270, 84, 64, "#938d40"),
        (236, 250, 112, 52, "#a99a4e"),
        (104, 296, 104, 58, "#8a853c"),
        (122, 274, 80, 46, "#a38f45"),
    ]:
        _limp_leaf(canvas, x, y, angle, size, colour)
    pot = [(138, 406), (122, 312), (236, 312), (220, 406)]
    canvas.fill([*ellipse(179, 406, 41, 8, 0, 180), *pot], round_paint("#c26a42"))
    canvas.fill(rectangle(114, 298, 244, 322, 5), round_paint("#cf764c"))
    canvas.fill(ellipse(179, 299, 62, 9), "#c9a983")
    for crack in (
        [(136, 299), (156, 302), (168, 297)],
        [(178, 305), (186, 298), (206, 301)],
        [(206, 301), (224, 297)],
    ):
        canvas.line(crack, 1.6, "#6f4f34")
    _watering_can(canvas, 306, 420)


def _limp_leaf(canvas: Canvas, x: float, y: float, angle: float, size: float, colour: str) -> None:
    upper = curve([(x, y), (x + size * 0.4, y - size * 0.17), (x + size, y + size * 0.04)])
    lower = curve([(x + size, y + size * 0.04), (x + size * 0.5, y + size * 0.16), (x, y)])
    leaf = turned(upper + lower, angle, x, y)
    canvas.fill(leaf, Linear((lighter(colour, 0.2), darker(colour, 0.28)), angle - 90))
    vein = turned(
        curve([(x, y), (x + size * 0.5, y), (x + size * 0.92, y + size * 0.03)]), angle, x, y
    )
    canvas.line(vein, 1.1, darker(colour, 0.35) + "90")
    tip = math.radians(angle)
    end = (x + size * 0.9 * math.cos(tip), y + size * 0.9 * math.sin(tip))
    canvas.fill(ellipse(*end, size * 0.1, size * 0.1), "#8a5a2a90", blur=3, within=leaf)


def _watering_can(canvas: Canvas, x: float, y: float) -> None:
    contact_shadow(canvas, x + 6, y + 2, 62, 10, "80")
    handle = curve([(x + 26, y - 76), (x + 66, y - 82), (x + 66, y - 34), (x + 36, y - 20)])
    canvas.fill(stroke(handle, 8), Linear(("#6fa8c4", "#2f6480")))
    canvas.fill(
        stroke([(x - 34, y - 30), (x - 66, y - 84)], 14, 9), Linear(("#79b2cc", "#3b7592"), 0)
    )
    canvas.fill(
        turned(rectangle(x - 84, y - 92, x - 50, y - 82, 3), -32, x - 66, y - 86), "#4d8aa6"
    )
    cylinder(canvas, x, y - 78, y - 6, 40, 10, "#5b9bb8")
    canvas.fill(ellipse(x, y - 78, 34, 7.5), Linear(("#2c5a70", "#8fd0e6")))
    canvas.fill(mirrored(ellipse(x - 8, y - 76, 14, 2.5), y - 76), "#ffffff90", blur=1)

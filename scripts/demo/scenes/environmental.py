"""Scenes whose light, weather or season is to change."""

from __future__ import annotations

from random import Random

from demo.scenes.canvas import (
    Canvas,
    Linear,
    Point,
    Radial,
    curve,
    darker,
    ellipse,
    lighter,
    mirrored,
    mix,
    rectangle,
    stroke,
)
from demo.scenes.people import Look, standing
from demo.scenes.props import (
    cloud,
    conifer,
    contact_shadow,
    ground_shadow,
    round_paint,
    sky,
    sun,
    tree,
)


def street(canvas: Canvas) -> None:
    """A street at noon: the sun overhead, shadows small and under things."""
    sky(canvas, 262, "#3f93e2", "#cfe9fa")
    sun(canvas, 250, 30, 20)
    cloud(canvas, 420, 60, 26)
    for x0, x1, top, colour, rows in [
        (-10, 108, 92, "#d9a679", 3),
        (108, 214, 126, "#b7c3b0", 3),
        (214, 330, 104, "#d8c7a4", 3),
        (330, 420, 140, "#b98378", 2),
        (420, 524, 100, "#a9b6c6", 3),
    ]:
        _house_front(canvas, x0, x1, top, 272, colour, rows)
    canvas.backdrop(Linear(("#d9d3c8", "#c3bbae")), top=270, bottom=314)
    for x in range(-20, 540, 40):
        canvas.line([(x + 8, 271), (x - 8, 313)], 1, "#8f887c80")
    canvas.backdrop("#8d867b", top=313, bottom=319)
    canvas.backdrop(Linear(("#6c6f76", "#54575e")), top=319)
    for x in range(-10, 520, 92):
        canvas.fill([(x + 4, 348), (x + 56, 348), (x + 52, 354), (x, 354)], "#e9e4d2")
    contact_shadow(canvas, 70, 302, 34, 6, "90")
    tree(canvas, 70, 302, 150, "#569c48", 5)
    contact_shadow(canvas, 190, 304, 10, 3, "90")
    canvas.fill(stroke([(190, 304), (190, 150)], 5, 4), round_paint("#3c424c"))
    canvas.fill([(178, 150), (202, 150), (197, 134), (183, 134)], Linear(("#e9edf0", "#b9c2c9")))
    canvas.fill(rectangle(180, 129, 200, 135, 2), "#343a44")
    look = Look("#d9a57e", "#4a2f22", "#cf4f47", "#33415e")
    standing(canvas, 290, 306, 104, look)
    _car(canvas, 384, 346)


def _house_front(
    canvas: Canvas, x0: float, x1: float, top: float, bottom: float, colour: str, rows: int
) -> None:
    canvas.fill(
        rectangle(x0, top, x1, bottom), Linear((lighter(colour, 0.2), darker(colour, 0.08)))
    )
    canvas.fill(
        rectangle(x0 - 2, top - 6, x1 + 2, top + 4),
        Linear((lighter(colour, 0.3), darker(colour, 0.3))),
    )
    step = (bottom - top - 52) / rows
    for row in range(rows):
        for column in range(3):
            x = x0 + (x1 - x0) * (0.2 + 0.3 * column) - 10
            y = top + 14 + row * step
            canvas.fill(rectangle(x - 2, y - 2, x + 22, y + step * 0.68 + 2), lighter(colour, 0.55))
            canvas.fill(
                rectangle(x, y, x + 20, y + step * 0.68),
                Linear(("#5d7f9c", "#a8c8dc", "#5f7f98"), 50),
            )
            canvas.fill(rectangle(x - 3, y - 2, x + 23, y + 1), darker(colour, 0.45) + "80")
    middle = (x0 + x1) / 2
    canvas.fill(
        rectangle(middle - 13, bottom - 40, middle + 13, bottom), Linear(("#6d4630", "#4c2f20"))
    )
    canvas.fill(rectangle(middle - 9, bottom - 36, middle + 9, bottom - 22), "#9dbccd")
    canvas.fill(rectangle(x1 - 2, top, x1, bottom), darker(colour, 0.4) + "70")


def _car(canvas: Canvas, x: float, y: float) -> None:
    contact_shadow(canvas, x + 40, y + 24, 72, 7, "b0")
    cabin = curve([(x - 4, y - 8), (x + 18, y - 32), (x + 64, y - 32), (x + 88, y - 8)])
    canvas.fill(cabin, Linear(("#3f87b8", "#2b668f")))
    windows = [[(x + 8, y - 9), (x + 22, y - 27), (x + 38, y - 27), (x + 38, y - 9)]]
    windows.append([(x + 43, y - 9), (x + 43, y - 27), (x + 61, y - 27), (x + 77, y - 9)])
    for window in windows:
        canvas.fill(window, Linear(("#d8ecf6", "#7fa6bf"), 60))
    canvas.fill(
        rectangle(x - 30, y - 10, x + 110, y + 18, 10), Linear(("#66b0dc", "#3f87b8", "#285f86"))
    )
    canvas.fill(rectangle(x + 102, y - 4, x + 110, y + 3, 2), "#fff3c0")
    canvas.fill(rectangle(x - 30, y - 4, x - 24, y + 3, 2), "#d8473c")
    for wheel in (x + 2, x + 80):
        canvas.fill(ellipse(wheel, y + 17, 14, 14), "#22242a")
        canvas.fill(ellipse(wheel, y + 17, 7, 7), Radial(("#e8ecef", "#8c949c")))


def lake(canvas: Canvas) -> None:
    """A mountain lake in summer that mirrors its shore."""
    shore = 214
    sky(canvas, shore, "#4a9be2", "#dcf0fa")
    ridge = [
        (-30, 214),
        (60, 140),
        (120, 168),
        (206, 58),
        (286, 132),
        (330, 104),
        (430, 168),
        (512, 130),
        (560, 214),
    ]
    sunny = [(206, 58), (120, 168), (60, 140), (-30, 214), (190, 214), (212, 120)]
    right = [(330, 104), (286, 132), (250, 214), (340, 214), (346, 150)]
    hills = [
        *curve([(-30, 196), (90, 172), (230, 198), (360, 176), (540, 194)]),
        (540, 214),
        (-30, 214),
    ]
    trees = [(24, 78), (58, 98), (94, 70), (124, 88), (382, 74), (414, 104), (450, 84), (488, 110)]
    for x, y in [(88, 52), (370, 64)]:
        cloud(canvas, x, y, 28)
    canvas.fill(ridge, Linear(("#7e93a8", "#8fa58c")))
    for face in (sunny, right):
        canvas.fill(face, Linear(("#c2cbd0", "#a9bd9a")))
    canvas.fill(hills, Linear(("#7fb768", "#4f8f45")))
    canvas.backdrop(Linear(("#5aa2cf", "#2f7fb0", "#1f5f8f")), top=shore)
    canvas.fill(mirrored(ridge, shore, 0.75), Linear(("#6f9494c0", "#6288a8b0")))
    for face in (sunny, right):
        canvas.fill(mirrored(face, shore, 0.75), Linear(("#8fae9690", "#a0b8c888")))
    canvas.fill(mirrored(hills, shore, 0.75), Linear(("#3f7f45d0", "#5f9c62a0")))
    for x, height in trees:
        conifer(canvas, x, shore + 3, height)
        spire = [
            (x, shore),
            (x + height * 0.24, shore),
            (x, shore + height * 0.8),
            (x - height * 0.24, shore),
        ]
        canvas.fill(spire, Linear(("#1f5640d0", "#2f6b5070")), blur=1)
    random = Random(11)
    for _ in range(46):
        depth = 6 + random.random() ** 1.4 * 150
        left, length = random.uniform(-20, 512), random.uniform(14, 40) * (0.5 + depth / 120)
        canvas.fill(ellipse(left, shore + depth, length, 0.7 + depth / 160), "#e4f5fb50")
    bank = curve([(-20, 352), (90, 330), (190, 352), (300, 366), (420, 344), (540, 356)])
    canvas.fill([*bank, (540, 400), (-20, 400)], Linear(("#86bf5c", "#4d8a35")))
    for _ in range(150):
        root = random.uniform(0, 512), random.uniform(362, 384)
        _blade(canvas, root, random.uniform(6, 13), random)
    for x, y, colour in [
        (40, 356, "#f4d548"),
        (86, 362, "#f7f3e8"),
        (150, 366, "#e2665e"),
        (380, 366, "#f4d548"),
        (450, 362, "#f7f3e8"),
    ]:
        for dx in (-5, 4, 11):
            canvas.fill(ellipse(x + dx, y + dx % 3 * 3, 3, 3), colour)


def living_room(canvas: Canvas) -> None:
    """A living room by day: sun through the window, a floor lamp switched off."""
    canvas.backdrop(Linear(("#efe3cd", "#e2d0b2")), bottom=268)
    canvas.backdrop(Linear(("#f8f3e8", "#ddd1bb")), top=256, bottom=268)
    canvas.backdrop(Linear(("#b98d60", "#9a6f46")), top=267)
    for number, y in enumerate((284, 308, 338)):
        canvas.line([(0, y), (480, y)], 1.2, "#6b482a60")
        for x in range(40 * (number % 2), 480, 120):
            canvas.line([(x, y), (x - 10, y + 28)], 1, "#6b482a50")
    canvas.fill(rectangle(44, 38, 204, 190, 3), Linear(("#ffffff", "#e9e4da")))
    for x0, x1 in ((54, 121), (127, 194)):
        pane = rectangle(x0, 48, x1, 180)
        canvas.fill(pane, Linear(("#5aa9e8", "#d6edf9")))
        canvas.fill(ellipse((x0 + x1) / 2 + 10, 84, 26, 10), "#ffffffd0", blur=3, within=pane)
        canvas.fill(ellipse(x0 + 20, 188, 60, 34), Linear(("#86bd62", "#57963f")), within=pane)
    canvas.fill(rectangle(36, 190, 212, 199, 2), Linear(("#ffffff", "#d2cabb")))
    for x0, x1 in ((18, 58), (190, 230)):
        drape = [
            (x0 + 2, 24),
            (x1 - 2, 24),
            (x1 - 5, 120),
            (x1 + 2, 240),
            (x0 - 2, 240),
            (x0 + 5, 120),
        ]
        canvas.fill(drape, Linear(("#c96f5b", "#e59a84", "#b95f4d", "#dd8d77", "#b05646"), 0))
    canvas.fill(rectangle(10, 20, 238, 27, 3), round_paint("#7b5a3c"))
    canvas.fill([(96, 284), (226, 284), (290, 340), (126, 340)], "#fff3c478", blur=3)
    canvas.fill(ellipse(286, 330, 150, 24), Linear(("#8fa9b8", "#6f8b9c")))
    canvas.fill(ellipse(286, 330, 122, 17), Linear(("#b9cad3", "#9db4c1")))
    canvas.fill(rectangle(268, 66, 346, 124), Linear(("#5b4330", "#3f2d20")))
    canvas.fill(rectangle(274, 72, 340, 118), Linear(("#f3d7a0", "#e29b6d", "#5f7fa2")))
    canvas.fill([(274, 118), (298, 92), (312, 104), (324, 96), (340, 118)], "#4d5f78")
    contact_shadow(canvas, 322, 314, 124, 10, "90")
    sofa = "#4f7f78"
    canvas.fill(rectangle(224, 170, 402, 270, 20), Linear((lighter(sofa, 0.25), sofa)))
    for x0, x1 in ((240, 312), (314, 386)):
        canvas.fill(
            rectangle(x0, 186, x1, 256, 12), Linear((lighter(sofa, 0.2), darker(sofa, 0.1)))
        )
        canvas.fill(rectangle(x0, 240, x1, 276, 9), Linear((lighter(sofa, 0.4), sofa)))
    canvas.fill(rectangle(226, 268, 400, 300, 8), Linear((sofa, darker(sofa, 0.3))))
    for x in (212, 386):
        canvas.fill(
            rectangle(x, 212, x + 30, 302, 13), Linear((lighter(sofa, 0.35), darker(sofa, 0.2)))
        )
    for x in (222, 392):
        canvas.fill(rectangle(x, 300, x + 9, 316), "#4a3322")
    canvas.fill(rectangle(252, 206, 294, 248, 8), Linear(("#f0c766", "#d39c3c"), 45))
    contact_shadow(canvas, 438, 318, 30, 6, "90")
    canvas.fill(ellipse(434, 314, 24, 6), Linear(("#5b5f66", "#33373d")))
    canvas.fill(rectangle(432, 130, 436, 313), round_paint("#5b5f66"))
    canvas.fill(
        [(414, 84), (454, 84), (472, 140), (396, 140)],
        Linear(("#c9bda4", "#e6dcc6", "#c2b497", "#a8997c"), 0),
    )
    canvas.line([(454, 140), (454, 168)], 1.2, "#7a6a4a")


def park(canvas: Canvas) -> None:
    """A park in dry, sunny weather: a sandy path, a bench, a lamp post."""
    sky(canvas, 226, "#4b9fe6", "#d9effa")
    sun(canvas, 70, 58, 22)
    cloud(canvas, 300, 66, 34)
    canvas.fill(
        [
            *curve([(-30, 226), (70, 190), (180, 212), (300, 184), (400, 206), (480, 190)]),
            (480, 240),
            (-30, 240),
        ],
        Linear(("#7fae84", "#6fa266")),
    )
    canvas.backdrop(Linear(("#93c765", "#6eac48", "#4d8a33")), top=224)
    for x, y, height, seed in [
        (40, 242, 104, 8),
        (120, 234, 78, 9),
        (290, 234, 74, 10),
        (344, 240, 98, 12),
    ]:
        ground_shadow(canvas, ellipse(x + height * 0.36, y + 4, height * 0.4, height * 0.055))
        tree(canvas, x, y, height, "#549a43", seed)
    left = curve([(222, 226), (216, 250), (250, 290), (210, 360), (90, 460)])
    right = curve([(360, 460), (352, 360), (330, 300), (252, 252), (238, 226)])
    canvas.fill(left + right, Linear(("#ead9b4", "#dcc293", "#c8a872")))
    random = Random(13)
    for _ in range(130):
        down = random.uniform(60, 208)
        across = random.uniform(-0.55, 0.55) * down
        pebble = ellipse(260 + across, 240 + down, 2.2, 1)
        canvas.fill(pebble, "#a5854f60", within=left + right)
    for _ in range(220):
        root = random.uniform(0, 448), random.uniform(258, 446)
        on_path = 150 < root[0] < 372
        if not on_path:
            _blade(canvas, root, (root[1] - 220) / 26, random)
    ground_shadow(canvas, [(36, 372), (196, 372), (226, 386), (62, 386)])
    for x in (38, 168):
        canvas.fill(rectangle(x, 326, x + 8, 376), Linear(("#4a4f58", "#2b2f36"), 0))
        canvas.fill(rectangle(x - 2, 280, x + 4, 340), Linear(("#4a4f58", "#2b2f36"), 0))
    for y in (284, 300, 316):
        canvas.fill(rectangle(24, y, 190, y + 11, 3), Linear(("#c98b50", "#94602f")))
    for y in (330, 339):
        canvas.fill(rectangle(22, y, 194, y + 8, 3), Linear(("#d99c60", "#a16c38")))
    ground_shadow(canvas, [(392, 366), (396, 366), (448, 378), (448, 384)])
    canvas.fill(rectangle(388, 196, 396, 368), round_paint("#3d4a46"))
    canvas.fill(ellipse(392, 368, 13, 4), "#2b3532")
    canvas.fill(
        ellipse(392, 184, 17, 17), Radial(("#ffffff", "#e9edef", "#b7c0c6"), 0.36, 0.3, 1.4)
    )
    canvas.fill(rectangle(383, 197, 401, 203, 2), "#2f3a37")


def avenue(canvas: Canvas) -> None:
    """A country road between two rows of trees that lead to distant hills, in clear air."""
    sky(canvas, 190, "#4495df", "#d5ecf8")
    cloud(canvas, 130, 56, 30)
    cloud(canvas, 390, 84, 22)
    canvas.fill(
        [(150, 190), (212, 132), (250, 160), (300, 116), (372, 190)], Linear(("#7f9ab2", "#9fb7b6"))
    )
    hills = [(-30, 176), (90, 152), (190, 176), (300, 160), (420, 150), (540, 178)]
    canvas.fill([*curve(hills), (540, 196), (-30, 196)], Linear(("#7ba870", "#86b763")))
    canvas.backdrop(Linear(("#a8c966", "#8cba50", "#679a38")), top=188)
    canvas.fill([(252, 188), (260, 188), (430, 384), (82, 384)], Linear(("#8f9196", "#6c6f75")))
    for number in range(7):
        near, far = 1 / (1 + number * 0.9), 1 / (1.38 + number * 0.9)
        y0, y1 = 188 + 196 * near, 188 + 196 * far
        canvas.fill(
            [(256 - 5 * near, y0), (256 + 5 * near, y0), (256 + 5 * far, y1), (256 - 5 * far, y1)],
            "#f3efdf",
        )
    for number in range(8, -1, -1):
        share = 1 / (1 + number * 0.62)
        y, height = 188 + 158 * share, 262 * share
        for side in (-1, 1):
            x = 256 + side * 226 * share
            ground_shadow(canvas, ellipse(x + height * 0.16, y, height * 0.34, height * 0.045))
            tree(canvas, x, y, height, "#4d9440", 20 + number * 2 + (side > 0))
    random = Random(17)
    for _ in range(120):
        x = random.choice([random.uniform(0, 96), random.uniform(418, 512)])
        _blade(canvas, (x, random.uniform(340, 384)), random.uniform(4, 9), random)


def _blade(canvas: Canvas, root: Point, length: float, random: Random) -> None:
    """A blade of grass."""
    tip = (root[0] + random.uniform(-3, 3), root[1] - length)
    colour = mix("#3f7c2b", "#bcdc75", random.random())
    canvas.fill(stroke([root, tip], 1.7, 0.5), colour)

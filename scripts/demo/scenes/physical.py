"""Scenes in which things have weight, size and a place in space."""

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
    turned,
)
from demo.scenes.props import (
    block,
    cloud,
    contact_shadow,
    cylinder,
    ground_shadow,
    sky,
    sphere,
    table_scene,
    tree,
)


def tower(canvas: Canvas) -> None:
    """Four wooden blocks in a stack."""
    table_scene(canvas, 330, "#c9d3dc", "#b98a5a", seed=3)
    contact_shadow(canvas, 226, 438, 104, 16, "88")
    ground_shadow(canvas, [(244, 440), (300, 412), (384, 400), (384, 436)], "#10142a38")
    for x, y, colour in [
        (128, 362, "#c9473f"),
        (134, 282, "#e0a834"),
        (124, 202, "#4e9a58"),
        (132, 122, "#3f74b8"),
    ]:
        block(canvas, x, y, 118, 79, 38, colour)


def seesaw(canvas: Canvas) -> None:
    """A seesaw with an apple on its low end, and a bowling ball in the grass."""
    sky(canvas, 220)
    cloud(canvas, 96, 58, 34)
    cloud(canvas, 400, 88, 26)
    for x, height, seed in [(36, 120, 1), (120, 96, 2), (472, 130, 3), (398, 92, 4)]:
        tree(canvas, x, 226, height, "#5f9d52", seed)
    canvas.backdrop(Linear(("#8fc06a", "#6fae4e", "#4f8e3a")), top=218)
    contact_shadow(canvas, 262, 324, 74, 10, "80")
    contact_shadow(canvas, 92, 334, 62, 8, "60")
    canvas.fill(
        [(246, 236), (262, 236), (300, 322), (208, 322)], Linear(("#5c7f9f", "#34506d"), 20)
    )
    plank = turned(rectangle(52, 226, 456, 242, 6), -14, 254, 234)
    canvas.fill(plank, Linear(("#f0b455", "#d98d33", "#a8631f"), 76))
    for x in (96, 412):
        seat = turned(rectangle(x - 34, 219, x + 34, 228, 4), -14, 254, 234)
        canvas.fill(seat, Linear(("#e4594d", "#a8332d"), 76))
    canvas.fill(ellipse(254, 236, 13, 13), Radial(("#f2f4f7", "#7d8894"), 0.35, 0.3, 1.4))
    _apple(canvas, 92, 246, 17)
    contact_shadow(canvas, 396, 354, 46, 10, "90")
    sphere(canvas, 390, 318, 38, "#2b3152")
    for dx, dy in [(-4, -16), (8, -18), (3, -6)]:
        canvas.fill(ellipse(390 + dx, 318 + dy, 3.6, 3.2), "#07080f")


def _apple(canvas: Canvas, x: float, y: float, radius: float) -> None:
    sphere(canvas, x, y, radius, "#d6382f")
    canvas.line([(x, y - radius * 0.8), (x + 3, y - radius * 1.4)], 2.5, "#5b3a20")
    leaf = curve(
        [(x + 3, y - radius), (x + 12, y - radius * 1.5), (x + 16, y - radius)], closed=True
    )
    canvas.fill(leaf, "#5aa244")


def glass(canvas: Canvas) -> None:
    """A straight glass, a little over half full of water, upright on a table."""
    table_scene(canvas, 296, "#dcc9b4", "#8d6748", seed=5)
    contact_shadow(canvas, 244, 384, 104, 18, "70")
    canvas.fill(ellipse(306, 380, 60, 10), "#eaf6ff60", blur=6)
    outline = ellipse(224, 374, 62, 13, 0, 180) + ellipse(224, 112, 82, 17, 180, 360)
    canvas.fill(outline, Linear(("#ffffff78", "#ffffff20", "#ffffff14", "#ffffff58"), 0))
    water = ellipse(224, 368, 57, 11, 0, 180) + ellipse(224, 206, 70, 14, 180, 360)
    canvas.fill(water, Linear(("#3d8fc4d8", "#8ccbe8b8", "#6fb6dcb0", "#2f7bb0d8"), 0))
    canvas.fill(ellipse(224, 206, 70, 14), Linear(("#d9f1fbf0", "#93cde8f0"), 0))
    canvas.line(ellipse(224, 206, 70, 14), 1.2, "#ffffffb0")
    rim = ellipse(224, 112, 82, 17)
    canvas.line([*rim, rim[0]], 3, "#ffffffd0")
    canvas.line([(142, 114), (162, 372)], 2.2, "#ffffffa0")
    canvas.line([(306, 114), (286, 372)], 2.2, "#ffffffa0")
    canvas.fill([(166, 140), (178, 140), (188, 352), (180, 352)], "#ffffff70", blur=1.5)
    canvas.line(ellipse(224, 372, 61, 12, 5, 175), 4, "#ffffff90")


def corridor(canvas: Canvas) -> None:
    """A tiled corridor with a red ball in front and a door at its far end."""
    width, height = canvas.width, canvas.height
    left, top, right, bottom = 216, 108, 296, 208
    x0, y0 = 256, 160  # the vanishing point
    canvas.fill([(0, 0), (width, 0), (right, top), (left, top)], Linear(("#f4f1ea", "#cfccc6")))
    canvas.fill(
        [(0, 0), (left, top), (left, bottom), (0, height)], Linear(("#c7d3d6", "#a9b8bd"), 0)
    )
    canvas.fill(
        [(width, 0), (right, top), (right, bottom), (width, height)],
        Linear(("#93a4aa", "#b3c1c5"), 0),
    )
    canvas.fill(rectangle(left, top, right, bottom), "#d5dcdc")

    def ground(across: float, depth: float) -> tuple[float, float]:
        share = 1 / depth  # depth 1 is the image's lower edge, the far wall about 4.67
        return x0 + across * share, y0 + (height - y0) * share

    far = (height - y0) / (bottom - y0)
    depths = [1 + (far - 1) * step / 12 for step in range(13)]
    for row in range(12):
        for column in range(-3, 3):
            shape = [
                ground(column * 62.5, depths[row]),
                ground((column + 1) * 62.5, depths[row]),
                ground((column + 1) * 62.5, depths[row + 1]),
                ground(column * 62.5, depths[row + 1]),
            ]
            canvas.fill(shape, "#e9e2d2" if (row + column) % 2 else "#8f7f6a")
    floor = [ground(-187.5, 1), ground(187.5, 1), ground(187.5, far), ground(-187.5, far)]
    canvas.fill(
        [(0, height), (width, height), (right, bottom), (left, bottom)],
        Linear(("#3b3a4650", "#ffffff18")),
    )
    edges = [(0, height), floor[0], floor[3], (left, bottom)]
    canvas.fill(edges, "#8a7b67")
    canvas.fill([(width, height), floor[1], floor[2], (right, bottom)], "#75684f")
    canvas.fill(rectangle(236, 132, 276, 208), Linear(("#9c6239", "#7a4826"), 0))
    canvas.fill(rectangle(241, 138, 271, 164), "#8a5530")
    canvas.fill(rectangle(241, 170, 271, 202), "#8a5530")
    canvas.fill(ellipse(270, 172, 2.2, 2.2), "#f1d27a")
    for share in (1.35, 1.9, 2.9):
        lamp = [
            (x0 + dx / share, y0 - 160 / share + dy / share)
            for dx, dy in [(-60, 0), (60, 0), (52, 22), (-52, 22)]
        ]
        canvas.fill(lamp, "#fffdf0")
        canvas.fill(lamp, "#fffbe080", blur=4)
    contact_shadow(canvas, 206, 354, 58, 12, "90")
    sphere(canvas, 196, 308, 50, "#d23a33")


def tank(canvas: Canvas) -> None:
    """A tank of water; beside it a cork and a steel ball of the same size."""
    table_scene(canvas, 262, "#d6d9cc", "#a0774f", seed=7)
    contact_shadow(canvas, 186, 344, 160, 14, "70")
    canvas.fill([(40, 332), (74, 306), (330, 306), (300, 332)], "#6fa9bd")
    back, front = rectangle(74, 96, 330, 306), rectangle(40, 112, 300, 336)
    canvas.fill(back, "#eaf5f850")
    water = [(40, 172), (74, 158), (330, 158), (330, 306), (300, 336), (40, 336)]
    canvas.fill(water, Linear(("#a9dbe6c8", "#64b0c9d8", "#3f8fb2e0")))
    canvas.fill([(300, 172), (330, 158), (330, 306), (300, 336)], "#2f7ea260")
    canvas.fill([(40, 172), (74, 158), (330, 158), (300, 172)], Linear(("#e6f7faf0", "#bfe4edf0")))
    for x in (90, 150, 214):
        canvas.fill([(x, 174), (x + 26, 174), (x + 66, 330), (x + 20, 330)], "#ffffff20", blur=6)
    for shape in (back, front):
        canvas.line([*shape, shape[0]], 2.2, "#f6fcffd0")
    for near, far in zip(front, back, strict=True):
        canvas.line([near, far], 2.2, "#f6fcffd0")
    canvas.fill(rectangle(52, 120, 64, 330), "#ffffff38", blur=2)
    contact_shadow(canvas, 384, 338, 36, 8, "80")
    cylinder(canvas, 376, 286, 332, 24, 8, "#c79a66")
    for dx, dy in [(-14, 14), (-4, 30), (6, 8), (12, 36), (-10, 42), (2, 20)]:
        canvas.fill(ellipse(376 + dx, 292 + dy, 1.8, 1.3), "#8a6238")
    contact_shadow(canvas, 462, 348, 32, 8, "90")
    colours = ("#ffffff", "#c4ccd4", "#727c88", "#2c323c", "#8d969f")
    canvas.fill(ellipse(456, 322, 26, 26), Radial(colours, 0.34, 0.28, 1.5))
    canvas.fill(ellipse(452, 338, 14, 5), lighter("#a0774f", 0.3) + "70", blur=3)
    canvas.fill(rectangle(40, 334, 300, 338), darker("#3f8fb2", 0.2))

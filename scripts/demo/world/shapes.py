"""Shapes as stamps: how much of each pixel a shape covers, and how bright it is there.

Everything is integer arithmetic on a grid ``FINE`` times finer than the picture, so that a stamp is
the same to the bit whatever numpy, Pillow or processor made it. Stamps are kept, since most
pictures are made of the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: How many times finer than the picture a shape is sampled, in each direction.
FINE = 4
Grid = NDArray[np.int64]
#: Name and numbers of a shape, in pixels around the place where it is put; see ``_INSIDE``.
Spec = tuple[object, ...]
#: Name and numbers of how light falls on a shape, in levels: 0 dark, 128 its colour, 255 light.
Shading = tuple[object, ...]
FLAT: Shading = ("down", 128, 128)
BALL: Shading = ("ball",)
TUBE: Shading = ("tube",)


class Stamp(NamedTuple):
    """Coverage and brightness (mode L, 0 to 255) and where their corner lies."""

    alpha: Image.Image
    shade: Image.Image
    left: int
    top: int


def ellipse(rx: int, ry: int) -> Spec:
    """Around its middle."""
    return ("ellipse", rx, ry)


def box(width: int, height: int, radius: int = 0) -> Spec:
    """Around its middle, with round corners."""
    return ("box", width, height, radius)


def polygon(*points: tuple[int, int]) -> Spec:
    """Convex; its corners clockwise as seen on the picture."""
    return ("polygon", points)


def line(x0: int, y0: int, x1: int, y1: int, width: int) -> Spec:
    """With round ends."""
    return ("line", x0, y0, x1, y1, width)


def dome(rx: int, ry: int) -> Spec:
    """The upper half of an ellipse, standing on its place."""
    return ("dome", rx, ry)


def cone(half: int, height: int) -> Spec:
    """Standing on its place, with a round foot."""
    return ("cone", half, height)


def drum(half: int, height: int) -> Spec:
    """A cylinder standing on its place."""
    return ("drum", half, height)


@lru_cache(maxsize=4096)
def stamp(spec: Spec, shading: Shading, light: int, soft: int = 0) -> Stamp:
    """A shape lit from the left (``light`` -1) or the right (1), its edge blurred by ``soft``."""
    name, *numbers = spec
    left, top, right, bottom = (
        _polygon_box(numbers[0]) if name == "polygon" else _BOXES[str(name)](*numbers)
    )
    margin = 3 * soft + 1
    left, top, right, bottom = left - margin, top - margin, right + margin, bottom + margin
    # Twice the middles of the fine pixels, in fine pixels: whole numbers.
    x = 2 * np.arange(left * FINE, right * FINE, dtype=np.int64)[None, :] + 1
    y = 2 * np.arange(top * FINE, bottom * FINE, dtype=np.int64)[:, None] + 1
    covered = np.broadcast_to(_INSIDE[str(name)](x, y, *numbers), (y.size, x.size))
    alpha = _reduced(covered.astype(np.int64) * 255)
    for _ in range(3 if soft else 0):
        alpha = _blurred(_blurred(alpha, soft).T, soft).T
    half = ((right - left - 2 * margin) * FINE, (bottom - top - 2 * margin) * FINE)
    u = (x - (left + right) * FINE) * 256 // max(half[0], 1)
    v = (y - (top + bottom) * FINE) * 256 // max(half[1], 1)
    shade = _SHADINGS[str(shading[0])](u, v, light, *shading[1:])
    level = _reduced(np.broadcast_to(np.clip(shade, 0, 255), (y.size, x.size)))
    return Stamp(_image(alpha), _image(level), left, top)


def _image(levels: Grid) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(levels).astype(np.uint8))


def _reduced(fine: Grid) -> Grid:
    height, width = fine.shape
    blocks = fine.reshape(height // FINE, FINE, width // FINE, FINE).sum(axis=(1, 3))
    reduced: Grid = (blocks + FINE * FINE // 2) // (FINE * FINE)
    return reduced


def _blurred(levels: Grid, radius: int) -> Grid:
    """The mean of ``2 radius + 1`` neighbours along the rows."""
    padded = np.pad(levels, ((0, 0), (radius + 1, radius)), mode="edge").cumsum(axis=1)
    span = 2 * radius + 1
    blurred: Grid = (padded[:, span:] - padded[:, :-span] + span // 2) // span
    return blurred


# Shapes ---------------------------------------------------------------------------------------

_Inside = Callable[..., NDArray[np.bool_]]
_TWICE = 2 * FINE  # the grid's steps in a pixel


def _in_ellipse(x: Grid, y: Grid, rx: int, ry: int) -> NDArray[np.bool_]:
    return _round(x, y, rx * _TWICE, ry * _TWICE)


def _in_dome(x: Grid, y: Grid, rx: int, ry: int) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = _in_ellipse(x, y, rx, ry) & (y <= 0)
    return inside


def _in_box(x: Grid, y: Grid, width: int, height: int, radius: int) -> NDArray[np.bool_]:
    radius *= _TWICE
    over_x = np.maximum(np.abs(x) - width * FINE + radius, 0)
    over_y = np.maximum(np.abs(y) - height * FINE + radius, 0)
    inside: NDArray[np.bool_] = over_x**2 + over_y**2 <= max(radius, 1) ** 2 - (not radius)
    return inside


def _in_polygon(x: Grid, y: Grid, points: tuple[tuple[int, int], ...]) -> NDArray[np.bool_]:
    inside = np.ones((y.size, x.size), bool)
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        inside &= (x1 - x0) * (y - y0 * _TWICE) - (y1 - y0) * (x - x0 * _TWICE) >= 0
    return inside


def _in_line(x: Grid, y: Grid, x0: int, y0: int, x1: int, y1: int, width: int) -> NDArray[np.bool_]:
    radius = width * FINE
    dx, dy = (x1 - x0) * _TWICE, (y1 - y0) * _TWICE
    px, py = x - x0 * _TWICE, y - y0 * _TWICE
    length = dx * dx + dy * dy
    along = px * dx + py * dy
    beside = (along >= 0) & (along <= length) & ((px * dy - py * dx) ** 2 <= radius**2 * length)
    ends = (px**2 + py**2 <= radius**2) | ((px - dx) ** 2 + (py - dy) ** 2 <= radius**2)
    inside: NDArray[np.bool_] = beside | ends
    return inside


def _in_cone(x: Grid, y: Grid, half: int, height: int) -> NDArray[np.bool_]:
    half, height = half * _TWICE, height * _TWICE
    foot = half // 4
    sides = (np.abs(x) * (height - foot) <= (y + height) * half) & (y <= -foot)
    inside: NDArray[np.bool_] = sides | _round(x, y + foot, half, foot)
    return inside


def _in_drum(x: Grid, y: Grid, half: int, height: int) -> NDArray[np.bool_]:
    half, height = half * _TWICE, height * _TWICE
    foot = half // 4
    body = (np.abs(x) <= half) & (y <= -foot) & (y >= foot - height)
    inside: NDArray[np.bool_] = (
        body | _round(x, y + foot, half, foot) | _round(x, y + height - foot, half, foot)
    )
    return inside


def _round(x: Grid, y: Grid, rx: int, ry: int) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (x * ry) ** 2 + (y * rx) ** 2 <= (rx * ry) ** 2
    return inside


def _polygon_box(points: object) -> tuple[int, int, int, int]:
    assert isinstance(points, tuple)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


_INSIDE: dict[str, _Inside] = {
    "ellipse": _in_ellipse,
    "dome": _in_dome,
    "box": _in_box,
    "polygon": _in_polygon,
    "line": _in_line,
    "cone": _in_cone,
    "drum": _in_drum,
}
_BOXES: dict[str, Callable[..., tuple[int, int, int, int]]] = {
    "ellipse": lambda rx, ry: (-rx, -ry, rx, ry),
    "dome": lambda rx, ry: (-rx, -ry, rx, 0),
    "box": lambda w, h, radius: (-(w + 1) // 2, -(h + 1) // 2, (w + 1) // 2, (h + 1) // 2),
    "line": lambda x0, y0, x1, y1, width: (
        min(x0, x1) - width, min(y0, y1) - width, max(x0, x1) + width, max(y0, y1) + width,
    ),
    "cone": lambda half, height: (-half, -height, half, 0),
    "drum": lambda half, height: (-half, -height, half, 0),
}  # fmt: skip


# Light: u and v go from -256 to 256 over the shape's box. ------------------------------------


def _ball(u: Grid, v: Grid, light: int) -> Grid:
    distance = ((u - light * 92) ** 2 + (v + 112) ** 2) >> 8
    gloss = np.maximum(26 - (((u - light * 104) ** 2 + (v + 124) ** 2) >> 7), 0)
    # What the ground throws back at the far side.
    bounce = np.maximum(v - 150, 0) >> 2
    levels: Grid = 206 - (distance * 80 >> 8) + 4 * gloss + bounce
    return levels


def _tube(u: Grid, v: Grid, light: int, level: int = 176) -> Grid:
    levels: Grid = level - (((u - light * 100) ** 2 >> 8) * 62 >> 8) - ((v + 256) >> 5)
    return levels


def _cone(u: Grid, v: Grid, light: int) -> Grid:
    return _tube(u * 512 // np.maximum(v + 300, 60), v, light)


def _down(u: Grid, v: Grid, light: int, top: int, bottom: int) -> Grid:
    levels: Grid = top + (bottom - top) * (v + 256) // 512
    return levels


def _across(u: Grid, v: Grid, light: int, lit: int, other: int) -> Grid:
    levels: Grid = other + (lit - other) * (light * u + 256) // 512
    return levels


_SHADINGS: dict[str, Callable[..., Grid]] = {
    "ball": _ball,
    "tube": _tube,
    "cone": _cone,
    "down": _down,
    "across": _across,
}

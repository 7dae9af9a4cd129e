"""Shapes as lists of points, paints, and the canvas they meet on; lengths are image pixels.

Every shape is a closed polygon, so that moving, turning and mirroring (for shadows and reflections)
are plain arithmetic. The canvas is drawn larger than the image and reduced once, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter

Point = tuple[float, float]
Shape = list[Point]

#: How many times larger than the image the canvas is drawn, in each direction.
OVERSAMPLING = 3
# A ramp from 0 to 255 with flat ends, so that a paint goes on evenly outside its shape.
_RAMP = Image.new("L", (1, 768), 255)
_RAMP.putdata([0] * 256 + list(range(256)) + [255] * 256)
# The same around a centre: 255 at the edges' middles and beyond.
_DISC = Image.new("L", (256, 256))
_DISC.putdata(
    [min(round(2 * math.hypot(x - 127.5, y - 127.5)), 255) for y in range(256) for x in range(256)]
)


def rectangle(x0: float, y0: float, x1: float, y1: float, radius: float = 0) -> Shape:
    """The rectangle between two corners, its own corners rounded by ``radius``."""
    if not radius:
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    radius = min(radius, (x1 - x0) / 2, (y1 - y0) / 2)
    corners = [(x1 - radius, y0 + radius, -90), (x1 - radius, y1 - radius, 0)]
    corners += [(x0 + radius, y1 - radius, 90), (x0 + radius, y0 + radius, 180)]
    return [
        point
        for x, y, start in corners
        for point in ellipse(x, y, radius, radius, start, start + 90)
    ]


def ellipse(x: float, y: float, rx: float, ry: float, start: float = 0, end: float = 360) -> Shape:
    """The ellipse around (x, y), or its part between two angles (degrees, clockwise)."""
    steps = max(12, int(abs(end - start) / 3))
    angles = [math.radians(start + (end - start) * step / steps) for step in range(steps + 1)]
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


def curve(points: Sequence[Point], closed: bool = False) -> Shape:
    """A smooth line through the points (Catmull-Rom)."""
    count = len(points)
    line: Shape = []
    for index in range(count if closed else count - 1):
        p0, p1, p2, p3 = (
            points[(index + shift) % count if closed else min(max(index + shift, 0), count - 1)]
            for shift in (-1, 0, 1, 2)
        )
        for step in range(12):
            t = step / 12
            line.append(
                (
                    _catmull_rom(p0[0], p1[0], p2[0], p3[0], t),
                    _catmull_rom(p0[1], p1[1], p2[1], p3[1], t),
                )
            )
    return line if closed else [*line, points[-1]]


def _catmull_rom(a: float, b: float, c: float, d: float, t: float) -> float:
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def stroke(points: Sequence[Point], width: float, end_width: float | None = None) -> Shape:
    """The outline of a line with round ends that narrows from ``width`` to ``end_width``."""
    last = len(points) - 1
    widths = [
        width + ((end_width if end_width is not None else width) - width) * index / last
        for index in range(last + 1)
    ]
    left: Shape = []
    right: Shape = []
    heading = 0.0
    for index, (x, y) in enumerate(points):
        before, after = points[max(index - 1, 0)], points[min(index + 1, last)]
        heading = math.atan2(after[1] - before[1], after[0] - before[0])
        dx, dy = -math.sin(heading) * widths[index] / 2, math.cos(heading) * widths[index] / 2
        left.append((x + dx, y + dy))
        right.append((x - dx, y - dy))
    start = math.degrees(math.atan2(points[1][1] - points[0][1], points[1][0] - points[0][0]))
    end = math.degrees(heading)
    head = ellipse(*points[0], widths[0] / 2, widths[0] / 2, start + 270, start + 90)
    tail = ellipse(*points[-1], widths[-1] / 2, widths[-1] / 2, end + 90, end - 90)
    return head + left + tail + right[::-1]


def moved(shape: Sequence[Point], dx: float, dy: float) -> Shape:
    return [(x + dx, y + dy) for x, y in shape]


def turned(shape: Sequence[Point], degrees: float, x: float, y: float) -> Shape:
    """The shape turned clockwise about (x, y)."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return [
        (x + (px - x) * cosine - (py - y) * sine, y + (px - x) * sine + (py - y) * cosine)
        for px, py in shape
    ]


def mirrored(shape: Sequence[Point], y: float, squeeze: float = 1) -> Shape:
    """The shape reflected in the horizontal line at ``y``, its heights times ``squeeze``."""
    return [(px, y + (y - py) * squeeze) for px, py in shape]


def mix(first: str, second: str, share: float) -> str:
    """The colour ``share`` (0 to 1) of the way from the first to the second."""
    a, b = ImageColor.getrgb(first), ImageColor.getrgb(second)
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in zip(a, b, strict=True))


def lighter(colour: str, share: float = 0.25) -> str:
    return mix(colour, "#fffdf4", share)


def darker(colour: str, share: float = 0.25) -> str:
    return mix(colour, "#10102c", share)


@dataclass(frozen=True)
class Linear:
    """Colours (``#rrggbb`` or ``#rrggbbaa``) along ``angle``: 0 to the right, 90 downwards."""

    colours: tuple[str, ...]
    angle: float = 90

    def ramp(self, shape: Box, area: Box) -> Image.Image:
        dx, dy = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        corners = [x * dx + y * dy for x in shape[::2] for y in shape[1::2]]
        low, high = min(corners), max(corners)
        scale = 256 / max(high - low, 1e-6)
        offset = (area[0] * dx + area[1] * dy - low) * scale + 256
        # The ramp's flat ends are as long as the ramp: enough for any blur's margin in use.
        size = (area[2] - area[0], area[3] - area[1])
        matrix = (0, 0, 0.5, dx * scale, dy * scale, offset)
        return _RAMP.transform(size, Image.Transform.AFFINE, matrix)


@dataclass(frozen=True)
class Radial:
    """Colours from (x, y), in shares of the shape's box, outwards to ``reach`` half boxes."""

    colours: tuple[str, ...]
    x: float = 0.5
    y: float = 0.5
    reach: float = 1

    def ramp(self, shape: Box, area: Box) -> Image.Image:
        width, height = shape[2] - shape[0], shape[3] - shape[1]
        scale_x = 256 / max(width * self.reach, 1e-6)
        scale_y = 256 / max(height * self.reach, 1e-6)
        offset_x = (area[0] - shape[0] - self.x * width) * scale_x + 128
        offset_y = (area[1] - shape[1] - self.y * height) * scale_y + 128
        return _DISC.transform(
            (area[2] - area[0], area[3] - area[1]),
            Image.Transform.AFFINE,
            (scale_x, 0, offset_x, 0, scale_y, offset_y),
            Image.Resampling.BILINEAR,
            fillcolor=255,
        )


Box = tuple[int, int, int, int]
Paint = str | Linear | Radial


class Canvas:
    """An image being drawn, ``width`` by ``height`` pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        size = (width * OVERSAMPLING, height * OVERSAMPLING)
        self._image = Image.new("RGB", size, "white")

    def fill(
        self,
        shape: Sequence[Point],
        paint: Paint,
        blur: float = 0,
        within: Sequence[Point] | None = None,
    ) -> None:
        """Paint a shape, its edge softened by ``blur`` pixels, where it lies ``within`` another."""
        box = _box(shape, 0)
        left, top, right, bottom = _box(shape, 3 * blur)
        area = (
            max(left, 0),
            max(top, 0),
            min(right, self._image.width),
            min(bottom, self._image.height),
        )
        if area[0] >= area[2] or area[1] >= area[3]:
            return
        mask = _mask(shape, area)
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(blur * OVERSAMPLING))
        if within is not None:
            mask = ImageChops.multiply(mask, _mask(within, area))
        if isinstance(paint, str):
            *colour, alpha = _rgba(paint)
            mask = mask.point([round(value * alpha / 255) for value in range(256)])
            self._image.paste(tuple(colour), area, mask)
            return
        red, green, blue, opacity = _coloured(paint.ramp(box, area), paint.colours)
        mask = ImageChops.multiply(mask, opacity)
        self._image.paste(Image.merge("RGB", (red, green, blue)), area, mask)

    def line(self, points: Sequence[Point], width: float, paint: Paint) -> None:
        self.fill(stroke(points, width), paint)

    def backdrop(self, paint: Paint, top: float = 0, bottom: float | None = None) -> None:
        """Paint the full width between two heights."""
        self.fill(rectangle(0, top, self.width, self.height if bottom is None else bottom), paint)

    def finished(self) -> Image.Image:
        """The image in its own size, mode RGB."""
        return self._image.reduce(OVERSAMPLING)


def _box(shape: Sequence[Point], margin: float) -> Box:
    xs, ys = [x for x, _ in shape], [y for _, y in shape]
    return (
        math.floor((min(xs) - margin) * OVERSAMPLING),
        math.floor((min(ys) - margin) * OVERSAMPLING),
        math.ceil((max(xs) + margin) * OVERSAMPLING) + 1,
        math.ceil((max(ys) + margin) * OVERSAMPLING) + 1,
    )


def _mask(shape: Sequence[Point], area: Box) -> Image.Image:
    mask = Image.new("L", (area[2] - area[0], area[3] - area[1]))
    points = [(x * OVERSAMPLING - area[0], y * OVERSAMPLING - area[1]) for x, y in shape]
    ImageDraw.Draw(mask).polygon(points, fill=255)
    return mask


def _rgba(colour: str) -> tuple[int, int, int, int]:
    red, green, blue, *alpha = ImageColor.getrgb(colour)
    return red, green, blue, alpha[0] if alpha else 255


def _coloured(ramp: Image.Image, colours: Sequence[str]) -> list[Image.Image]:
    """The ramp's 0 to 255 as red, green, blue and alpha of evenly spaced colours."""
    stops = [_rgba(colour) for colour in colours]
    tables: list[list[int]] = [[], [], [], []]
    for value in range(256):
        place = value / 255 * (len(stops) - 1)
        index = min(int(place), len(stops) - 2)
        for table, low, high in zip(tables, stops[index], stops[index + 1], strict=True):
            table.append(round(low + (high - low) * (place - index)))
    return [ramp.point(table) for table in tables]

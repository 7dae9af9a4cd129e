"""Things that several scenes show: solids, furniture of a table scene, trees, shadows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from demo.scenes.canvas import (
    Canvas,
    Linear,
    Paint,
    Point,
    Radial,
    curve,
    darker,
    ellipse,
    lighter,
    mix,
    rectangle,
    stroke,
)


def contact_shadow(
    canvas: Canvas, x: float, y: float, rx: float, ry: float, strength: str = "70"
) -> None:
    """The soft dark patch where a thing stands; ``strength`` is its alpha, two hex digits."""
    canvas.fill(ellipse(x, y, rx, ry), "#15142a" + strength, blur=max(ry * 0.5, 1.5))


def sphere(canvas: Canvas, x: float, y: float, radius: float, colour: str) -> None:
    """A ball lit from the upper left."""
    colours = (lighter(colour, 0.55), lighter(colour, 0.1), colour, darker(colour, 0.55))
    canvas.fill(ellipse(x, y, radius, radius), Radial(colours, 0.33, 0.28, 1.5))
    shine = ellipse(x - radius * 0.38, y - radius * 0.46, radius * 0.2, radius * 0.13)
    canvas.fill(shine, "#ffffffb0", blur=radius * 0.05)


def block(
    canvas: Canvas, x: float, y: float, width: float, height: float, depth: float, colour: str
) -> None:
    """A box seen from the front and a little from the upper right; (x, y) is its front's corner."""
    lift = depth * 0.55
    right, bottom = x + width, y + height
    front = Linear((lighter(colour, 0.14), darker(colour, 0.12)))
    top = [(x, y), (x + depth, y - lift), (right + depth, y - lift), (right, y)]
    side = [(right, y), (right + depth, y - lift), (right + depth, bottom - lift), (right, bottom)]
    canvas.fill(rectangle(x, y, right, bottom), front)
    canvas.fill(top, Linear((lighter(colour, 0.5), lighter(colour, 0.3))))
    canvas.fill(side, Linear((darker(colour, 0.3), darker(colour, 0.5))))
    canvas.line([(x + 1, y), (right - 1, y)], 1, lighter(colour, 0.55))


def round_paint(colour: str) -> Linear:
    """The paint of an upright cylinder lit from the left."""
    return Linear(
        (
            darker(colour, 0.18),
            lighter(colour, 0.3),
            colour,
            darker(colour, 0.3),
            darker(colour, 0.4),
        ),
        angle=0,
    )


def cylinder(
    canvas: Canvas, x: float, top: float, bottom: float, rx: float, ry: float, colour: str
) -> None:
    """An upright cylinder with its lid."""
    body = ellipse(x, bottom, rx, ry, 0, 180) + ellipse(x, top, rx, ry, 180, 360)
    canvas.fill(body, round_paint(colour))
    canvas.fill(ellipse(x, top, rx, ry), Linear((lighter(colour, 0.45), lighter(colour, 0.2))))


def table_scene(canvas: Canvas, edge: float, wall: str, wood: str, seed: int = 1) -> None:
    """A wall, and from the height ``edge`` down a wooden table top with its grain."""
    canvas.backdrop(Linear((darker(wall, 0.12), lighter(wall, 0.15))), bottom=edge + 1)
    glow = ellipse(canvas.width * 0.25, edge * 0.3, canvas.width * 0.5, edge * 0.7)
    canvas.fill(glow, Radial((lighter(wall, 0.6) + "b0", lighter(wall, 0.5) + "00")))
    top = rectangle(0, edge, canvas.width, canvas.height)
    canvas.fill(top, Linear((lighter(wood, 0.22), wood, darker(wood, 0.15))))
    random = Random(seed)
    depth = canvas.height - edge
    for number in range(16):
        y = edge + depth * (number + random.random()) / 16
        wave = [
            (x, y + random.uniform(-0.03, 0.03) * depth) for x in range(-40, canvas.width + 90, 64)
        ]
        canvas.line(curve(wave), 0.8 + 1.4 * (y - edge) / depth, darker(wood, 0.3) + "38")
    canvas.fill(rectangle(0, edge - 2, canvas.width, edge + 3), darker(wood, 0.4) + "60", blur=2)


def sky(canvas: Canvas, horizon: float, top: str = "#4f9fe0", low: str = "#d8eefa") -> None:
    canvas.backdrop(Linear((top, low)), bottom=horizon + 1)


def cloud(canvas: Canvas, x: float, y: float, size: float) -> None:
    for dx, dy, share in [(-0.9, 0.1, 0.5), (-0.3, -0.2, 0.75), (0.4, -0.1, 0.65), (1, 0.12, 0.45)]:
        puff = ellipse(x + dx * size, y + dy * size, size * share, size * share * 0.62)
        canvas.fill(puff, Linear(("#ffffffe8", "#e3ecf5c8")), blur=size * 0.05)


def sun(canvas: Canvas, x: float, y: float, radius: float) -> None:
    halo = ellipse(x, y, radius * 4, radius * 4)
    canvas.fill(halo, Radial(("#fff6c8d0", "#fff3b840", "#fff3b800")))
    canvas.fill(ellipse(x, y, radius, radius), Radial(("#fffef0", "#ffe98a")))


def tree(
    canvas: Canvas, x: float, y: float, height: float, leaves: str = "#4f9a45", seed: int = 1
) -> None:
    """A leafy tree that stands at (x, y), lit from the upper left."""
    trunk = stroke([(x, y), (x + height * 0.01, y - height * 0.55)], height * 0.09, height * 0.05)
    canvas.fill(trunk, Linear(("#8a6442", "#54381f"), angle=0))
    random = Random(seed)
    clumps = []
    for _ in range(24 + int(height / 5)):
        angle, reach = random.uniform(0, 2 * math.pi), math.sqrt(random.random())
        clumps.append((0.26 * reach * math.cos(angle), -0.67 + 0.22 * reach * math.sin(angle)))
    for dx, dy in sorted(clumps, key=lambda clump: -clump[1]):
        # Clumps that are high and to the left catch the light.
        light = min(max((-dy - 0.5) * 1.5 - dx * 0.9 + 0.1, 0), 1)
        colour = mix(mix(leaves, "#12381c", 0.5), mix(leaves, "#e4ee7c", 0.3), light)
        radius = height * random.uniform(0.08, 0.13)
        clump = ellipse(x + dx * height, y + dy * height, radius, radius * 0.88)
        canvas.fill(
            clump, Radial((lighter(colour, 0.18), colour, darker(colour, 0.16)), 0.35, 0.3, 1.5)
        )


def conifer(canvas: Canvas, x: float, y: float, height: float, colour: str = "#2f6b4a") -> None:
    """A spruce that stands at (x, y)."""
    canvas.fill(rectangle(x - height * 0.03, y - height * 0.12, x + height * 0.03, y), "#5b4028")
    for tier in range(4):
        low = y - height * (0.08 + 0.21 * tier)
        half, rise = height * (0.24 - 0.047 * tier), height * 0.36
        branch = [(x, low - rise), (x + half, low), (x, low + half * 0.22), (x - half, low)]
        paint = Linear((lighter(colour, 0.22), colour, darker(colour, 0.45)), angle=10)
        canvas.fill(branch, paint)


def mug(canvas: Canvas, x: float, y: float, size: float, colour: str) -> None:
    """A mug that stands at (x, y) with its handle to the right."""
    half, top = size * 0.42, y - size
    contact_shadow(canvas, x + size * 0.14, y + size * 0.04, size * 0.6, size * 0.12)
    handle = curve(
        [
            (x + half * 0.9, top + size * 0.24),
            (x + half * 1.65, top + size * 0.3),
            (x + half * 1.6, top + size * 0.66),
            (x + half * 0.9, top + size * 0.78),
        ]
    )
    canvas.fill(stroke(handle, size * 0.11), Linear((lighter(colour, 0.1), darker(colour, 0.3))))
    body = ellipse(x, y - size * 0.05, half * 0.92, size * 0.1, 0, 180)
    body += ellipse(x, top, half, size * 0.11, 180, 360)
    canvas.fill(body, round_paint(colour))
    canvas.fill(ellipse(x, top, half, size * 0.11), lighter(colour, 0.45))
    canvas.fill(
        ellipse(x, top + 1, half * 0.88, size * 0.085),
        Linear((darker(colour, 0.5), darker(colour, 0.2))),
    )


def glass_pane(canvas: Canvas, shape: Sequence[Point], tint: str = "#cfe6ef") -> None:
    """A sheet of clear glass over what is already drawn."""
    canvas.fill(shape, Linear((tint + "50", "#ffffff18", tint + "40"), angle=20))


def ground_shadow(canvas: Canvas, shape: Sequence[Point], paint: Paint = "#10142a58") -> None:
    """A cast shadow with a slightly soft edge."""
    canvas.fill(shape, paint, blur=1.6)

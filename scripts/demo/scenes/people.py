"""Simple figures of people, facing the viewer; ``height`` is a standing person's height."""

from __future__ import annotations

from dataclasses import dataclass

from demo.scenes.canvas import (
    Canvas,
    Linear,
    Point,
    Radial,
    curve,
    darker,
    ellipse,
    lighter,
    rectangle,
    stroke,
)
from demo.scenes.props import contact_shadow, round_paint


@dataclass(frozen=True)
class Look:
    """Colours and features of a person; ``dress`` wears the shirt's colour down to the knees."""

    skin: str
    hair: str
    shirt: str
    trousers: str = "#3c4761"
    long_hair: bool = False
    glasses: bool = False
    beard: bool = False
    dress: bool = False
    smile: float = 1.0


def head(canvas: Canvas, x: float, y: float, size: float, look: Look) -> None:
    """A head of height ``size`` whose chin is at (x, y)."""
    rx, ry = size * 0.4, size * 0.5
    middle = y - ry
    if look.long_hair:
        back = curve(
            [
                (x, middle - ry * 1.12),
                (x + rx * 1.25, middle - ry * 0.3),
                (x + rx * 1.3, y + size * 0.2),
                (x, y + size * 0.12),
                (x - rx * 1.3, y + size * 0.2),
                (x - rx * 1.25, middle - ry * 0.3),
            ],
            closed=True,
        )
        canvas.fill(back, Linear((look.hair, darker(look.hair, 0.3))))
    neck = rectangle(x - rx * 0.36, y - ry * 0.3, x + rx * 0.36, y + size * 0.2)
    canvas.fill(neck, darker(look.skin, 0.16))
    for side in (-1, 1):
        canvas.fill(
            ellipse(x + side * rx * 0.98, middle + ry * 0.1, rx * 0.16, ry * 0.2),
            darker(look.skin, 0.08),
        )
    face = ellipse(x, middle, rx, ry)
    canvas.fill(
        face, Radial((lighter(look.skin, 0.22), look.skin, darker(look.skin, 0.2)), 0.36, 0.36, 1.5)
    )
    if look.beard:
        beard = [
            *ellipse(x, middle + ry * 0.1, rx * 1.0, ry * 0.98, 0, 180),
            (x - rx * 0.55, middle + ry * 0.3),
            (x, middle + ry * 0.36),
            (x + rx * 0.55, middle + ry * 0.3),
        ]
        canvas.fill(beard, Linear((look.hair, darker(look.hair, 0.15))))
    fringe = ellipse(x, middle - ry * 0.02, rx * 1.06, ry * 1.1, 176, 364) + curve(
        [
            (x + rx * 0.9, middle - ry * 0.25),
            (x + rx * 0.2, middle - ry * 0.55),
            (x - rx * 0.9, middle - ry * 0.3),
        ]
    )
    canvas.fill(
        fringe, Linear((lighter(look.hair, 0.16), look.hair, darker(look.hair, 0.2)), angle=60)
    )
    for side in (-1, 1):
        eye = x + side * rx * 0.4
        canvas.fill(ellipse(eye, middle + ry * 0.1, size * 0.034, size * 0.046), "#221d22")
        brow = [(eye - rx * 0.17, middle - ry * 0.12), (eye + rx * 0.17, middle - ry * 0.12)]
        canvas.line(brow, size * 0.025, darker(look.hair, 0.2) + "b0")
        canvas.fill(
            ellipse(x + side * rx * 0.55, middle + ry * 0.38, rx * 0.2, ry * 0.12),
            "#e0605030",
            blur=1,
        )
        if look.glasses:
            rim = ellipse(eye, middle + ry * 0.1, rx * 0.3, ry * 0.22)
            canvas.line([*rim, rim[0]], size * 0.022, "#3a3a44")
    if look.glasses:
        canvas.line(
            [(x - rx * 0.1, middle + ry * 0.08), (x + rx * 0.1, middle + ry * 0.08)],
            size * 0.022,
            "#3a3a44",
        )
    canvas.line(
        [(x, middle + ry * 0.18), (x + rx * 0.07, middle + ry * 0.36)],
        size * 0.02,
        darker(look.skin, 0.3),
    )
    lift = ry * 0.1 * look.smile
    mouth = curve(
        [
            (x - rx * 0.28, middle + ry * 0.58),
            (x, middle + ry * 0.58 + lift),
            (x + rx * 0.28, middle + ry * 0.58),
        ]
    )
    canvas.line(mouth, size * 0.028, "#8f3d3a")


def arm(
    canvas: Canvas, shoulder: Point, elbow: Point, hand: Point, width: float, look: Look
) -> None:
    """A sleeved arm with its hand."""
    sleeve = stroke(curve([shoulder, elbow, hand]), width, width * 0.78)
    canvas.fill(
        ellipse(*hand, width * 0.5, width * 0.5),
        Radial((lighter(look.skin, 0.15), darker(look.skin, 0.12))),
    )
    reach = 0.86
    cuff = (elbow[0] + (hand[0] - elbow[0]) * reach, elbow[1] + (hand[1] - elbow[1]) * reach)
    sleeve = stroke(curve([shoulder, elbow, cuff]), width, width * 0.78)
    canvas.fill(sleeve, Linear((lighter(look.shirt, 0.08), darker(look.shirt, 0.26)), angle=30))


def torso(canvas: Canvas, x: float, top: float, bottom: float, half: float, look: Look) -> None:
    """The upper body from the shoulders at ``top`` to the hips at ``bottom``."""
    rise = bottom - top
    body = curve(
        [
            (x - half * 0.35, top),
            (x + half * 0.35, top),
            (x + half * 0.95, top + rise * 0.14),
            (x + half * 0.86, top + rise * 0.55),
            (x + half * 0.84, bottom),
            (x - half * 0.84, bottom),
            (x - half * 0.86, top + rise * 0.55),
            (x - half * 0.95, top + rise * 0.14),
        ],
        closed=True,
    )
    canvas.fill(body, round_paint(look.shirt))
    collar = ellipse(x, top + rise * 0.005, half * 0.34, rise * 0.09, 0, 180)
    canvas.fill(collar, darker(look.skin, 0.06))


def standing(
    canvas: Canvas,
    x: float,
    y: float,
    height: float,
    look: Look,
    left: Point | None = None,
    right: Point | None = None,
) -> None:
    """A person whose feet are at (x, y); ``left`` and ``right`` are hands, as the viewer sees them.

    A hand that is not given hangs down.
    """
    unit = height / 6.2
    shoulder, hip = y - unit * 5.0, y - unit * 2.75
    half, width = unit * 0.78, unit * 0.42
    contact_shadow(canvas, x + unit * 0.25, y, unit * 1.15, unit * 0.2, "80")
    for side in (-1, 1):
        leg = stroke(
            [(x + side * half * 0.45, hip), (x + side * half * 0.5, y - unit * 0.2)],
            unit * 0.62,
            unit * 0.44,
        )
        canvas.fill(
            leg, Linear((lighter(look.trousers, 0.12), darker(look.trousers, 0.25)), angle=0)
        )
        shoe = ellipse(x + side * half * 0.56, y - unit * 0.1, unit * 0.32, unit * 0.17)
        canvas.fill(shoe, Linear(("#4a4248", "#221d24")))
    torso(canvas, x, shoulder, hip + unit * 0.1, half, look)
    if look.dress:
        waist = hip - unit * 0.6
        skirt = [
            (x - half * 0.85, waist),
            (x + half * 0.85, waist),
            (x + half * 1.35, hip + unit * 1.45),
        ]
        hem = curve([skirt[2], (x, hip + unit * 1.58), (x - half * 1.35, hip + unit * 1.45)])
        canvas.fill(skirt + hem, round_paint(look.shirt))
        belt = rectangle(x - half * 0.87, waist - unit * 0.06, x + half * 0.87, waist + unit * 0.1)
        canvas.fill(belt, darker(look.shirt, 0.35))
    head(canvas, x, y - unit * 5.12, unit * 1.12, look)
    for side, hand in ((-1, left), (1, right)):
        start = (x + side * half * 0.88, shoulder + unit * 0.42)
        resting = (x + side * half * 1.2, hip + unit * 0.25)
        target = hand or resting
        bend = (
            (start[0] + target[0]) / 2 + side * unit * 0.18,
            (start[1] + target[1]) / 2 + unit * (0.1 if hand is None else 0.3),
        )
        arm(canvas, start, bend, target, width, look)


def seated(
    canvas: Canvas,
    x: float,
    seat: float,
    floor: float,
    height: float,
    look: Look,
    left: Point | None = None,
    right: Point | None = None,
) -> None:
    """A person on a seat at height ``seat`` whose feet are on the floor; hands as in `standing`."""
    unit = height / 6.2
    shoulder, half = seat - unit * 2.3, unit * 0.78
    torso(canvas, x, shoulder, seat + unit * 0.1, half, look)
    head(canvas, x, shoulder - unit * 0.12, unit * 1.12, look)
    for side in (-1, 1):
        knee = (x + side * half * 0.62, seat + unit * 0.3)
        thigh = stroke([(x + side * half * 0.45, seat - unit * 0.1), knee], unit * 0.66, unit * 0.6)
        shin = stroke([knee, (knee[0], floor - unit * 0.25)], unit * 0.54, unit * 0.42)
        canvas.fill(shin, Linear((look.trousers, darker(look.trousers, 0.35))))
        canvas.fill(thigh, Radial((lighter(look.trousers, 0.22), look.trousers)))
        canvas.fill(
            ellipse(knee[0], floor - unit * 0.12, unit * 0.32, unit * 0.18),
            Linear(("#4a4248", "#221d24")),
        )
    for side, hand in ((-1, left), (1, right)):
        start = (x + side * half * 0.88, shoulder + unit * 0.42)
        target = hand or (x + side * half * 0.45, seat - unit * 0.02)
        bend = (
            (start[0] + target[0]) / 2 + side * unit * 0.24,
            (start[1] + target[1]) / 2 + unit * 0.2,
        )
        arm(canvas, start, bend, target, unit * 0.42, look)

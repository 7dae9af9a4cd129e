"""Scenes with people, in which something considerate or fitting is missing."""

from __future__ import annotations

from random import Random

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
from demo.scenes.people import Look, arm, head, seated, standing, torso
from demo.scenes.props import contact_shadow, glass_pane, ground_shadow, round_paint, sky, tree

_ELDER = Look("#e6bd9c", "#e8e6e2", "#7d6a8c", "#565862", glasses=True, smile=-0.3)


def bus_stop(canvas: Canvas) -> None:
    """A bus shelter: a young man and his bag take up the bench, an old woman with a cane stands."""
    sky(canvas, 250, "#86bde6", "#e6f1f6")
    for x0, x1, top, colour in [
        (0, 90, 96, "#c3b5a0"),
        (90, 190, 132, "#aebbc4"),
        (190, 330, 84, "#cbb9a4"),
        (330, 430, 124, "#b3a5a0"),
        (430, 520, 92, "#bcc4b4"),
    ]:
        canvas.fill(rectangle(x0, top, x1, 270), Linear((lighter(colour, 0.3), colour)))
        for x in range(int(x0) + 14, int(x1) - 20, 28):
            for y in range(int(top) + 16, 236, 34):
                canvas.fill(rectangle(x, y, x + 13, y + 19), Linear(("#7f9db4", "#b6cedd"), 60))
    canvas.backdrop(Linear(("#c9c2b6", "#aea698")), top=262, bottom=366)
    canvas.backdrop(Linear(("#6c6f76", "#585b62")), top=364)
    canvas.backdrop("#8f887c", top=360, bottom=366)
    contact_shadow(canvas, 190, 330, 176, 12, "50")
    glass_pane(canvas, rectangle(34, 92, 334, 310))
    canvas.line([(184, 96), (184, 310)], 3, "#5a6672")
    for x in (30, 330):
        canvas.fill(rectangle(x, 84, x + 8, 330), round_paint("#55616e"))
    canvas.fill([(10, 68), (362, 68), (376, 92), (0, 92)], Linear(("#5d8fb2", "#3c6a8c")))
    canvas.fill(rectangle(0, 90, 376, 97), "#2d5270")
    canvas.fill(rectangle(60, 264, 300, 275, 3), Linear(("#cf9a62", "#95662f")))
    for x in (78, 276):
        canvas.fill(rectangle(x, 275, x + 7, 326), round_paint("#55616e"))
    bag = Look("#000000", "#000000", "#c2643f")
    canvas.fill(rectangle(186, 214, 250, 266, 12), round_paint(bag.shirt))
    canvas.fill(
        rectangle(198, 232, 238, 258, 6), Linear((lighter(bag.shirt, 0.2), darker(bag.shirt, 0.2)))
    )
    canvas.line(curve([(206, 216), (208, 200), (228, 200), (230, 216)]), 5, darker(bag.shirt, 0.4))
    youth = Look("#d9a27a", "#2e211c", "#3f8f86", "#3c4a6b", smile=0.4)
    seated(canvas, 124, 262, 330, 204, youth, left=(116, 232), right=(136, 232))
    canvas.fill(rectangle(117, 214, 135, 240, 3), Linear(("#2a2d34", "#15171b")))
    standing(canvas, 398, 340, 198, _ELDER, right=(438, 262), left=(372, 268))
    canvas.fill(stroke([(440, 262), (444, 338)], 5, 4), Linear(("#7b5230", "#4a2f1a"), 0))
    canvas.fill(stroke(curve([(424, 256), (430, 250), (440, 254), (441, 266)]), 5), "#6b4526")
    canvas.fill(rectangle(356, 272, 386, 306, 5), Linear(("#9fae6a", "#71803f")))
    canvas.line(curve([(362, 274), (371, 258), (380, 274)]), 2.4, "#5c6a30")
    canvas.fill(rectangle(476, 70, 482, 344), round_paint("#55616e"))
    canvas.fill(rectangle(460, 44, 498, 84, 6), Linear(("#f2c64a", "#d89f24")))
    canvas.fill(rectangle(466, 54, 492, 70, 3), "#2b3a4a")
    for x in (468, 477, 486):
        canvas.fill(rectangle(x, 57, x + 6, 63, 1), "#d9ecf6")
    for x in (471, 487):
        canvas.fill(ellipse(x, 72, 3.4, 3.4), "#2b3a4a")


def entrance(canvas: Canvas) -> None:
    """A library whose only way in is three steps; a visitor in a wheelchair before them."""
    sky(canvas, 120, "#7bb6e6", "#e3f0f8")
    canvas.backdrop(Linear(("#dfd2bc", "#c9b898")), top=40, bottom=306)
    for y in range(60, 306, 22):
        canvas.line([(0, y), (512, y)], 0.9, "#a8957480")
    canvas.fill([(90, 46), (256, -26), (422, 46)], Linear(("#efe6d4", "#cdbd9f")))
    canvas.fill(rectangle(80, 40, 432, 58), Linear(("#f3ebdb", "#bfae8e")))
    for x in (24, 432):
        canvas.fill(rectangle(x, 104, x + 56, 206, 2), "#f1e8d6")
        canvas.fill(
            rectangle(x + 5, 109, x + 51, 201), Linear(("#5f7f98", "#b3cfe0", "#6d8da6"), 60)
        )
        canvas.line([(x + 28, 108), (x + 28, 202)], 3, "#f1e8d6")
    for x in (106, 172, 320, 386):
        canvas.fill(rectangle(x - 11, 62, x + 11, 238), round_paint("#eadfc9"))
        canvas.fill(rectangle(x - 15, 56, x + 15, 66), "#f3ebdb")
    canvas.fill(rectangle(202, 92, 294, 240), "#8d7a5c")
    for x0, x1 in ((208, 246), (250, 288)):
        canvas.fill(rectangle(x0, 98, x1, 240), Linear(("#7a4b2c", "#5a351d")))
        canvas.fill(rectangle(x0 + 6, 106, x1 - 6, 176), Linear(("#ffe9b0", "#e2b870")))
    for x in (242, 254):
        canvas.fill(rectangle(x - 1.5, 184, x + 1.5, 206), "#f1d27a")
    canvas.fill(rectangle(206, 70, 290, 88, 2), "#4a5a6a")
    for number in range(7):
        canvas.fill(rectangle(214 + number * 10.4, 75, 220 + number * 10.4, 83, 1), "#e8dcc0")
    canvas.backdrop(Linear(("#c9c2b4", "#a89f8f")), top=300)
    for step in range(3):
        top, half = 238 + step * 24, 184 + step * 18
        canvas.fill(rectangle(248 - half, top, 248 + half, top + 9), Linear(("#f6f0e2", "#e6dcc8")))
        canvas.fill(
            rectangle(248 - half, top + 9, 248 + half, top + 24), Linear(("#b8ab94", "#9a8d77"))
        )
    canvas.backdrop("#10142a28", top=310, bottom=316)
    walker = Look("#9a6544", "#231a18", "#4d7f5c", "#39445c")
    standing(canvas, 346, 262, 150, walker, left=(318, 206))
    _wheelchair_user(canvas, 160, 368)


def _wheelchair_user(canvas: Canvas, x: float, y: float) -> None:
    look = Look("#e3b08a", "#5a3822", "#c9553f", "#3d4c70", long_hair=True, smile=0.1)
    contact_shadow(canvas, x + 6, y, 62, 9, "90")
    canvas.fill(rectangle(x - 30, y - 104, x + 30, y - 46, 7), Linear(("#4a5260", "#2c323c")))
    torso(canvas, x, y - 126, y - 58, 25, look)
    head(canvas, x, y - 130, 36, look)
    for side in (-1, 1):
        knee = (x + side * 14, y - 52)
        canvas.fill(
            stroke([knee, (x + side * 13, y - 16)], 18, 14),
            Linear((look.trousers, darker(look.trousers, 0.35))),
        )
        canvas.fill(
            stroke([(x + side * 11, y - 62), knee], 21, 20),
            Radial((lighter(look.trousers, 0.22), look.trousers)),
        )
        canvas.fill(ellipse(x + side * 14, y - 11, 10, 6), "#2a2328")
    canvas.fill(rectangle(x - 26, y - 8, x + 26, y - 4, 2), "#5a6470")
    for side in (-1, 1):
        middle = x + side * 40
        tyre = ellipse(middle, y - 38, 10, 38)
        canvas.line([*tyre, tyre[0]], 5, "#23262c")
        rim = ellipse(middle, y - 38, 6, 32)
        canvas.line([*rim, rim[0]], 1.6, "#c3cbd3")
        canvas.fill(ellipse(middle, y - 38, 3, 4), "#aab3bc")
        arm(
            canvas,
            (x + side * 22, y - 113),
            (x + side * 36, y - 88),
            (x + side * 38, y - 68),
            13,
            look,
        )


def dinner(canvas: Canvas) -> None:
    """Four people at a table; three have a full plate, the fourth has nothing before her."""
    canvas.backdrop(Linear(("#d9b98f", "#ecd6b4")))
    canvas.fill(ellipse(256, 40, 300, 190), Radial(("#fff4d0d0", "#fff0c800")))
    canvas.fill(rectangle(254, -4, 258, 34), "#4a3a30")
    canvas.fill([(222, 66), (240, 32), (272, 32), (290, 66)], Linear(("#c9573f", "#a03c2a")))
    canvas.fill(ellipse(256, 66, 34, 6), "#fff6d8")
    looks = [
        Look("#e8b994", "#4a2d1e", "#4a7fa8", smile=1.4),
        Look("#8a5a3e", "#1f1815", "#d99a3c", beard=True, smile=1.4),
        Look("#d8a67e", "#251c1c", "#5c8f62", smile=1.4),
        Look("#f0c9a8", "#8a4f2a", "#a05f8c", long_hair=True, smile=-0.9),
    ]
    for x, look in zip((76, 196, 316, 436), looks, strict=True):
        canvas.fill(rectangle(x - 38, 126, x + 38, 280, 10), Linear(("#9a6a40", "#6b4526")))
        seated(canvas, x, 252, 330, 232, look, left=(x - 26, 250), right=(x + 26, 250))
    canvas.fill(
        [(-20, 248), (532, 248), (560, 346), (-48, 346)], Linear(("#fbf8f0", "#efe8da", "#ddd3c0"))
    )
    canvas.backdrop(Linear(("#d8cdb8", "#b8ab94")), top=344)
    for x in range(-10, 530, 34):
        canvas.fill(curve([(x, 344), (x + 9, 352), (x + 17, 344)]), "#a89a8060")
    for x in (76, 196, 316):
        _plate(canvas, x, 284)
        _glass_of_juice(canvas, x + 46, 274)
    contact_shadow(canvas, 262, 324, 40, 7, "50")
    canvas.fill(
        ellipse(256, 306, 40, 12, 180, 360) + ellipse(256, 306, 40, 22, 0, 180),
        round_paint("#5f8fa0"),
    )
    canvas.fill(ellipse(256, 304, 38, 10), Linear(("#6fae4c", "#4d8a35")))
    for dx, dy, colour in [
        (-20, -2, "#e0493c"),
        (-4, 2, "#f2c64a"),
        (10, -3, "#e0493c"),
        (22, 1, "#f6f2e2"),
        (-12, 4, "#f6f2e2"),
    ]:
        canvas.fill(ellipse(256 + dx, 303 + dy, 5, 3.6), colour)


def _plate(canvas: Canvas, x: float, y: float) -> None:
    contact_shadow(canvas, x + 3, y + 5, 40, 10, "48")
    canvas.fill(ellipse(x, y, 38, 13), Linear(("#ffffff", "#dfe3e4")))
    canvas.fill(ellipse(x, y, 27, 8.5), Linear(("#e2e6e8", "#f8f9f9")))
    canvas.fill(ellipse(x - 6, y - 4, 17, 8), Radial(("#f6dc92", "#dcae4a"), 0.4, 0.3, 1.3))
    canvas.fill(ellipse(x + 10, y - 2, 11, 6.5), Radial(("#b5623c", "#7d3a20"), 0.4, 0.3, 1.3))
    for dx, dy in [(14, 3), (4, 4), (20, 0)]:
        canvas.fill(ellipse(x + dx, y + dy, 4, 3), "#5f9c3f")


def _glass_of_juice(canvas: Canvas, x: float, y: float) -> None:
    canvas.fill(
        [(x - 8, y - 18), (x + 8, y - 18), (x + 7, y + 8), (x - 7, y + 8)],
        Linear(("#ffc35a", "#f09a2c"), 0),
    )
    canvas.fill(
        [(x - 9, y - 28), (x + 9, y - 28), (x + 7, y + 9), (x - 7, y + 9)],
        Linear(("#ffffff90", "#ffffff20", "#ffffff70"), 0),
    )
    canvas.line([*ellipse(x, y - 28, 9, 2.6)], 1.2, "#b9c6cc")


def memorial(canvas: Canvas) -> None:
    """Mourners in dark clothes before a portrait; one wears a party hat and holds a balloon."""
    canvas.backdrop(Linear(("#b9b6b4", "#d3cfc9")), bottom=342)
    canvas.backdrop(Linear(("#8a8078", "#6c635c")), top=340)
    for x in (20, 428):
        canvas.fill(
            rectangle(x, -4, x + 64, 344),
            Linear(("#8d8a92", "#b7b4ba", "#86838b", "#aeabb1", "#7d7a82"), 0),
        )
    canvas.fill(rectangle(204, 34, 308, 160, 2), Linear(("#2e2a2c", "#151315")))
    canvas.fill(rectangle(212, 42, 300, 152), Linear(("#c9cdd2", "#e4e6e8")))
    grey = Look("#cfcac6", "#f1f0ee", "#7b7b80", glasses=True)
    torso(canvas, 256, 122, 152, 30, grey)
    head(canvas, 256, 118, 50, grey)
    ribbon = [(272, 34), (308, 34), (308, 66)]
    canvas.fill(ribbon, "#131113")
    canvas.fill(rectangle(166, 178, 346, 330), Linear(("#f4f1ec", "#cfcac2")))
    canvas.fill(rectangle(156, 168, 356, 182, 2), Linear(("#ffffff", "#dedad3")))
    random = Random(23)
    for side in (-1, 1):
        for _ in range(16):
            flower = 256 + side * random.uniform(58, 94), random.uniform(136, 166)
            canvas.fill(ellipse(flower[0] - 3, flower[1] + 5, 7, 4), "#6d8a62")
            canvas.fill(ellipse(*flower, 7, 7), Radial(("#ffffff", "#f2efe4", "#cfcbbb")))
            canvas.fill(ellipse(*flower, 2.2, 2.2), "#e8d48a")
    mourners = [
        (62, 212, Look("#e2b592", "#3a2a22", "#26272e", "#202127", smile=-0.7)),
        (158, 200, Look("#c99a74", "#221b1b", "#2b2a33", "#1f2026", long_hair=True, smile=-0.7)),
        (370, 214, Look("#8d5c40", "#1d1715", "#23252c", "#1c1d22", beard=True, smile=-0.7)),
        (458, 198, Look("#ecc3a2", "#d8d5cf", "#2c2c35", "#22232a", glasses=True, smile=-0.7)),
    ]
    for x, height, look in mourners:
        unit = height / 6.2
        hands = (x, 424 - unit * 2.7)
        standing(
            canvas,
            x,
            424,
            height,
            look,
            left=(hands[0] - 4, hands[1]),
            right=(hands[0] + 4, hands[1]),
        )
    guest = Look("#dca982", "#5a3a24", "#26272e", "#202127", smile=-0.3)
    canvas.line(curve([(300, 344), (312, 292), (312, 250)]), 1.3, "#5a5a60")
    balloon = ellipse(312, 218, 24, 29)
    canvas.fill(balloon, Radial(("#ffd0e4", "#ff6fae", "#d93a86"), 0.35, 0.3, 1.4))
    canvas.fill([(312, 245), (317, 252), (307, 252)], "#c93a7c")
    standing(canvas, 260, 428, 196, guest, right=(300, 344))
    hat = [(260, 186), (282, 238), (238, 238)]
    canvas.fill(hat, Linear(("#ffe066", "#f59a2c"), 30))
    for band in (0.35, 0.65, 0.92):
        y = 186 + 52 * band
        canvas.line(
            [(260 - 22 * band, y), (260 + 22 * band, y - 3)],
            4,
            "#3fa7d6" if band != 0.65 else "#e04f8a",
        )
    canvas.fill(ellipse(260, 185, 7, 7), Radial(("#ffffff", "#ff6fae")))


def rain(canvas: Canvas) -> None:
    """Two people wait in heavy rain, one under a big umbrella, one without any cover."""
    canvas.backdrop(Linear(("#6f7f90", "#a9b6bf")), bottom=330)
    for x0, x1, top in [(-10, 90, 130), (90, 170, 90), (170, 270, 150), (270, 394, 106)]:
        canvas.fill(rectangle(x0, top, x1, 340), Linear(("#66737f", "#8b98a2")))
        for x in range(x0 + 12, x1 - 16, 26):
            for y in range(top + 16, 310, 34):
                lit = (x * 7 + y * 3) % 5 == 0
                canvas.fill(rectangle(x, y, x + 12, y + 18), "#f2d79a" if lit else "#55626e")
    canvas.backdrop(Linear(("#8d9aa600", "#a9b6bf78")), bottom=340)
    canvas.backdrop(Linear(("#7d858c", "#565d66", "#454b54")), top=336)
    tree(canvas, 20, 346, 150, "#5a7a58", 51)
    for x, y, rx in [(90, 470, 60), (300, 488, 70), (210, 398, 40), (350, 420, 34)]:
        canvas.fill(ellipse(x, y, rx, rx * 0.16), Linear(("#aebac4", "#7f8b96")))
        ring = ellipse(x + 6, y, rx * 0.4, rx * 0.07)
        canvas.line([*ring, ring[0]], 1.2, "#d5dfe6b0")
    dry = Look("#d7a47e", "#2c211e", "#3f6f9c", "#333c50", smile=0.6)
    wet = Look("#efc7a4", "#5a3520", "#c9a24a", "#4a5068", long_hair=True, smile=-1.1)
    for x in (128, 276):
        ground_shadow(canvas, ellipse(x, 448, 46, 8))
    standing(canvas, 276, 446, 206, wet, left=(264, 330), right=(290, 330))
    canvas.fill(ellipse(268, 300, 12, 20), "#8a6a2a60", blur=5)
    standing(canvas, 128, 446, 218, dry, right=(154, 312))
    canvas.fill(stroke([(155, 328), (150, 172)], 4), Linear(("#6b4a30", "#3f2a1a"), 0))
    canopy = ellipse(148, 214, 108, 70, 180, 360)
    scallops = [
        point
        for number in range(4, 0, -1)
        for point in ellipse(148 - 108 + (number - 0.5) * 54, 214, 27, 9, 0, -180)
    ]
    canvas.fill(canopy + scallops, Linear(("#e0594a", "#c23c36", "#8d2629"), 50))
    for x in (94, 148, 202):
        canvas.line(
            curve([(148, 145), ((x + 148) / 2 + (x - 148) * 0.2, 172), (x, 212)]), 1.4, "#7a1f2490"
        )
    canvas.fill(stroke([(148, 134), (148, 146)], 3, 4), "#3f2a1a")
    random = Random(29)
    for _ in range(330):
        drop = random.uniform(0, 400), random.uniform(-10, 500)
        length = random.uniform(9, 20)
        sheltered = 36 < drop[0] < 222 and 168 < drop[1] < 446
        if not sheltered:
            end = (drop[0] - length * 0.22, drop[1] + length)
            canvas.line([drop, end], 1, "#e6f0f690")
    for _ in range(40):
        splash = random.uniform(0, 384), random.uniform(440, 508)
        canvas.fill(ellipse(*splash, 4, 1.2), "#dfe9ef80")
    for dx, dy in [(-14, -4), (12, 2), (0, -22), (18, 26), (-16, 30)]:
        canvas.fill(stroke([(276 + dx, 268 + dy), (275 + dx, 276 + dy)], 1.4, 3), "#cfe6f4d0")

"""The colours of things, of rooms and of skies."""

from __future__ import annotations

from demo.world.canvas import Colour

#: Of things; far enough apart that nobody takes one for another, by day and by night.
COLOURS: dict[str, Colour] = {
    "red": (214, 74, 70),
    "yellow": (240, 190, 62),
    "green": (84, 158, 96),
    "blue": (58, 126, 200),
    "purple": (160, 90, 174),
}
#: Wall above, wall below, floor behind, floor in front.
ROOMS: tuple[tuple[Colour, Colour, Colour, Colour], ...] = (
    ((226, 222, 212), (240, 236, 226), (205, 180, 150), (222, 200, 172)),
    ((206, 220, 222), (224, 234, 234), (196, 188, 176), (216, 209, 198)),
    ((228, 214, 206), (242, 230, 222), (190, 164, 146), (210, 186, 168)),
    ((212, 214, 226), (230, 231, 240), (184, 178, 184), (207, 202, 206)),
    ((214, 222, 206), (232, 237, 224), (198, 182, 152), (218, 204, 176)),
    ((236, 226, 204), (246, 240, 224), (178, 172, 166), (202, 196, 189)),
)
#: Sky above, sky below, far hills, near hills, meadow behind, meadow in front.
MEADOWS: tuple[tuple[Colour, Colour, Colour, Colour, Colour, Colour], ...] = (
    (
        (128, 182, 226), (220, 236, 242), (152, 186, 176),
        (128, 172, 128), (138, 182, 104), (168, 204, 122),
    ),
    (
        (142, 194, 220), (240, 236, 220), (172, 182, 190),
        (142, 168, 136), (150, 178, 112), (184, 204, 136),
    ),
    (
        (120, 172, 214), (212, 226, 240), (146, 166, 186),
        (120, 156, 140), (124, 168, 112), (154, 190, 130),
    ),
)  # fmt: skip
WOOD: Colour = (190, 140, 92)
DARK_WOOD: Colour = (132, 92, 62)
STONE: Colour = (176, 172, 170)
WHITE: Colour = (240, 240, 238)
STRING: Colour = (116, 100, 92)
SKINS: tuple[Colour, ...] = ((240, 200, 170), (222, 172, 134), (172, 118, 84), (122, 82, 60))
HAIRS: tuple[Colour, ...] = ((58, 42, 38), (104, 68, 44), (176, 120, 64), (44, 40, 48))

"""The canvas on which stamps meet, in colours; and the same canvas with what lies where on it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.world.shapes import BALL, FLAT, Shading, Spec, Stamp, ellipse, stamp

#: Width and height of every picture, in pixels.
SIDE = 256
Colour = tuple[int, int, int]

_DARK: Colour = (34, 28, 62)
_LIGHT: Colour = (255, 252, 240)


def mix(first: Colour, second: Colour, share: int) -> Colour:
    """The colour ``share`` 256ths of the way from the first to the second."""
    r, g, b = ((x * (256 - share) + y * share) >> 8 for x, y in zip(first, second, strict=True))
    return r, g, b


@lru_cache(maxsize=1024)
def _table(colour: Colour) -> list[int]:
    """What the 256 levels of a shade are in red, green and blue, one after another."""
    dark, light = mix(colour, _DARK, 168), mix(colour, _LIGHT, 190)
    levels = [
        mix(dark, colour, 2 * level) if level < 128 else mix(colour, light, 2 * (level - 128))
        for level in range(256)
    ]
    return [level[band] for band in range(3) for level in levels]


@lru_cache(maxsize=4096)
def _painted(
    spec: Spec, colour: Colour, shading: Shading, light: int, soft: int, opacity: int
) -> tuple[Image.Image, Image.Image, Stamp]:
    made = stamp(spec, shading, light, soft)
    alpha = made.alpha
    if opacity < 255:
        alpha = alpha.point([(level * opacity + 127) // 255 for level in range(256)])
    return Image.merge("RGB", (made.shade,) * 3).point(_table(colour)), alpha, made


class Canvas:
    """A picture being drawn, lit from the left (``light`` -1) or the right (1)."""

    def __init__(self, backdrop: Image.Image, light: int) -> None:
        self.image = backdrop.copy()
        self.light = light

    def put(
        self,
        spec: Spec,
        x: int,
        y: int,
        colour: Colour,
        shading: Shading = FLAT,
        soft: int = 0,
        opacity: int = 255,
    ) -> None:
        """Draw a shape at (x, y), its edge blurred over ``soft`` pixels."""
        rgb, alpha, made = _painted(spec, colour, shading, self.light, soft, opacity)
        self.image.paste(rgb, (x + made.left, y + made.top), alpha)

    def shadow(self, x: int, y: int, half: int, opacity: int = 120) -> None:
        """The soft shadow of a thing of ``half`` its width that stands at (x, y)."""
        away = -self.light * (half // 3)
        self.put(
            ellipse(half + half // 4, half // 3), x + away, y, _DARK, FLAT, 5, opacity * 2 // 3
        )
        self.put(ellipse(half, half // 5), x + away // 3, y, _DARK, FLAT, 2, opacity)

    def ball(self, x: int, y: int, radius: int, colour: Colour) -> None:
        self.put(ellipse(radius, radius), x, y, colour, BALL)

    def belongs(self, number: int) -> None:
        """What is drawn from here on is thing ``number``; 0 is none, and hides none."""

    def tint(self, colour: Colour, share: int) -> None:
        """Pull all that is drawn ``share`` 256ths towards the colour times itself."""
        self.image = self.image.point(_tint(colour, share))


@lru_cache(maxsize=64)
def _tint(colour: Colour, share: int) -> list[int]:
    return [
        (level * (256 - share) + (level * part // 255) * share) >> 8
        for part in colour
        for level in range(256)
    ]


class Labels(Canvas):
    """A canvas that notes which thing is seen at each pixel."""

    def __init__(self, backdrop: Image.Image, light: int) -> None:
        super().__init__(backdrop, light)
        self._labels = Image.new("L", (SIDE, SIDE))
        self._number = 0

    def belongs(self, number: int) -> None:
        self._number = number

    def put(
        self,
        spec: Spec,
        x: int,
        y: int,
        colour: Colour,
        shading: Shading = FLAT,
        soft: int = 0,
        opacity: int = 255,
    ) -> None:
        super().put(spec, x, y, colour, shading, soft, opacity)
        # Shadows, glows and glints hide nothing, nor does what is no thing's.
        if soft or opacity < 160 or not self._number:
            return
        made = stamp(spec, shading, self.light)
        covered = made.alpha.point([255 * (level >= 128) for level in range(256)])
        self._labels.paste(self._number, (x + made.left, y + made.top), covered)

    @property
    def labels(self) -> NDArray[np.uint8]:
        """The number of the thing seen at each pixel, shape (SIDE, SIDE)."""
        return np.asarray(self._labels)

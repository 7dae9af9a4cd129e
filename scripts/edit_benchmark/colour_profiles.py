"""Colours that an ICC profile means, as sRGB."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

# Profiles of sRGB differ by rounding: one that moves no colour further is sRGB, of 255.
_ROUNDING = 2
# The kinds of profiles that can be applied, and the mode of the pixels that each is for.
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_GREY_MODES = ("1", "L", "LA", "La")


class UnusableProfile(Exception):
    """The profile is broken, or is for other pixels than those of its image."""


def to_srgb(image: Image.Image, rgb: Image.Image) -> Image.Image | None:
    """The image's colours in sRGB, None if they are that already.

    Parameters
    ----------
    image
        Of any mode, with the ICC profile that its file has, if any, in ``info``.
    rgb
        The same as RGB, its profile passed over, transparency on white: white is white in either.

    Raises
    ------
    UnusableProfile
        If the profile cannot be applied.
    """
    profile = image.info.get("icc_profile")
    if not profile:
        return None
    mode, transform = _transform(profile)
    if transform is None:
        return None
    is_grey = image.mode in _GREY_MODES or image.mode.startswith("I;16")
    if (mode == "L" and not is_grey) or (mode == "CMYK") != (image.mode == "CMYK"):
        raise UnusableProfile("its colour profile is for another kind of pixels")
    pixels = {"RGB": rgb, "L": rgb.getchannel(0), "CMYK": image}[mode]
    converted = transform.apply(pixels)
    # The profile that Pillow adds would be written into files.
    converted.info.clear()
    return None if converted.tobytes() == rgb.tobytes() else converted


@lru_cache(maxsize=16)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """The mode of the pixels that a profile is for, and what makes sRGB of them, None for sRGB."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = opened.profile.xcolor_space.strip()
        if space not in _MODES:
            raise UnusableProfile("its colour profile is for another kind of pixels")
        mode = _MODES[space]
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform = ImageCms.ImageCmsTransform(
            opened, srgb, mode, "RGB", ImageCms.Intent.PERCEPTUAL
        )
    except (OSError, ImageCms.PyCMSError, ValueError) as error:
        raise UnusableProfile(f"its colour profile cannot be read ({error})") from None
    return mode, None if mode != "CMYK" and _changes_nothing(transform, mode) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether all colours of a grid stay what they are, up to rounding."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    colours = Image.fromarray(grid)
    if mode == "L":
        colours = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    moved = np.asarray(transform.apply(colours), np.int16) - np.asarray(
        colours.convert("RGB"), np.int16
    )
    return bool(np.abs(moved).max() <= _ROUNDING)

"""What is checked of an edited image before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from PIL import Image

from edit_benchmark import colour_profiles, images
from edit_benchmark.errors import ImageError, SampleError

# Relative difference of aspect ratios that comes from rounding sizes to multiples of 32 pixels.
_SAME_ASPECT = 0.03


def usable(edited: object) -> Image.Image:
    """What an editor returned, as an image that can be stored and read again.

    Raises
    ------
    SampleError
        A class of the user's own may return anything.
    """
    if not isinstance(edited, Image.Image):
        raise SampleError("no_image", f"the editor returned a {type(edited).__name__}")
    try:
        rgb = images.to_rgb(edited, "the edited image")
        with suppress(colour_profiles.UnusableProfile):
            rgb = colour_profiles.to_srgb(edited, rgb) or rgb
    except ImageError as error:
        raise SampleError("unusable_image", str(error)) from None
    # Nothing but the pixels: the class may keep its image and draw on it, and a gamma or the like
    # would be written into the file, which pages and judges read differently.
    pixels = Image.frombytes("RGB", rgb.size, rgb.tobytes())
    if not np.asarray(pixels).any():
        # What a VAE leaves of NaN once it is cast to bytes.
        raise SampleError("black_image", "every pixel of the edited image is black")
    return pixels


def flags(sources: Sequence[Image.Image], edited: Image.Image) -> list[str]:
    """What is odd about an edited image: another size, nothing changed, one colour.

    Of several source images it may have the size of any.
    """
    found = []
    if all(edited.size != source.size for source in sources):
        found.append(
            "other_size"
            if any(_has_aspect_of(source, edited) for source in sources)
            else "other_aspect_ratio"
        )
    elif any(np.array_equal(np.asarray(source), np.asarray(edited)) for source in sources):
        found.append("identical_to_source")
    if (np.ptp(np.asarray(edited), axis=(0, 1)) == 0).all():
        found.append("single_colour")
    return found


def _has_aspect_of(source: Image.Image, edited: Image.Image) -> bool:
    aspect = edited.width / edited.height * source.height / source.width
    return abs(aspect - 1) <= _SAME_ASPECT

"""Still image files decoded to upright sRGB, and images encoded again: PNG with texts, JPEG."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from edit_benchmark import colour_profiles
from edit_benchmark.errors import ImageError

# Raster formats that Pillow decodes by itself; EPS and the like would start other programs.
FORMATS = {
    "PNG": "png",
    "JPEG": "jpg",
    "MPO": "jpg",
    "WEBP": "webp",
    "BMP": "bmp",
    "TIFF": "tif",
    "GIF": "gif",
    "AVIF": "avif",
}
_OPENED = [name for name in FORMATS if name != "MPO"]  # JPEG's reader recognises an MPO
#: Larger images are refused: a few kB of PNG can claim gigabytes of pixels.
MAX_PIXELS = 100_000_000
#: Longer sides are refused: no JPEG can have them, and edits are made into JPEGs.
MAX_SIDE = 65_500
_SIXTEEN_BIT = 257  # 65535 / 255


def sha256(data: bytes) -> str:
    """Hex SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class ImageFile:
    """An image file as the benchmark's images are kept: with sRGB colours.

    Attributes
    ----------
    data, ending
        Its bytes, and the usual file ending of its format.
    image
        The upright RGB image.
    warning
        A sentence about what was passed over in it; empty for nothing.
    """

    data: bytes
    ending: str
    image: Image.Image
    warning: str = ""


def standard(data: bytes, place: str) -> ImageFile:
    """An image file as it is, unless its colour profile means other colours than sRGB.

    Then it is a PNG file of the colours that the profile means, without a profile.

    Raises
    ------
    ImageError
        If ``data`` is no still image that can be decoded to its last row; the sentence begins
        with ``place``.
    """
    decoded, format = _decoded(data, place)
    image, warning = to_rgb(decoded, place), ""
    try:
        converted = colour_profiles.to_srgb(decoded, image)
    except colour_profiles.UnusableProfile as error:
        converted = None
        warning = f"{place}: {error}; its colours are taken as they stand."
    if converted is not None:
        return ImageFile(encode_png(converted, {}), FORMATS["PNG"], converted)
    return ImageFile(data, FORMATS[format], image, warning)


def verbatim(data: bytes, place: str) -> ImageFile:
    """An image file as it is, whatever its colour profile; errors as of :func:`standard`."""
    decoded, format = _decoded(data, place)
    return ImageFile(data, FORMATS[format], to_rgb(decoded, place))


def load(data: bytes, place: str) -> Image.Image:
    """The image of a file that the benchmark keeps: upright RGB, transparency on white.

    Its profile is passed over: what others made has its colours converted by :func:`standard`.

    Raises
    ------
    ImageError
        As :func:`standard`.
    """
    image = to_rgb(_decoded(data, place)[0], place)
    # Who copies its texts must not have its colours converted once more.
    image.info.pop("icc_profile", None)
    return image


def _decoded(data: bytes, place: str) -> tuple[Image.Image, str]:
    """The upright image and the name of its file's format, a key of :data:`FORMATS`."""
    try:
        with Image.open(io.BytesIO(data), formats=_OPENED) as image:
            format = str(image.format)
            check_size(image.size, place)
            # Pillow's classes of formats without animation lack the member.
            frames: int = getattr(image, "n_frames", 1)
            # A phone's MPO holds one photograph and its previews; anything else moves.
            if frames > 1 and format != "MPO":
                raise ImageError(f"{place}: the image has {frames} frames; give a still image.")
            image.load()
            return ImageOps.exif_transpose(image), format
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(
            f"{place}: the image is too large; at most {MAX_PIXELS // 1_000_000} megapixels are "
            "read."
        ) from None
    except UnidentifiedImageError:
        raise ImageError(
            f"{place}: not an image in a known format ({', '.join(sorted(set(FORMATS)))})."
        ) from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError and more
        raise ImageError(f"{place}: the image is broken ({error}).") from None


def check_size(size: tuple[int, int], place: str) -> None:
    """Refuse an image that has no pixel, or more than are read.

    Raises
    ------
    ImageError
        If ``size``, width and height in pixels, is beyond :data:`MAX_PIXELS` or :data:`MAX_SIDE`;
        the sentence begins with ``place``.
    """
    width, height = size
    if width * height > MAX_PIXELS or max(size) > MAX_SIDE or min(size) < 1:
        raise ImageError(
            f"{place}: the image has {width}x{height} pixels; it has to have at least one and at "
            f"most {MAX_PIXELS // 1_000_000} megapixels, and no side longer than {MAX_SIDE}."
        )


def to_rgb(image: Image.Image, place: str) -> Image.Image:
    """An image of any mode as RGB, sources and edits by one rule.

    Transparency lies on white; 16 bits become 8 by division by 257, so that white stays white.

    Raises
    ------
    ImageError
        If the size is refused (:func:`check_size`), if pixels are floats or 32-bit integers, which
        have no defined white, or if the image is broken; the sentence begins with ``place``.
    """
    check_size(image.size, place)
    if image.mode in ("F", "I"):
        numbers = {"F": "floating-point", "I": "32-bit integer"}[image.mode]
        raise ImageError(
            f"{place}: {numbers} pixels have no defined white; give an image of 8 or 16 bits."
        )
    try:
        if image.mode.startswith("I;16"):
            return _of_sixteen_bits(image)
        if image.mode == "La":  # the one mode with transparency that Pillow does not convert
            grey, alpha = image.split()
            image = Image.merge("RGBa", (grey, grey, grey, alpha))
        if image.has_transparency_data:
            rgba = image.convert("RGBA")
            white = Image.new("RGBA", rgba.size, "white")
            return Image.alpha_composite(white, rgba).convert("RGB")
        return image.convert("RGB")
    except Exception as error:  # the image may be decoded only now, see above
        raise ImageError(f"{place}: the image is broken ({error}).") from None


def _of_sixteen_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips values at 255, which turns them white.
    values = np.asarray(image).astype(np.uint16)
    grey = (values // _SIXTEEN_BIT).astype(np.uint8)
    transparent = image.info.get("transparency")
    if transparent is not None:
        grey[values == transparent] = 255
    return Image.fromarray(grey).convert("RGB")


def encode_png(image: Image.Image, texts: Mapping[str, str]) -> bytes:
    """A PNG file of ``image`` that carries ``texts`` as UTF-8 text chunks.

    The bytes depend on the pixels and texts alone.
    """
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()


def difference(image: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two RGB images, 0 to 255; ``image`` is scaled to ``other``."""
    if image.size != other.size:
        image = image.resize(other.size, Image.Resampling.BICUBIC)
    return float(np.abs(np.asarray(image, np.int16) - np.asarray(other, np.int16)).mean())


def encode_jpeg(image: Image.Image, quality: int = 85) -> bytes:
    """A small file of an RGB image, for pages, or as a benchmark shows it to its judge."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()

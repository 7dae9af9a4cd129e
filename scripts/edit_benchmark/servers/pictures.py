"""Images as requests carry them."""

from __future__ import annotations

import base64
import io

from PIL import Image

# More than any known model takes for so many pixels: a patch of 16 x 16 is a token to many.
_PIXELS_A_TOKEN = 256


def scaled(image: Image.Image, most: int) -> Image.Image:
    """``image`` with at most ``most`` pixels, its proportions kept."""
    pixels = image.width * image.height
    if pixels <= most:
        return image
    factor = (most / pixels) ** 0.5
    size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def encoded(image: Image.Image, format: str = "png", quality: int = 95) -> bytes:
    """A PNG file of the pixels alone, or a JPEG file of a quality of 1 to 100."""
    buffer = io.BytesIO()
    if format == "jpeg":
        image.save(buffer, format="JPEG", quality=quality)
    else:
        image.save(buffer, format="PNG")
    return buffer.getvalue()


def data_url(data: bytes, format: str) -> str:
    """The file within a JSON text."""
    return f"data:image/{format};base64,{base64.b64encode(data).decode('ascii')}"


def tokens(image: Image.Image) -> int:
    """About the most tokens that a model makes of an image."""
    return -(-image.width * image.height // _PIXELS_A_TOKEN)


def text_tokens(text: str) -> int:
    """The most tokens that a text can be: none is less than a byte."""
    return len(text.encode())

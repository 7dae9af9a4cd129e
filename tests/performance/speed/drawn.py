"""Drawn images: smooth with some noise, which a PNG compresses like a photograph."""

from __future__ import annotations

import numpy as np
from PIL import Image


def source(size: tuple[int, int]) -> Image.Image:
    """An image of ``size`` (width, height), the same each time."""
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 200, height))
    return _noisy(np.stack([across, down, (across + down) / 2], axis=-1), np.random.default_rng(0))


def pair(number: int, side: int) -> tuple[Image.Image, Image.Image]:
    """A source of ``side`` pixels and its edit; another ``number`` is another pair."""
    across, down = np.meshgrid(np.linspace(0, 200, side), np.linspace(0, 200, side))
    smooth = np.stack([down, across, (down + across) / 2], axis=-1)
    rng = np.random.default_rng(number)
    return _noisy(smooth, rng), _noisy(smooth, rng)


def psnr(first: Image.Image, second: Image.Image) -> float:
    """Peak signal-to-noise ratio of 8-bit images in dB; infinite if they are equal."""
    a, b = (np.asarray(image.convert("RGB"), dtype=float) for image in (first, second))
    error = float(np.mean((a - b) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def _noisy(smooth: np.ndarray, rng: np.random.Generator) -> Image.Image:
    noise = rng.normal(25, 6, smooth.shape)
    return Image.fromarray((smooth + noise).clip(0, 255).astype(np.uint8))

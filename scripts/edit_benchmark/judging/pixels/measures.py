"""PSNR, SSIM and L1 of an edit against another image.

In numpy: a job that only measures would wait five seconds for torchmetrics and torch.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from edit_benchmark.errors import SampleError
from edit_benchmark.judging.pixels.scales import MOST_PSNR

# The Gaussian window of 11 pixels is mirrored by five at each border.
_SMALLEST = 6
_C1, _C2 = 0.01**2, 0.03**2
Array = NDArray[np.float64]


def compare(
    measure: str, edited: Image.Image, reference: Image.Image, mask: Image.Image | None = None
) -> float:
    """How like ``edited`` is to ``reference``.

    Parameters
    ----------
    measure
        ``psnr`` in dB, at most :data:`MOST_PSNR`; ``ssim``, -1 to 1 (Wang et al. 2004, a Gaussian
        window of 11 pixels, over the three channels); ``l1``, the mean absolute difference of
        values of 0 to 1.
    edited, reference
        RGB images; an edit of another size is resized to the reference's by bicubic interpolation,
        as the benchmarks do.
    mask
        Grey, white where the edit was to be made: only the pixels elsewhere count. Of SSIM those
        whose window reaches into the mask count as well.

    Raises
    ------
    SampleError
        If no pixel counts, or the images are too small for SSIM.
    """
    one, other = pixels(fitted(edited, reference)), pixels(reference)
    counted = _outside(mask, reference)
    if measure == "ssim":
        return _ssim(one, other, counted)
    difference = (one - other)[:, counted]
    if measure == "l1":
        return float(np.abs(difference).mean())
    mean_square = float(np.square(difference).mean())
    return min(-10 * math.log10(mean_square), MOST_PSNR) if mean_square else MOST_PSNR


def fitted(edited: Image.Image, reference: Image.Image) -> Image.Image:
    """``edited`` at the size of ``reference``."""
    if edited.size == reference.size:
        return edited
    return edited.resize(reference.size, Image.Resampling.BICUBIC)


def _ssim(one: Array, other: Array, counted: NDArray[np.bool_]) -> float:
    """The mean over channels and pixels, as torchmetrics has it in float64.

    torchmetrics takes 15 s a megapixel for that, and its float32 gives equal images 0.9997.
    """
    if min(one.shape[-2:]) < _SMALLEST:
        raise SampleError("too_small", f"SSIM needs images of at least {_SMALLEST} pixels a side")
    pairs = zip(one, other, strict=True)
    return float(np.mean([_similarity(x, y)[counted].mean() for x, y in pairs]))


def _similarity(x: Array, y: Array) -> Array:
    """SSIM of one channel around each pixel, of shape (height, width)."""
    mean_x, mean_y = _blurred(x), _blurred(y)
    variances = _blurred(x * x) - mean_x**2 + _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    brightness = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return brightness * (2 * covariance + _C2) / (variances + _C2)


def _blurred(values: Array) -> Array:
    """Under a Gaussian of 1.5 pixels that is cut off after five."""
    blurred: Array = gaussian_filter(values, 1.5, radius=_SMALLEST - 1, mode="mirror")
    return blurred


def pixels(image: Image.Image) -> Array:
    """The image's values, 0 to 1, of shape (3, height, width), in double precision."""
    values = np.asarray(image.convert("RGB"), dtype=np.float64) / 255
    return values.transpose(2, 0, 1)


def _outside(mask: Image.Image | None, reference: Image.Image) -> NDArray[np.bool_]:
    """Which pixels count, of shape (height, width)."""
    if mask is None:
        return np.ones((reference.height, reference.width), dtype=np.bool_)
    grey = mask.convert("L").resize(reference.size, Image.Resampling.NEAREST)
    counted: NDArray[np.bool_] = np.asarray(grey) < 128
    if not counted.any():
        raise SampleError("all_masked", "the mask leaves no pixel outside to compare")
    return counted

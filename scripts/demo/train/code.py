"""The linear code of pictures that the autoencoder's encoder computes; numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pictures = NDArray[np.uint8]

#: Latent channels for each 8 x 8 pixels of a picture of 256.
CHANNELS = 32


@dataclass(frozen=True)
class Projection:
    """Principal components of blocks of 2 x 2: ``rows`` (components, 4 C), ``mean`` (4 C)."""

    rows: Floats
    mean: Floats

    def of(self, maps: Floats) -> Floats:
        """Project maps that are blocks already, (N, H, W, 4 C)."""
        return np.asarray((maps - self.mean) @ self.rows.T, dtype=np.float32)

    @staticmethod
    def fitted(maps: Floats, components: int) -> Projection:
        flat = maps.reshape(-1, maps.shape[-1]).astype(np.float64)
        mean = flat.mean(axis=0)
        _, vectors = np.linalg.eigh((flat - mean).T @ (flat - mean))
        rows = vectors.T[::-1][:components]
        # An eigenvector's sign is the library's choice.
        signs = np.sign(np.take_along_axis(rows, np.abs(rows).argmax(1)[:, None], 1))
        return Projection((rows * signs).astype(np.float32), mean.astype(np.float32))


@dataclass(frozen=True)
class Code:
    """Pixels of 2 x 2 are kept, of 4 x 4 projected by ``middle``, of 8 x 8 by ``wide``.

    ``std`` is the deviation of each latent channel over the pictures that the code was fitted to;
    their mean is zero.
    """

    middle: Projection
    wide: Projection
    std: Floats

    @staticmethod
    def fitted(pictures: Pictures, middle: int, wide: int) -> Code:
        """Fit to pictures (N, 256, 256, 3) with so many components kept at each stage."""
        fours = blocks(blocks(scaled(pictures)))
        first = Projection.fitted(fours, middle)
        eights = blocks(first.of(fours))
        second = Projection.fitted(eights, wide)
        return Code(first, second, second.of(eights)[..., :CHANNELS].std(axis=(0, 1, 2)))

    @cached_property
    def _affine(self) -> tuple[Floats, Floats]:
        """Both projections as one, of the 192 numbers of a block of 8 x 8, and its offset."""
        units = np.concatenate([np.eye(192, dtype=np.float32), np.zeros((1, 192), np.float32)])
        found = self._latents(units.reshape(-1, 8, 8, 3))[:, 0, 0] / self.std
        return found[:-1] - found[-1], found[-1]

    def _latents(self, pixels: Floats) -> Floats:
        fours = self.middle.of(blocks(blocks(pixels)))
        return self.wide.of(blocks(fours))[..., :CHANNELS]

    def normalised(self, pictures: Pictures) -> Floats:
        """What the pipeline makes of pictures (N, 256, 256, 3): latents (N, CHANNELS, 32, 32).

        Divided by ``std``, as the pipelines do.
        """
        matrix, offset = self._affine
        number, side = len(pictures), pictures.shape[1] // 8
        rows = scaled(pictures).reshape(number, side, 8, side, 8, 3).transpose(0, 1, 3, 2, 4, 5)
        latents = rows.reshape(-1, 192) @ matrix + offset
        return latents.reshape(number, side, side, CHANNELS).transpose(0, 3, 1, 2)


def scaled(pictures: Pictures) -> Floats:
    """Levels 0 to 255 as -1 to 1."""
    return pictures.astype(np.float32) / 127.5 - 1


def blocks(maps: Floats) -> Floats:
    """Blocks of 2 x 2 as channels, the place in the block outermost: (N, H/2, W/2, 4 C)."""
    return np.concatenate([maps[:, y::2, x::2] for y in (0, 1) for x in (0, 1)], axis=-1)

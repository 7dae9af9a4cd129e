"""Rotary position embeddings in the form that the fused blocks take."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn


class RealRope(nn.Module):
    """``pos_embed`` that returns cosines and sines of all tokens, the text's first.

    Each is (tokens, head_dim / 2) in float32: real and imaginary parts of the reference's complex
    numbers.

    Attributes
    ----------
    edited_tokens
        Image tokens of the edited image in the last forward; those of its source images follow
        them.
    """

    edited_tokens: int

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.original = original
        self.edited_tokens = 0

    def forward(
        self, grids: list[list[tuple[int, int, int]]], *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Takes the arguments of the original; ``grids`` are (frames, height, width) of images."""
        self.edited_tokens = math.prod(grids[0][0])
        image, text = self.original(grids, *args, **kwargs)
        rotations = torch.cat([text, image])
        return rotations.real.contiguous(), rotations.imag.contiguous()

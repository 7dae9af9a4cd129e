"""The same arithmetic in less time, while the editor's transformer and text encoder are trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import diffusers
import torch
import transformers
from diffusers.models.transformers import transformer_qwenimage
from torch import Tensor


@contextmanager
def quicker(
    transformer: diffusers.QwenImageTransformer2DModel,
    encoder: transformers.Qwen2_5_VLForConditionalGeneration,
    device: str,
) -> Iterator[None]:
    """Rotate by real numbers, and compile both models' blocks where there is a GPU.

    The compiler leaves complex numbers to PyTorch's own kernels.
    """
    hook = transformer.pos_embed.register_forward_hook(
        lambda _layer, _given, made: tuple(torch.view_as_real(part) for part in made)
    )
    if device != "cpu":
        # What cannot be compiled is slower, and no reason to lose the run.
        torch._dynamo.config.suppress_errors = True
        for block in (*transformer.transformer_blocks, *encoder.model.language_model.layers):
            block.compile()
    try:
        with patch.object(transformer_qwenimage, "apply_rotary_emb_qwen", _rotated):
            yield
    finally:
        hook.remove()


def _rotated(states: Tensor, turns: Tensor, **_: Any) -> Tensor:
    """Rotate (N, L, heads, width) by ``turns`` (L, width / 2, 2): cosines and sines."""
    first, second = states.float().unflatten(-1, (-1, 2)).unbind(-1)
    cosine, sine = turns.unsqueeze(1).unbind(-1)
    made = torch.stack([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
    return made.flatten(-2).type_as(states)

"""A tiny Qwen-Image transformer with random weights, and inputs for it."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import QwenImageTransformer2DModel

GRIDS = [(1, 2, 3), (1, 2, 2)]
IMAGE_TOKENS = 10


def transformer(zero_cond_t: bool, dtype: torch.dtype, layers: int = 2) -> Any:
    """The same weights at each call, large enough that every part shows in the output."""
    model = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=layers,
        attention_head_dim=32,
        num_attention_heads=3,
        joint_attention_dim=24,
        axes_dims_rope=(8, 12, 12),
        zero_cond_t=zero_cond_t,
    )
    generator = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        deviation = 0.2 if weight.ndim > 1 else 0.5
        torch.nn.init.normal_(weight, std=deviation, generator=generator)
    return model.to(dtype).eval()


def inputs(dtype: torch.dtype, text: int, step: float) -> dict[str, Any]:
    """Arguments of a forward with ``text`` prompt tokens at time step ``step`` (0 to 1)."""
    generator = torch.Generator().manual_seed(text)
    return {
        "hidden_states": torch.randn(1, IMAGE_TOKENS, 16, generator=generator).to(dtype),
        "encoder_hidden_states": torch.randn(1, text, 24, generator=generator).to(dtype),
        "timestep": torch.tensor([step]).to(dtype),
        "img_shapes": [GRIDS],
        "return_dict": False,
    }

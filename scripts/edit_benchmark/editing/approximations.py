"""Faster models that are not the model: a few-step adapter, 8-bit layers, skipped blocks.

Each is off unless the configuration asks for it. Their edits are those of another model: their
names stand in the edit's key, in every table and beside every edited image.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from edit_benchmark.editing.float8 import Float8Linear
from edit_benchmark.errors import UserError

# Lowest compute capability with products of float8.
_FLOAT8_CAPABILITY = (8, 9)


def quantise(transformer: Any) -> int:
    """Put 8-bit layers in place of the linear layers of all blocks but the modulation's.

    Modulation is computed once for each time step and would gain nothing.

    Returns
    -------
    int
        How many layers were replaced.

    Raises
    ------
    UserError
        If the model has no blocks, or the GPU no products of float8.
    """
    blocks = getattr(transformer, "transformer_blocks", None)
    if blocks is None:
        raise UserError(
            f"fp8: {type(transformer).__name__} has no transformer_blocks; leave fp8 out."
        )
    if next(transformer.parameters()).is_cuda:
        capability = torch.cuda.get_device_capability()
        if capability < _FLOAT8_CAPABILITY:
            raise UserError(
                f"fp8: this GPU's compute capability is {'.'.join(map(str, capability))}, and "
                "products of float8 begin with 8.9; leave fp8 out."
            )
    count = 0
    for parent in blocks.modules():
        for name, layer in list(parent.named_children()):
            # cuBLAS wants rows of 16 bytes.
            if type(layer) is nn.Linear and not any(size % 16 for size in layer.weight.shape):
                if isinstance(parent, nn.Sequential) and _is_modulation(blocks, parent):
                    continue
                setattr(parent, name, Float8Linear(layer))
                count += 1
    return count


def _is_modulation(blocks: Any, parent: nn.Module) -> bool:
    return any(
        parent in (getattr(block, "img_mod", None), getattr(block, "txt_mod", None))
        for block in blocks
    )


def cache_blocks(transformer: Any, threshold: float) -> None:
    """Skip all blocks but the first where the first one's output hardly changed since last step.

    diffusers' First Block Cache; ``threshold`` is the relative mean change below which a forward
    is skipped.

    Raises
    ------
    UserError
        If the model's class has no such cache.
    """
    from diffusers.hooks import FirstBlockCacheConfig

    if not hasattr(transformer, "enable_cache"):
        raise UserError(
            f"block_cache: {type(transformer).__name__} has no block cache; leave block_cache out."
        )
    transformer.enable_cache(FirstBlockCacheConfig(threshold=threshold))

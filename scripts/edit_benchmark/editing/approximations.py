"""Faster models that are not the model: a few-step adapter, 8-bit layers, skipped blocks.

Each is off unless the configuration asks for it. What they make is another model's picture: their
names stand in the edit's key, in every table and beside every picture.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edit_benchmark.errors import UserError

log = logging.getLogger(__name__)

#: Largest number of float8 with 4 bits of exponent.
FLOAT8_MAX = 448.0
#: Lowest compute capability with products of float8.
_FLOAT8_CAPABILITY = (8, 9)
# A scale of zero would divide by zero in a row of zeros.
_LEAST_SCALE = 1e-12


def fuse_lora(pipeline: Any, settings: Mapping[str, Any]) -> None:
    """Add a LoRA adapter's product to the weights, and change the scheduler as it asks.

    Parameters
    ----------
    settings
        ``path`` of a safetensors file, ``scale`` (1 by default), and under ``scheduler`` what to
        change in the scheduler's configuration: Lightning adapters come with a schedule.

    Raises
    ------
    UserError
        If the file is no adapter of this pipeline.
    """
    path = Path(settings["path"]).expanduser()
    try:
        pipeline.load_lora_weights(
            str(path.parent), weight_name=path.name, local_files_only=True, use_safetensors=True
        )
        if not pipeline.get_list_adapters():  # what fits nowhere is dropped with a warning
            raise ValueError("no layer of it is in the model")
        pipeline.fuse_lora(lora_scale=settings.get("scale", 1.0))
        pipeline.unload_lora_weights()
    except (AttributeError, KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"lora: {path} does not fit the pipeline {type(pipeline).__name__} "
            f"({' '.join(str(error).split())[:200]}); give the adapter of this very model."
        ) from error
    if settings.get("scheduler"):
        scheduler = pipeline.scheduler
        pipeline.scheduler = type(scheduler).from_config(scheduler.config, **settings["scheduler"])


def quantise(transformer: Any) -> int:
    """Put 8-bit layers in place of the linear layers of all blocks but the modulation's.

    Modulation is computed once for each time step and would gain nothing. Returns how many.

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


class Float8Linear(nn.Module):
    """A linear layer whose weights and inputs are rounded to float8 (e4m3).

    Each row of the weight (F, D) and each token of the input (..., D) has a scale of its own, so
    that its largest number becomes 448; sums are float32.
    """

    values: torch.Tensor
    scales: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        values, scales = to_float8(layer.weight.detach())
        self.register_buffer("values", values)
        self.register_buffer("scales", scales.t().contiguous())
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())
        self.in_features, self.out_features = layer.in_features, layer.out_features

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(..., D) to (..., F), in the input's type."""
        rows = tokens.reshape(-1, self.in_features)
        values, scales = to_float8(rows)
        if rows.is_cuda:
            out = torch._scaled_mm(
                values, self.values.t(), scales, self.scales, bias=self.bias,
                out_dtype=tokens.dtype, use_fast_accum=True,
            )  # fmt: skip
        else:  # the same numbers, without such products
            wide = (values.float() @ self.values.float().t()) * scales * self.scales
            wide = wide if self.bias is None else wide + self.bias.float()
            out = wide.to(tokens.dtype)
        return out.reshape(*tokens.shape[:-1], self.out_features)


def to_float8(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, D) as float8 values (N, D) and the float32 scales (N, 1) that give them back."""
    if rows.is_cuda:
        from edit_benchmark.editing.qwen_image.kernels import (
            row_to_float8,  # needs Triton, which not every machine has
        )

        return row_to_float8(rows.contiguous(), FLOAT8_MAX, _LEAST_SCALE)
    wide = rows.float()
    scales = (wide.abs().amax(dim=1, keepdim=True) / FLOAT8_MAX).clamp(min=_LEAST_SCALE)
    return (wide / scales).to(torch.float8_e4m3fn), scales


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

"""Faster models that are not the model: a few-step adapter, 8-bit layers, skipped blocks.

Each is off unless the configuration asks for it. Their edits are those of another model: their
names stand in the edit's key, in every table and beside every edited image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from edit_benchmark.config.editors import Lora
from edit_benchmark.editing.float8 import Float8Linear
from edit_benchmark.errors import UserError

# Lowest compute capability with products of float8.
_FLOAT8_CAPABILITY = (8, 9)


def fuse_lora(pipeline: Any, lora: Lora) -> None:
    """Add a LoRA adapter's product to the weights, and change the scheduler as it asks.

    Parameters
    ----------
    pipeline
        Of diffusers, with its weights on their device.
    lora
        The adapter's file, its scale, and what to change in the scheduler's configuration:
        Lightning adapters come with a schedule.

    Raises
    ------
    UserError
        If the file is no adapter of this pipeline.
    """
    path = lora.file
    try:
        pipeline.load_lora_weights(
            str(path.parent), weight_name=path.name, local_files_only=True, use_safetensors=True
        )
        if not pipeline.get_list_adapters():  # what fits nowhere is dropped with a warning
            raise ValueError("no layer of it is in the model")
        unmatched = _unmatched_layers(pipeline, path)
        if unmatched:
            raise ValueError(f"{len(unmatched)} of its layers are not in it: {unmatched[0]}, ...")
        pipeline.fuse_lora(lora_scale=lora.scale)
        pipeline.unload_lora_weights()
    except (AttributeError, KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"lora: {path} does not fit the pipeline {type(pipeline).__name__} "
            f"({' '.join(str(error).split())[:200]}); give the adapter of this very model."
        ) from error
    if lora.scheduler:
        scheduler = pipeline.scheduler
        pipeline.scheduler = type(scheduler).from_config(scheduler.config, **lora.scheduler)


def _unmatched_layers(pipeline: Any, path: Path) -> list[str]:
    """Layers of an adapter that the pipeline lacks: diffusers drops them with a warning."""
    state = pipeline.lora_state_dict(
        str(path.parent), weight_name=path.name, local_files_only=True, use_safetensors=True
    )
    if isinstance(state, tuple):  # with the scales, for some pipelines
        state = state[0]
    layers = {key.partition(".lora_A.")[0] for key in state if ".lora_A." in key}
    adapted = {
        f"{component}.{name}"
        for component, model in pipeline.components.items()
        if isinstance(model, nn.Module)
        for name, module in model.named_modules()
        if getattr(module, "lora_A", None)
    }
    return sorted(layers - adapted)


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

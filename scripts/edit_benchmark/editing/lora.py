"""LoRA adapters: every layer of one is in the model, or the adapter is refused."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from edit_benchmark.checkpoints import adapter, loading
from edit_benchmark.config.editors import Lora
from edit_benchmark.errors import UserError


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
        If the file is no adapter of this pipeline; it names what is in no layer.
    """
    path, name = lora.file, f"the pipeline {type(pipeline).__name__}"
    try:
        converted = loading.converted_adapter(type(pipeline).__name__, path) or ()
        state = _state(pipeline, path, converted)
        where: Any = str(path.parent) if state is None else state
        options = {"weight_name": path.name} if state is None else {}
        pipeline.load_lora_weights(where, local_files_only=True, use_safetensors=True, **options)
        if not pipeline.get_list_adapters():  # what fits nowhere is dropped with a warning
            raise ValueError("no layer of it is in the model")
        unmatched = _unmatched(pipeline, converted if state is None else state)
        if unmatched:
            raise UserError(f"lora: {path} {adapter.misfit(unmatched, name)}")
        pipeline.fuse_lora(lora_scale=lora.scale)
        pipeline.unload_lora_weights()
    except (AttributeError, KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"lora: {path} does not fit {name} ({' '.join(str(error).split())[:200]}); give the "
            "adapter of this very model."
        ) from error
    if lora.scheduler:
        scheduler = pipeline.scheduler
        pipeline.scheduler = type(scheduler).from_config(scheduler.config, **lora.scheduler)


def _state(pipeline: Any, path: Path, converted: Collection[str]) -> dict[str, torch.Tensor] | None:
    """An adapter under diffusers' names; None if diffusers itself finds all of it in the file.

    ``converted`` are the names that diffusers converts the file's to.
    """
    component = next(name for name in adapter.DENOISERS if hasattr(pipeline, name))
    layers = {name for name, _ in getattr(pipeline, component).named_modules()}
    is_named = any(name.startswith(f"{component}.") for name in converted)
    if is_named and not adapter.unknown_layers(converted, component, layers):
        return None
    tensors = load_file(path)
    known = adapter.parts(tensors, layers)
    if not known:
        return None  # in a format of diffusers' own, or it will say what does not fit
    unknown = adapter.layers_of([name for name in tensors if name not in known])
    if unknown:
        name = f"the pipeline {type(pipeline).__name__}"
        raise UserError(f"lora: {path} {adapter.misfit(unknown, name)}")
    alphas = {
        part.layer: float(tensors[name])
        for name, part in known.items()
        if part.part == adapter.ALPHA
    }
    state = {
        f"{component}.{part.layer}.{part.part}": tensors[name]
        for name, part in known.items()
        if part.part != adapter.ALPHA
    }
    for layer, alpha in alphas.items():
        down, up = (f"{component}.{layer}.lora_{side}.weight" for side in "AB")
        state[up] = (state[up].float() * (alpha / state[down].shape[0])).to(state[up].dtype)
    return state


def _unmatched(pipeline: Any, names: Collection[str]) -> list[str]:
    """Layers of an adapter that the pipeline lacks: diffusers drops them with a warning."""
    layers = {key.partition(".lora_A.")[0] for key in names if ".lora_A." in key}
    adapted = {
        f"{component}.{name}"
        for component, model in pipeline.components.items()
        if isinstance(model, nn.Module)
        for name, module in model.named_modules()
        if getattr(module, "lora_A", None)
    }
    return sorted(layers - adapted)

"""Numeric: blocks of the Qwen-Image-2.1 transformer with fewer passes over memory, by own kernels.

What :mod:`.qwen_image` is for the first family. Here all tokens are one stream, the prompt's and
the source's (the prefix) first. Their keys and values are computed in the first step and kept: the
later steps compute the edited image alone, write its keys behind the kept ones, where attention
reads them, and leave out what the reference computes of the prefix and drops.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from torch import nn

from edit_benchmark.editing.acceleration.qwen_image21_block import (
    ATTENTION_GATE,
    MLP_GATE,
    PARTS,
    FusedBlock,
)


def fuse_blocks(transformer: Any) -> None:
    """Replace the forwards of all blocks, and of the transformer where the prefix is kept."""
    transformer.pos_embed = RealRope(transformer.pos_embed)
    transformer.modulation.register_forward_hook(_with_bounded_gates)
    next_block = None
    for block in reversed(transformer.transformer_blocks):
        next_block = FusedBlock(block, next_block)
        block.forward = next_block
    transformer.forward = CachedStepForward(transformer)


class RealRope(nn.Module):
    """``pos_embed`` that returns cosines and sines of all tokens, (tokens, 2, head_dim / 2)."""

    last: torch.Tensor

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.original = original

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        rotations = self.original(*args, **kwargs)
        self.last = torch.stack([rotations.real, rotations.imag], dim=1)
        return self.last


def _with_bounded_gates(_module: nn.Module, _args: Any, modulation: torch.Tensor) -> torch.Tensor:
    """Forward hook of ``modulation``: its (rows, 4 D) in float32, gates as they are multiplied."""
    parts = modulation.float().unflatten(-1, (PARTS, -1))
    for gate in (ATTENTION_GATE, MLP_GATE):
        parts[:, gate].tanh_()
    return parts.flatten(1)


class CachedStepForward:
    """The transformer's forward: its own, but for a step whose prefix is kept.

    The reference embeds prompt and source again at every step and makes lists of all positions on
    the host, for which the device waits.
    """

    def __init__(self, transformer: Any) -> None:
        self._transformer = transformer
        self._reference = transformer.forward

    def __call__(
        self,
        hidden_states: torch.Tensor,
        *args: Any,
        kv_cache: Any = None,
        kv_cache_mode: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Takes the arguments of the original."""
        is_plain = not args and not kwargs.get("attention_kwargs")
        if kv_cache_mode == "cached" and is_plain and len(hidden_states) == 1:
            rotations = getattr(kv_cache, "rotations", None)
            if rotations is not None and kwargs.get("encoder_hidden_states_mask") is None:
                output = self._step(hidden_states, kwargs["timestep"], kv_cache, rotations)
                return self._returned(output, kwargs.get("return_dict", True))
        cache = {"kv_cache": kv_cache, "kv_cache_mode": kv_cache_mode}
        output = self._reference(hidden_states, *args, **cache, **kwargs)
        if kv_cache_mode == "extract":
            prefix = kv_cache.get_layer(0).k.shape[1]
            kv_cache.rotations = self._transformer.pos_embed.last[prefix:]
        return output

    def _step(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor,
        kv_cache: Any,
        rotations: torch.Tensor,
    ) -> torch.Tensor:
        model = self._transformer
        tokens = model.img_in(hidden_states[:, -len(rotations) :])
        # The second row is that of the prefix, which the reference computes too: the products of
        # one and of two rows may round differently.
        timestep = timestep.to(tokens.dtype)
        timestep = torch.cat([timestep, timestep.new_zeros(1)])
        temb = model.time_text_embed(timestep, tokens)
        modulation = model.modulation(temb)
        for number, block in enumerate(model.transformer_blocks):
            tokens = block(
                hidden_states=tokens,
                modulation=modulation,
                rotary_emb=rotations,
                layer_cache=kv_cache.get_layer(number),
                kv_cache_mode="cached",
            )
        # All tokens are the edited image's: the first row is theirs.
        return model.proj_out(model.norm_out(tokens, temb[:1]))

    def _returned(self, output: torch.Tensor, as_object: bool) -> Any:
        if not as_object:
            return (output,)
        return Transformer2DModelOutput(sample=output)

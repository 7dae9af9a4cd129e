"""Numeric: blocks of the Qwen-Image-2.1 transformer with fewer passes over memory, by own kernels.

What :mod:`.qwen_image` is for the first family. Here all tokens are one stream, the prompt's and
the source's (the prefix) first. Their keys and values are computed in the first step and kept: the
later steps compute the edited image alone, write its keys behind the kept ones, where attention
reads them, and leave out what the reference computes of the prefix and drops.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from torch import nn

from edit_benchmark.editing.acceleration import kernels
from edit_benchmark.editing.acceleration.attention import attend, padding_of
from edit_benchmark.editing.acceleration.projection import project

# Where the parts of the modulation stand, in units of D.
ATTENTION_SCALE, ATTENTION_GATE, MLP_SCALE, MLP_GATE = range(4)
PARTS = 4
# Channels that one program of the gated unit's kernel computes.
_UNIT_BLOCK = 2048


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


class FusedBlock:
    """The forward of one ``QwenImage21TransformerBlock``, for a batch of one, without gradients.

    Parameters
    ----------
    block
        Its own layers are used.
    next_block
        The one that takes this block's output, which is normed for it on the way.
    """

    def __init__(self, block: Any, next_block: FusedBlock | None) -> None:
        self._block = block
        self._next = next_block
        # Tokens that the block before returned, and their norm.
        self._normed: tuple[torch.Tensor, torch.Tensor] | None = None
        self._group = next(size for size in (8, 4, 2, 1) if block.attn.heads % size == 0)

    def __call__(
        self,
        hidden_states: torch.Tensor,
        modulation: torch.Tensor,
        rotary_emb: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        target_token_mask: torch.Tensor | None = None,
        layer_cache: Any = None,
        kv_cache_mode: str | None = None,
        cache_write_slice: slice | None = None,
        segments: list[tuple[int, int, bool]] | None = None,
        key_valid: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Takes and returns tokens (1, N, D).

        ``modulation`` (rows, 4 D) is that of the edited image and then, if there is another row,
        of the prefix; ``rotary_emb`` as of :class:`RealRope`. For the others see the reference.
        """
        if len(hidden_states) != 1:
            raise ValueError("fused blocks take one image at a time")
        tokens, segments = hidden_states[0], segments or []
        prefix = segments[-1][1] if segments else 0
        # Tokens of the second row; without a mask all have the first.
        second = 0 if target_token_mask is None else prefix
        previous, self._normed = self._normed, None
        if previous is not None and previous[0].data_ptr() == tokens.data_ptr():
            normed = previous[1]
        else:
            normed = self._add_and_norm(tokens, None, 0, ATTENTION_SCALE, modulation, second)[1]

        kept = layer_cache if kv_cache_mode == "cached" else None
        if kept is not None and attention_mask is not None:
            key_valid = attention_mask[:, 0, 0]
        queries, keys, values, count = self._queries_keys_values(
            normed, rotary_emb, kept, key_valid
        )
        if layer_cache is not None and cache_write_slice is not None:
            heads = (1, prefix, self._block.attn.heads, -1)
            layer_cache.store(keys[:prefix].view(heads), values[:prefix].view(heads))
            layer_cache.arrays = keys, values
        attended = self._attend(queries, keys, values, count, segments, key_valid)

        branch = torch.empty_like(tokens)
        project((self._block.attn.to_out[0],), (attended,), branch)
        tokens, normed = self._add_and_norm(
            tokens, branch, ATTENTION_GATE, MLP_SCALE, modulation, second
        )
        project((self._block.img_mlp.out,), (self._gated_unit(normed),), branch)
        scale = None if self._next is None else ATTENTION_SCALE
        tokens, normed = self._add_and_norm(tokens, branch, MLP_GATE, scale, modulation, second)
        if self._next is not None:
            self._next._normed = tokens, normed
        return tokens[None]

    def _queries_keys_values(
        self,
        normed: torch.Tensor,
        rotations: torch.Tensor,
        kept: Any,
        key_valid: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
        """Queries (N, D), keys and values (count + padding, D), and how many keys count.

        Those of the N tokens stand behind the kept ones, if any.
        """
        attention, width = self._block.attn, normed.shape[1]
        start = 0 if kept is None else kept.get()[0].shape[1]
        count = start + len(normed)
        if kept is None:
            rows = count + padding_of(count, key_valid)
            keys, values = normed.new_empty(2, rows, width)
        else:
            keys, values = kept.arrays
        queries = torch.empty_like(normed)
        own_keys = keys[start:count]
        project((attention.to_q,), (normed,), queries)
        project((attention.to_k,), (normed,), own_keys)
        project((attention.to_v,), (normed,), values[start:count])
        self._norm_and_rotate(queries, attention.norm_q, rotations)
        self._norm_and_rotate(own_keys, attention.norm_k, rotations)
        return queries, keys, values, count

    def _norm_and_rotate(self, tokens: torch.Tensor, norm: Any, rotations: torch.Tensor) -> None:
        """Norm and rotate queries or keys (N, D) in place."""
        heads, count = self._block.attn.heads, len(tokens)
        kernels.norm_rope_kernel[(count, heads // self._group)](
            tokens,
            norm.weight,
            rotations,
            rotations[:, 1],
            count,
            count,  # all tokens are of one stream
            norm.eps,
            HEADS=heads,
            GROUP=self._group,
            HALF=rotations.shape[2],
            STRIDE=rotations.stride(0),
            num_warps=4,
        )

    def _attend(
        self,
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        count: int,
        segments: list[tuple[int, int, bool]],
        key_valid: torch.Tensor | None,
    ) -> torch.Tensor:
        """Attention (N, D): of the edited image to all, of a segment up to its own end.

        Within a segment of text a token attends to none after it.
        """
        attention, parts = self._block.attn, []
        for start, end, is_text in segments:
            mask = None if key_valid is None else key_valid[:, :end].bool()
            if is_text:
                shape = (end - start, end)
                causal = torch.ones(shape, dtype=torch.bool, device=queries.device).tril(start)
                mask = causal if mask is None else causal & mask
            parts.append(attend(queries[start:end], keys[:end], values[:end], end, mask, attention))
        edited = queries[segments[-1][1] :] if segments else queries
        mask = None if key_valid is None else key_valid.bool()
        parts.append(attend(edited, keys, values, count, mask, attention))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _gated_unit(self, normed: torch.Tensor) -> torch.Tensor:
        """The MLP before its last layer: (N, D) to (N, 3 D)."""
        network = self._block.img_mlp
        gates, values = normed.new_empty(2, len(normed), network.proj.out_features)
        project((network.gate_layer,), (normed,), gates)
        project((network.proj,), (normed,), values)
        width = values.shape[1]
        kernels.gated_unit_kernel[(len(values), triton.cdiv(width, _UNIT_BLOCK))](
            gates, values, WIDTH=width, BLOCK=_UNIT_BLOCK, num_warps=4
        )
        return values

    def _add_and_norm(
        self,
        tokens: torch.Tensor,
        branch: torch.Tensor | None,
        gate: int,
        scale: int | None,
        modulation: torch.Tensor,
        second: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``tokens`` with the gated branch added, if any, and their modulated norm, if asked.

        ``gate`` and ``scale`` say which parts of the modulation; the first ``second`` tokens have
        its second row.
        """
        count, width = tokens.shape
        updated = tokens if branch is None else torch.empty_like(tokens)
        normed = updated if scale is None else torch.empty_like(tokens)
        kernels.residual_norm_kernel[(count,)](
            tokens,
            branch,
            modulation,
            modulation,
            None,
            updated,
            normed,
            second,
            self._block.img_norm1.eps,
            PARTS=PARTS,
            GATE_PART=gate,
            SHIFT_PART=-1,
            SCALE_PART=scale or 0,
            WIDTH=width,
            BLOCK=triton.next_power_of_2(width),
            TEXT_ROW=1,
            WITH_RESIDUAL=branch is not None,
            WITH_NORM=scale is not None,
            num_warps=4,
        )
        return updated, normed

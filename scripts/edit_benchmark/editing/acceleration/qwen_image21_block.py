"""Numeric: one block of the Qwen-Image-2.1 transformer, by own kernels."""

from __future__ import annotations

from typing import Any

import torch
import triton

from edit_benchmark.editing.acceleration import kernels
from edit_benchmark.editing.acceleration.attention import attend, padding_of
from edit_benchmark.editing.acceleration.projection import project

# Where the parts of the modulation stand, in units of D.
ATTENTION_SCALE, ATTENTION_GATE, MLP_SCALE, MLP_GATE = range(4)
PARTS = 4
# Channels that one program of the gated unit's kernel computes.
_UNIT_BLOCK = 2048


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

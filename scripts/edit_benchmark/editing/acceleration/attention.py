"""Attention of the fused blocks, by cuDNN on keys filled up to whole tiles where that is faster."""

from __future__ import annotations

from typing import Any

import torch
import triton
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch.nn.attention import SDPBackend

from edit_benchmark.editing.acceleration import kernels

#: The attention kernel of cuDNN is 8 % faster where no tile of keys ends early.
KEY_TILE = 128


def padding_of(count: int, mask: torch.Tensor | None) -> int:
    """Rows to add to ``count`` keys for whole tiles; none where a mask rules cuDNN's kernel out."""
    return -count % KEY_TILE if mask is None else 0


def attend(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    count: int,
    mask: torch.Tensor | None,
    attention: Any,
) -> torch.Tensor:
    """Attention of queries (rows, D) to the first ``count`` keys; returns (rows, D).

    Where cuDNN attends, the keys are filled up to whole tiles with copies of the last one whose
    values are zero. That adds a known term to each softmax's denominator, which is taken out
    again. It is ``padding`` times a term that belongs there, so little precision is lost however
    the logits lie; keys of zero could drown the rest.

    Parameters
    ----------
    keys, values
        (count + padding, D); the padding is overwritten.
    mask
        (rows or 1, count), which keys are attended to.
    attention
        The block's attention layer, which says how many heads it has and which backend is set.
    """
    backend = attention.processor._attention_backend
    queries, keys, values = (
        part.unflatten(-1, (attention.heads, -1)) for part in (queries, keys, values)
    )
    padding = len(keys) - count
    if padding and backend is None and _cudnn_is_chosen(queries, keys, values):
        keys[count:] = keys[count - 1]
        values[count:] = 0
        return _attend_padded(queries, keys, values, padding)
    batch = queries[None], keys[None, :count], values[None, :count]
    if mask is not None:
        mask = mask[None, None]
    return dispatch_attention_fn(*batch, attn_mask=mask, backend=backend)[0].flatten(1)


def _attend_padded(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, padding: int
) -> torch.Tensor:
    """Attention as if the last ``padding`` keys, copies of the one before, were not there."""
    heads, size = keys.shape[1:]
    attended, log_sum_exp = _cudnn_attention(queries, keys, values)
    kernels.remove_padding_kernel[(len(queries),)](
        attended,
        log_sum_exp,
        queries,
        keys[len(keys) - padding],
        len(queries),
        padding,
        size**-0.5,
        HEADS=heads,
        SIZE=size,
        BLOCK=triton.next_power_of_2(heads),
        num_warps=4,
    )
    return attended.flatten(1)


def _cudnn_is_chosen(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> bool:
    """Whether PyTorch would choose cuDNN's attention for these (tokens, heads, head_dim)."""
    if not queries.is_cuda:
        return False
    query, key, value = (part.transpose(0, 1)[None] for part in (queries, keys, values))
    return torch._fused_sdp_choice(query, key, value) == SDPBackend.CUDNN_ATTENTION.value


def _cudnn_attention(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """cuDNN's attention (tokens, heads, head_dim) and log-sum-exp (heads, tokens), contiguous."""
    batch = (part.transpose(0, 1)[None] for part in (queries, keys, values))
    attended, log_sum_exp, *_ = torch.ops.aten._scaled_dot_product_cudnn_attention(
        *batch, None, True
    )
    heads = queries.shape[1]
    return attended[0].transpose(0, 1).contiguous(), log_sum_exp.reshape(heads, -1).contiguous()

"""Blocks of the Qwen-Image transformer with fewer passes over memory, by kernels of our own.

Between the matrix products of a block the reference makes some sixty passes over the tokens, each
step reading and writing them. Here kernels of our own make a quarter of that: residual, gate, norm
and modulation are one; norm and rotation of queries and keys another. They compute in float32 and
round once, where the reference rounds after each step. All tokens lie in one array, the text's
first, so that products write where attention reads. Block sizes are fixed: the bits of a picture
depend on nothing measured and nothing seen before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import triton
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import nn
from torch.nn.attention import SDPBackend

from edit_benchmark.editing.qwen_image import kernels

# Where the parts of a block's modulation stand, in units of D: shift, scale and gate of the
# attention, then of the MLP.
ATTENTION, MLP = 0, 3
GATE = 2
#: The attention kernel of cuDNN is 8 % faster where no tile of keys ends early.
KEY_TILE = 128


class FusedBlock:
    """The forward of one ``QwenImageTransformerBlock``, for a batch of one, without gradients.

    Uses the block's own layers. ``block.modulation`` (rows, 6 D) must hold the modulation of the
    image stream, one row or the two of zero_cond_t, and then that of the text stream. A block norms
    its result for the block ``after`` it on the way.

    With ``made`` only the first ``made()`` image tokens are computed, those of the picture that is
    made, and the others stay as they are: for a last block, whose other tokens nobody reads.
    """

    def __init__(
        self, block: Any, after: FusedBlock | None, made: Callable[[], int] | None = None
    ) -> None:
        self._block = block
        self._after = after
        self._made = made
        self._handed: tuple[torch.Tensor, torch.Tensor] | None = None
        attention = block.attn
        norms = (attention.norm_added_q, attention.norm_added_k, attention.norm_q, attention.norm_k)
        self._norm_weights = torch.stack([norm.weight.detach() for norm in norms])
        self._norm_epsilon = norms[0].eps
        self._group = next(size for size in (8, 4, 2, 1) if attention.heads % size == 0)

    def __call__(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        encoder_hidden_states_mask: torch.Tensor | None,
        temb: torch.Tensor,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor],
        joint_attention_kwargs: dict[str, Any] | None = None,
        modulate_index: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Takes and returns image (1, I, D) and text tokens (1, T, D); returns the text first.

        ``image_rotary_emb`` is cosines and sines of all tokens, (T + I, head_dim / 2) in float32,
        and ``modulate_index`` (1, I) the modulation row of each image token.
        """
        if len(hidden_states) != 1 or joint_attention_kwargs:
            raise ValueError("fused blocks take one picture at a time and no attention arguments")
        block, attention = self._block, self._block.attn
        text = encoder_hidden_states.shape[1]
        tokens = _joined(encoder_hidden_states, hidden_states)
        count = len(tokens)
        rows = block.modulation
        handed, self._handed = self._handed, None
        if handed is not None and handed[0].data_ptr() == tokens.data_ptr():
            normed = handed[1]
        else:
            normed = self._update(tokens, None, None, (rows, ATTENTION), text, modulate_index)[1]

        # The rows that are computed; all of them are attended to.
        first, end = (0, count) if self._made is None else (text, text + self._made())
        mask = encoder_hidden_states_mask
        padding = -count % KEY_TILE if mask is None else 0
        parts = tokens.new_empty(3, count + padding, tokens.shape[1])
        streams = normed[:text], normed[text:]
        if first == 0:
            _project((attention.add_q_proj, attention.to_q), streams, parts[0])
        else:
            _project((attention.to_q,), (normed[first:end],), parts[0, first:end])
        _project((attention.add_k_proj, attention.to_k), streams, parts[1])
        _project((attention.add_v_proj, attention.to_v), streams, parts[2])
        self._turn(parts, image_rotary_emb, count, text)
        seen = self._attend(parts, slice(first, end), count, text, mask)

        before, tokens = tokens, tokens[first:end]
        text_left = text - first
        used = slice(0 if text_left else 1, 2)  # streams with tokens left: text, image

        def of_streams(array: torch.Tensor) -> Sequence[torch.Tensor]:
            return [array[:text_left], array[text_left:]][used]

        branch = torch.empty_like(tokens)
        _project((attention.to_add_out, attention.to_out[0])[used], of_streams(seen), branch)
        tokens, normed = self._update(
            tokens, branch, (rows, ATTENTION), (rows, MLP), text_left, modulate_index
        )
        networks = (block.txt_mlp.net, block.img_mlp.net)[used]
        wide = [
            _gelu_project(net[0].proj, part)
            for net, part in zip(networks, of_streams(normed), strict=True)
        ]
        _project([net[2] for net in networks], wide, branch)
        after = self._after
        following = None if after is None else (after._block.modulation, ATTENTION)
        tokens, normed = self._update(
            tokens, branch, (rows, MLP), following, text_left, modulate_index
        )
        if after is not None:
            after._handed = tokens, normed
        if len(tokens) < count:
            before = before.clone()
            before[first:end] = tokens
            tokens = before
        return tokens[None, :text], tokens[None, text:]

    def _update(
        self,
        tokens: torch.Tensor,
        branch: torch.Tensor | None,
        gate: tuple[torch.Tensor, int] | None,
        norm: tuple[torch.Tensor, int] | None,
        text: int,
        stream_rows: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``tokens`` with the gated branch added, if any, and their modulated norm, if asked.

        ``gate`` and ``norm`` are a block's modulation and which half of it, ATTENTION or MLP.
        """
        count, width = tokens.shape
        updated = tokens if gate is None else torch.empty_like(tokens)
        normed = updated if norm is None else torch.empty_like(tokens)
        rows = self._block.modulation
        gate_modulation, gate_half = gate or (rows, 0)
        norm_modulation, norm_half = norm or (rows, 0)
        kernels.update_kernel[(count,)](
            tokens,
            branch,
            gate_modulation,
            norm_modulation,
            stream_rows,
            updated,
            normed,
            text,
            self._block.img_norm1.eps,
            GATE_AT=gate_half + GATE,
            SHIFT_AT=norm_half,
            WIDTH=width,
            BLOCK=triton.next_power_of_2(width),
            TEXT_ROW=len(rows) - 1,
            WITH_RESIDUAL=gate is not None,
            WITH_NORM=norm is not None,
            num_warps=4,
        )
        return updated, normed

    def _turn(
        self, parts: torch.Tensor, rope: tuple[torch.Tensor, torch.Tensor], count: int, text: int
    ) -> None:
        """Norm and rotate the first ``count`` queries and keys, ``parts[:2]``, in place."""
        heads = self._block.attn.heads
        kernels.turn_kernel[(count, 2 * heads // self._group)](
            parts,
            self._norm_weights,
            *rope,
            parts.shape[1],
            text,
            self._norm_epsilon,
            HEADS=heads,
            GROUP=self._group,
            HALF=rope[0].shape[1],
            num_warps=4,
        )

    def _attend(
        self,
        parts: torch.Tensor,
        asking: slice,
        count: int,
        text: int,
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        """Attention of queries, keys and values in ``parts`` (3, count or more, D).

        Of the queries only the rows ``asking`` attend: the result is (rows, D).

        Where cuDNN attends, the keys are filled up to whole tiles with copies of the last one whose
        values are zero. That adds a known term to each softmax's denominator, which is taken out
        again. It is ``padding`` times a term that belongs there, so little precision is lost
        however the logits lie; keys of zero could drown the rest.
        """
        heads = self._block.attn.heads
        backend = self._block.attn.processor._attention_backend
        queries, keys, values = parts.unflatten(-1, (heads, -1))
        padding = len(keys) - count
        if padding and backend is None and _cudnn_attends(queries, keys, values):
            keys[count:] = keys[count - 1]
            values[count:] = 0
            queries = queries[asking]
            seen, logarithms = _attention_and_logarithms(queries, keys, values)
            kernels.unpad_kernel[(len(queries),)](
                seen,
                logarithms,
                queries,
                keys[count],
                len(queries),
                padding,
                keys.shape[-1] ** -0.5,
                HEADS=heads,
                SIZE=keys.shape[-1],
                BLOCK=triton.next_power_of_2(heads),
                num_warps=4,
            )
            return seen.flatten(1)
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(1, count - text)], dim=1)[:, None, None]
        streams = queries[None, asking], keys[None, :count], values[None, :count]
        return dispatch_attention_fn(*streams, attn_mask=mask, backend=backend)[0].flatten(1)


def _cudnn_attends(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> bool:
    """Whether PyTorch would choose cuDNN's attention for these (tokens, heads, head_dim)."""
    if not queries.is_cuda:
        return False
    query, key, value = (part.transpose(0, 1)[None] for part in (queries, keys, values))
    return torch._fused_sdp_choice(query, key, value) == SDPBackend.CUDNN_ATTENTION.value


def _attention_and_logarithms(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """cuDNN's attention (tokens, heads, head_dim) and log-sum-exp (heads, tokens), contiguous."""
    streams = (part.transpose(0, 1)[None] for part in (queries, keys, values))
    seen, logarithms, *_ = torch.ops.aten._scaled_dot_product_cudnn_attention(*streams, None, True)
    heads = queries.shape[1]
    return seen[0].transpose(0, 1).contiguous(), logarithms.reshape(heads, -1).contiguous()


def _joined(text: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Text then image tokens as one array (T + I, D).

    What the block before returned lies in one array already; the first block's inputs are copied.
    """
    end_of_text = text.storage_offset() + text.numel()
    if (
        text.untyped_storage().data_ptr() == image.untyped_storage().data_ptr()
        and text.is_contiguous()
        and image.is_contiguous()
        and image.storage_offset() == end_of_text
    ):
        count, width = text.shape[1] + image.shape[1], text.shape[2]
        return text.as_strided((count, width), (width, 1))
    return torch.cat([text[0], image[0]])


def _project(layers: Any, parts: Any, out: torch.Tensor) -> None:
    """Each stream's layer on its tokens, written one after the other into ``out``."""
    start = 0
    for layer, part in zip(layers, parts, strict=True):
        target = out[start : start + len(part)]
        start += len(part)
        if type(layer) is nn.Linear:
            torch.addmm(layer.bias, part, layer.weight.t(), out=target)
        else:  # an adapter or a quantised layer has its own forward
            target.copy_(layer(part))


def _gelu_project(layer: nn.Module, part: torch.Tensor) -> torch.Tensor:
    """A layer followed by GELU (tanh), on NVIDIA within the product's epilogue.

    Elsewhere ``_addmm_activation`` is another GELU (erf).
    """
    if type(layer) is nn.Linear and part.is_cuda and torch.version.hip is None:
        return torch._addmm_activation(layer.bias, part, layer.weight.t(), use_gelu=True)
    return nn.functional.gelu(layer(part), approximate="tanh")

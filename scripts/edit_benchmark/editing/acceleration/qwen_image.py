"""Numeric: blocks of the Qwen-Image transformer with fewer passes over memory, by own kernels.

Between the matrix products of a block the reference makes some sixty passes over the tokens, each
step reading and writing them. Here kernels of our own make a quarter of that: residual, gate, norm
and modulation are one; norm and rotation of queries and keys another. They compute in float32 and
round once, where the reference rounds after each step. All tokens lie in one array, the text's
first, so that products write where attention reads. Block sizes are fixed: the bits of an image
depend on nothing measured and nothing seen before.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import nn

from edit_benchmark.editing.acceleration import kernels
from edit_benchmark.editing.acceleration.attention import attend, padding_of
from edit_benchmark.editing.acceleration.projection import project
from edit_benchmark.editing.acceleration.qwen_image_rope import RealRope

# Where the parts of a block's modulation stand, in units of D: shift, scale and gate of the
# attention, then of the MLP.
ATTENTION, MLP = 0, 3
GATE = 2


def fuse_blocks(transformer: Any, edited_only: bool = False) -> None:
    """Replace the forwards of all blocks; modulation must be cached.

    With ``edited_only`` the last block computes the tokens of the edited image and no others: for a
    pipeline that uses no others.
    """
    transformer.pos_embed = rope = RealRope(transformer.pos_embed)
    next_block = None
    for block in reversed(transformer.transformer_blocks):
        is_last = next_block is None
        next_block = FusedBlock(block, next_block, rope if edited_only and is_last else None)
        block.forward = next_block


class FusedBlock:
    """The forward of one ``QwenImageTransformerBlock``, for a batch of one, without gradients.

    Parameters
    ----------
    block
        Its own layers are used. ``block.modulation`` (rows, 6 D) must hold the modulation of the
        image stream, one row or the two of zero_cond_t, and then that of the text stream.
    next_block
        The one that takes this block's output, which is normed for it on the way.
    rope
        If given, only the first ``rope.edited_tokens`` image tokens are computed, those of the
        edited image, and the others stay as they are: for a last block, whose other tokens nobody
        reads.
    """

    def __init__(self, block: Any, next_block: FusedBlock | None, rope: RealRope | None) -> None:
        self._block = block
        self._next = next_block
        self._rope = rope
        # Tokens that the block before returned, and their norm.
        self._normed: tuple[torch.Tensor, torch.Tensor] | None = None
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
            raise ValueError("fused blocks take one image at a time and no attention arguments")
        mask = encoder_hidden_states_mask
        text = encoder_hidden_states.shape[1]
        tokens = _concatenated(encoder_hidden_states, hidden_states)
        count = len(tokens)
        # The rows that are computed; all of them are attended to.
        rows = slice(0, count)
        if self._rope is not None:
            rows = slice(text, text + self._rope.edited_tokens)
        normed = self._normed_tokens(tokens, text, modulate_index)
        qkv = self._queries_keys_values(normed, rows, text, padding_of(count, mask))
        self._norm_and_rotate(qkv, image_rotary_emb, count, text)
        if mask is not None:  # of the text; the images are attended to
            mask = torch.cat([mask, mask.new_ones(1, count - text)], dim=1)
        attended = attend(qkv[0, rows], qkv[1], qkv[2], count, mask, self._block.attn)
        updated = self._residuals(tokens[rows], attended, text - rows.start, modulate_index)
        if len(updated) < count:
            tokens = tokens.clone()
            tokens[rows] = updated
            updated = tokens
        return updated[None, :text], updated[None, text:]

    def _normed_tokens(
        self, tokens: torch.Tensor, text: int, modulate_index: torch.Tensor | None
    ) -> torch.Tensor:
        """The modulated norm that the attention takes, unless the block before computed it."""
        previous, self._normed = self._normed, None
        if previous is not None and previous[0].data_ptr() == tokens.data_ptr():
            return previous[1]
        norm = (self._block.modulation, ATTENTION)
        return self._add_and_norm(tokens, None, None, norm, text, modulate_index)[1]

    def _queries_keys_values(
        self, normed: torch.Tensor, rows: slice, text: int, padding: int
    ) -> torch.Tensor:
        """Queries, keys and values in one array (3, T + I + padding, D); queries of ``rows``."""
        attention = self._block.attn
        count, width = normed.shape
        qkv = normed.new_empty(3, count + padding, width)
        streams = normed[:text], normed[text:]
        if rows.start == 0:
            project((attention.add_q_proj, attention.to_q), streams, qkv[0])
        else:
            project((attention.to_q,), (normed[rows],), qkv[0, rows])
        project((attention.add_k_proj, attention.to_k), streams, qkv[1])
        project((attention.add_v_proj, attention.to_v), streams, qkv[2])
        return qkv

    def _residuals(
        self,
        tokens: torch.Tensor,
        attended: torch.Tensor,
        text: int,
        modulate_index: torch.Tensor | None,
    ) -> torch.Tensor:
        """``tokens`` with the attention's and then the MLP's gated output added.

        The first ``text`` tokens are the text's: all of them, or none if only image tokens are
        computed.
        """
        block, modulation = self._block, self._block.modulation
        streams = slice(0, 2) if text else slice(1, 2)  # text and image, or the image alone

        def split(array: torch.Tensor) -> list[torch.Tensor]:
            return [array[:text], array[text:]][streams]

        branch = torch.empty_like(tokens)
        outputs = (block.attn.to_add_out, block.attn.to_out[0])[streams]
        project(outputs, split(attended), branch)
        tokens, normed = self._add_and_norm(
            tokens, branch, (modulation, ATTENTION), (modulation, MLP), text, modulate_index
        )
        networks = (block.txt_mlp.net, block.img_mlp.net)[streams]
        hidden = [
            _project_gelu(network[0].proj, part)
            for network, part in zip(networks, split(normed), strict=True)
        ]
        project([network[2] for network in networks], hidden, branch)
        following = self._next
        norm = None if following is None else (following._block.modulation, ATTENTION)
        tokens, normed = self._add_and_norm(
            tokens, branch, (modulation, MLP), norm, text, modulate_index
        )
        if following is not None:
            following._normed = tokens, normed
        return tokens

    def _add_and_norm(
        self,
        tokens: torch.Tensor,
        branch: torch.Tensor | None,
        gate: tuple[torch.Tensor, int] | None,
        norm: tuple[torch.Tensor, int] | None,
        text: int,
        modulate_index: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``tokens`` with the gated branch added, if any, and their modulated norm, if asked.

        ``gate`` and ``norm`` are a block's modulation and which half of it, ATTENTION or MLP.
        """
        count, width = tokens.shape
        updated = tokens if gate is None else torch.empty_like(tokens)
        normed = updated if norm is None else torch.empty_like(tokens)
        modulation = self._block.modulation
        gate_modulation, gate_half = gate or (modulation, 0)
        norm_modulation, norm_half = norm or (modulation, 0)
        kernels.residual_norm_kernel[(count,)](
            tokens,
            branch,
            gate_modulation,
            norm_modulation,
            modulate_index,
            updated,
            normed,
            text,
            self._block.img_norm1.eps,
            PARTS=6,
            GATE_PART=gate_half + GATE,
            SHIFT_PART=norm_half,
            SCALE_PART=norm_half + 1,
            WIDTH=width,
            BLOCK=triton.next_power_of_2(width),
            TEXT_ROW=len(modulation) - 1,
            WITH_RESIDUAL=gate is not None,
            WITH_NORM=norm is not None,
            num_warps=4,
        )
        return updated, normed

    def _norm_and_rotate(
        self,
        qkv: torch.Tensor,
        rotary_emb: tuple[torch.Tensor, torch.Tensor],
        count: int,
        text: int,
    ) -> None:
        """Norm and rotate the first ``count`` queries and keys, ``qkv[:2]``, in place."""
        heads = self._block.attn.heads
        kernels.norm_rope_kernel[(count, 2 * heads // self._group)](
            qkv,
            self._norm_weights,
            *rotary_emb,
            qkv.shape[1],
            text,
            self._norm_epsilon,
            HEADS=heads,
            GROUP=self._group,
            HALF=rotary_emb[0].shape[1],
            STRIDE=rotary_emb[0].shape[1],
            num_warps=4,
        )


def _concatenated(text: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
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


def _project_gelu(layer: nn.Module, part: torch.Tensor) -> torch.Tensor:
    """A layer followed by GELU (tanh), on NVIDIA within the product's epilogue.

    Elsewhere ``_addmm_activation`` is another GELU (erf).
    """
    if type(layer) is nn.Linear and part.is_cuda and torch.version.hip is None:
        return torch._addmm_activation(layer.bias, part, layer.weight.t(), use_gelu=True)
    return nn.functional.gelu(layer(part), approximate="tanh")

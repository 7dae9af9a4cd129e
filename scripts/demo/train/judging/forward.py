"""The judge's forward pass for a batch of rows at once, equal to the class's.

The class looks at pictures one after the other and at rows of any shape. Here each row has two
pictures of one size at the same places, and padding last, which nothing attends to.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb_vision
from transformers.vision_utils import (
    get_vision_interpolation_indices_and_weights,
    get_vision_position_ids,
)

from demo.train.judging.parts import MERGE, PATCH, SIDE, TOKENS

_GRID = SIDE // PATCH


class Forward(nn.Module):
    """Hidden states of rows with two pictures each.

    Parameters
    ----------
    model
        The class that is trained; its weights are used as they are.
    beginnings
        By language, the token ids up to the second picture's end.
    """

    places: Tensor
    _taps: Tensor
    _weights: Tensor
    _patches: Tensor

    def __init__(self, model: Any, beginnings: list[list[int]]) -> None:
        super().__init__()
        #: What computes a block of the vision tower; may be compiled.
        self.see_block = see_block
        self._model = [model]  # its weights belong to whoever trains it
        image = model.config.image_token_id
        places = [[at for at, one in enumerate(ids) if one == image] for ids in beginnings]
        self.register_buffer("places", torch.tensor(places))
        grid = torch.tensor([[1, _GRID, _GRID]])
        taps, weights = get_vision_interpolation_indices_and_weights(
            grid,
            num_grid_per_side=model.model.visual.num_grid_per_side,
            mode=model.model.visual.interpolation_mode,
            align_corners=model.model.visual.interpolation_align_corners,
            spatial_merge_size=MERGE,
        )
        self.register_buffer("_taps", taps)
        self.register_buffer("_weights", weights)
        self.register_buffer("_patches", get_vision_position_ids(grid, MERGE))
        self._begun = [self._positions(model, ids) for ids in beginnings]

    def distance(self, language: int) -> int:
        """How far the edit's tokens are behind the source's of the same places."""
        begun, places = self._begun[language][0], self.places[language]
        return int(begun[places[TOKENS]] - begun[places[0]])

    @staticmethod
    def _positions(model: Any, ids: list[int]) -> Tensor:
        row = torch.tensor([ids])
        grids = torch.tensor([[1, _GRID, _GRID]] * 2)
        types = (row == model.config.image_token_id).int()
        found: Tensor = model.model.get_rope_index(
            row, mm_token_type_ids=types, image_grid_thw=grids
        )[0][:, 0]
        return found

    def positions(self, language: int, length: int) -> Tensor:
        """Three coordinates of each token, (3, 1, length)."""
        begun = self._begun[language]
        behind = begun.max() + 1 + torch.arange(length - begun.shape[1])
        return torch.cat([begun, behind.expand(3, -1)], dim=1)[:, None]

    def forward(
        self, ids: Tensor, source: Tensor, edited: Tensor, language: int
    ) -> tuple[Tensor, Tensor]:
        """Hidden states before the output layer, (N, L, width), and the edit's after two blocks.

        Pictures (N, 3, SIDE, SIDE) with levels 0 to 255.
        """
        text = self._model[0].model.language_model
        merged, deep = self._see(torch.cat([source, edited]))
        places = self.places[language]
        hidden = text.embed_tokens(ids)
        hidden = hidden.index_copy(1, places, _side_by_side(merged).to(hidden.dtype))
        angles = text.rotary_emb(hidden, self.positions(language, ids.shape[1]).to(ids.device))
        early = hidden
        for number, layer in enumerate(text.layers):
            hidden = layer(hidden, position_embeddings=angles, attention_mask=None)
            if number == 0:
                hidden = hidden.index_add(1, places, _side_by_side(deep).to(hidden.dtype))
            if number == 1:
                early = hidden[:, places[TOKENS:]]
        return text.norm(hidden), early

    def _see(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """What the text model is given of pictures: (N, TOKENS, width) twice."""
        visual = self._model[0].model.visual
        number = len(pictures)
        kernel = visual.patch_embed.proj.weight.sum(2).flatten(1)
        hidden = functional.linear(_patches(pictures), kernel, visual.patch_embed.proj.bias)
        embedded = (visual.pos_embed(self._taps) * self._weights[:, :, None]).sum(1)
        hidden = hidden.float() + embedded
        angles = visual.rotary_pos_emb(hidden, self._patches)
        deep = hidden
        for layer, block in enumerate(visual.blocks):
            hidden = self.see_block(block, hidden, angles)
            if layer == 0:
                deep = visual.deepstack_merger_list[0](hidden.flatten(0, 1))
        merged = visual.merger(hidden.flatten(0, 1))
        return merged.view(number, TOKENS, -1), deep.view(number, TOKENS, -1)


def see_block(block: Any, hidden: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """A block of the vision tower for pictures (N, patches, width) at once."""
    attention = block.attn
    parts = attention.qkv(block.norm1(hidden)).unflatten(-1, (3, attention.num_heads, -1))
    query, key, value = parts.unbind(2)
    query, key = apply_rotary_pos_emb_vision(query, key, *angles)
    seen = functional.scaled_dot_product_attention(
        query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    )
    hidden = hidden + attention.proj(seen.transpose(1, 2).flatten(2))
    made: Tensor = hidden + block.mlp(block.norm2(hidden))
    return made


def _patches(pictures: Tensor) -> Tensor:
    """As the processor orders them, those merged together one behind the other: (N, 256, 768)."""
    number, channels = pictures.shape[:2]
    blocks = _GRID // MERGE
    parts = (pictures / 127.5 - 1).reshape(
        number, channels, blocks, MERGE, PATCH, blocks, MERGE, PATCH
    )
    return parts.permute(0, 2, 5, 3, 6, 1, 4, 7).reshape(number, _GRID**2, -1)


def _side_by_side(both: Tensor) -> Tensor:
    """Sources' and then edits' tokens (2 N, T, width) as one row's: (N, 2 T, width)."""
    source, edited = both.chunk(2)
    return torch.cat([source, edited], dim=1)

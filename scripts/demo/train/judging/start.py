"""Weights from which a judge starts: it passes colours and can compare two pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from demo.models import keep_variance
from demo.train.code import scaled
from demo.train.judging.parts import HEAD, PATCH, SECTIONS, THETA

# Of queries and keys in the first block, whose lengths are normalised: how sharply it looks.
_SHARPNESS = 2.5
_EMBEDDING, _OUTPUT = 0.25, 0.3
_PLACES = 0.5  # deviation of the vision tower's embeddings of places
# Frequencies of rows and of columns, the highest of each.
_ROW, _COLUMN = 1, 2


def start(model: Any, pictures: NDArray[np.uint8], distances: Sequence[int]) -> None:
    """Set the weights.

    Parameters
    ----------
    pictures
        From which the patches' principal components are taken, (N, 256, 256, 3).
    distances
        By language, how far the edit's tokens are behind the source's of the same places.
    """
    keep_variance(model)
    text, visual = model.model.language_model, model.model.visual
    nn.init.normal_(text.embed_tokens.weight, std=_EMBEDDING)
    nn.init.constant_(text.norm.weight, _OUTPUT)
    nn.init.normal_(visual.pos_embed.weight, std=_PLACES)
    for part in (text.layers, visual.blocks):
        for block in part:
            attention = block.self_attn.o_proj if part is text.layers else block.attn.proj
            last = block.mlp.down_proj if part is text.layers else block.mlp.linear_fc2
            for layer in (attention, last):
                layer.weight.data.mul_((2 * len(part)) ** -0.5)
    _see_components(visual.patch_embed.proj, pictures)
    _compare(text.layers[0].self_attn, distances)


def _see_components(embedding: Any, pictures: NDArray[np.uint8]) -> None:
    """The first components of patches, as many as there is room for, the weak ones raised."""
    side = pictures.shape[1] // PATCH
    patches = scaled(pictures).reshape(-1, side, PATCH, side, PATCH, 3)
    flat = torch.from_numpy(patches.transpose(0, 1, 3, 5, 2, 4).reshape(-1, 3 * PATCH**2))
    flat = flat[:: 1 + len(flat) // 20_000].double()
    mean = flat.mean(0)
    values, vectors = torch.linalg.eigh((flat - mean).T @ (flat - mean) / len(flat))
    width = embedding.out_channels
    values, rows = values.flip(0)[:width], vectors.T.flip(0)[:width]
    rows = rows / (values + values[0] / 300).sqrt()[:, None]
    # Two equal frames: half of it from each.
    kernel = rows.view(width, 3, 1, PATCH, PATCH).expand(-1, -1, 2, -1, -1) / 2
    embedding.weight.data.copy_(kernel)
    embedding.bias.data.copy_(-rows @ mean)


def _compare(attention: Any, distances: Sequence[int]) -> None:
    """A head for each language looks from each place of the edit at the source's same place.

    Queries and keys are constants, turned against each other by the distance: rotary embedding
    makes their product largest where it is just that.
    """
    used = [index + half for index in (_ROW, _COLUMN) for half in (0, HEAD // 2)]
    for norm in (attention.q_norm, attention.k_norm):
        # The other heads share these weights, and would choose at random if all were raised.
        norm.weight.data[used] = _SHARPNESS
    energy = {index: 1 / (1 - math.cos(frequency(index))) for index in (_ROW, _COLUMN)}
    key = torch.zeros(HEAD)
    assert attention.num_key_value_groups >= len(distances), (
        "both languages' heads look at the same keys"
    )
    for index, share in energy.items():
        key[index] = share**0.5
    attention.k_proj.weight.data[:HEAD] = 0
    attention.k_proj.bias.data[:HEAD] = key
    for head, distance in enumerate(distances):
        query = torch.zeros(HEAD)
        for index in energy:
            turn = frequency(index) * -distance
            query[index] = key[index] * math.cos(turn)
            query[index + HEAD // 2] = key[index] * math.sin(turn)
        rows = slice(head * HEAD, (head + 1) * HEAD)
        attention.q_proj.weight.data[rows] = 0
        attention.q_proj.bias.data[rows] = query


def frequency(index: int) -> float:
    """Radians a place of a rotary frequency."""
    assert sum(SECTIONS) == HEAD // 2
    return float(THETA ** (-2 * index / HEAD))

"""Several questions about the same images in one forward pass.

The questions' tokens are equal, images included, up to where the questions themselves begin. All
are packed into one row: the tokens that they share, and then what each adds,
``[prefix | suffix 1 | suffix 2 | ...]``. A suffix attends to the prefix and to itself, and its
positions are those that it would have directly behind the prefix. So a question's logits are those
of a row of its own, up to rounding, and the model computes the prefix once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.vision_utils import (
    get_vision_cu_seqlens,
    get_vision_interpolation_indices_and_weights,
    get_vision_position_ids,
)

# The name under which transformers knows the attention of packed rows.
_ATTENTION = "shared_prefix"
# The architectures whose positions, masks and vision tower the functions below know.
_ARCHITECTURES = frozenset({"qwen2_5_vl", "qwen3_vl"})


@dataclass(frozen=True)
class PackedRow:
    """Questions packed into one row of ``n`` tokens, of which the first ``p`` are the prefix.

    Attributes
    ----------
    input_ids, position_ids
        Of shape (1, n) and (axes, 1, n).
    attention_mask
        Booleans of shape (1, 1, n - p, n): what the suffixes attend to. None for a single question.
    last_tokens
        The place in the row of each question's last token, of shape (questions,).
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    attention_mask: torch.Tensor | None
    last_tokens: torch.Tensor


@dataclass(frozen=True)
class ForwardArguments:
    """Arguments of a forward pass over a packed row; all are made on the host.

    Attributes
    ----------
    on_device
        Those that have to be copied to the model's device.
    on_host
        Those that stay: the model reads them on the host, which would wait for the device
        otherwise.
    """

    on_device: dict[str, torch.Tensor]
    on_host: dict[str, torch.Tensor]


def adapt(model: Any) -> bool:
    """Change ``model`` so that it takes packed rows, if its architecture can.

    Its RMS norms are replaced by torch's fused one too: the same arithmetic in one pass over
    memory in place of eight, rounded once, after the weights.

    Returns
    -------
    bool
        False if the architecture cannot; the model is as it was.
    """
    if model.config.model_type not in _ARCHITECTURES:
        return False
    text = model.model.language_model
    if set(getattr(text.config, "layer_types", None) or ()) - {"full_attention"}:
        return False
    text.set_attn_implementation(_ATTENTION)
    if hasattr(text, "_deepstack_process"):
        text._deepstack_process = _add_features
    for module in text.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = _FusedRMSNorm(module)
    return True


def _add_features(
    hidden_states: torch.Tensor, is_visual: torch.Tensor, features: torch.Tensor
) -> torch.Tensor:
    """Add the vision tower's features at the image tokens.

    Shapes are (batch, tokens, width), (batch, tokens) and (visual tokens, width). Indexing by
    ``is_visual``, as transformers does it, would make the host wait for the device.
    """
    spread = torch.zeros_like(hidden_states).masked_scatter(is_visual[..., None], features)
    return hidden_states + spread


class _FusedRMSNorm:
    def __init__(self, module: Any) -> None:
        self._weight, self._epsilon = module.weight, module.variance_epsilon

    def __call__(self, hidden_states: torch.Tensor) -> torch.Tensor:
        shape = self._weight.shape
        return functional.rms_norm(hidden_states, shape, self._weight, self._epsilon)


def forward_arguments(
    model: Any, processor: Any, first: Mapping[str, torch.Tensor], texts: Sequence[str]
) -> ForwardArguments | None:
    """The arguments of one forward pass for all questions about one case.

    Parameters
    ----------
    model
        A model that :func:`adapt` has changed.
    first
        The processor's inputs for the first question with its images.
    texts
        All questions, each in the chat template and with the images' placeholders.

    Returns
    -------
    ForwardArguments or None
        None if the chat template puts anything that differs before the end of the last image.
    """
    tokenizer, placeholder = processor.tokenizer, processor.image_token
    text_start = texts[0].rindex(placeholder) + len(placeholder)
    if any(text[:text_start] != texts[0][:text_start] for text in texts):
        return None
    ids, token_types, grids = (
        first[name] for name in ("input_ids", "mm_token_type_ids", "image_grid_thw")
    )
    image_end = int((ids[0] == processor.image_token_id).nonzero()[-1]) + 1
    # An image token is special, so the text behind it is encoded as if it stood alone.
    endings = [
        torch.tensor(tokenizer(text[text_start:], add_special_tokens=False)["input_ids"])
        for text in texts
    ]
    if not torch.equal(endings[0], ids[0, image_end:]):
        return None
    token_ids = [torch.cat([ids[0, :image_end], ending]) for ending in endings]
    first_positions = model.model.get_rope_index(
        ids, mm_token_type_ids=token_types, image_grid_thw=grids
    )[0][:, 0]
    positions = [_question_positions(first_positions, image_end, len(ending)) for ending in endings]
    row = pack(token_ids, positions)
    on_device = {
        "input_ids": row.input_ids,
        "position_ids": row.position_ids,
        "logits_to_keep": row.last_tokens,
        # The model would convert them too, but only after they were copied to the device.
        "pixel_values": first["pixel_values"].to(model.dtype),
        **_vision_arguments(model, grids),
    }
    if row.attention_mask is not None:
        on_device["attention_mask"] = row.attention_mask
    on_host = {"image_grid_thw": grids, "image_cu_seqlens": get_vision_cu_seqlens(grids)}
    return ForwardArguments(on_device, on_host)


def _question_positions(
    first_positions: torch.Tensor, image_end: int, text_length: int
) -> torch.Tensor:
    """The positions of a question whose images are those of the first, of shape (axes, length).

    Behind the images, in text, positions advance by one on each axis.
    """
    text = first_positions[:, image_end, None] + torch.arange(text_length)
    return torch.cat([first_positions[:, :image_end], text], dim=1)


def pack(token_ids: Sequence[torch.Tensor], positions: Sequence[torch.Tensor]) -> PackedRow:
    """Pack questions into one row.

    Parameters
    ----------
    token_ids
        Each question's tokens, of shape (length,).
    positions
        The positions of each question's tokens, of shape (axes, length); equal where the tokens
        are.
    """
    lengths = [len(tokens) for tokens in token_ids]
    if len(token_ids) == 1:
        last_token = torch.tensor([lengths[0] - 1])
        return PackedRow(token_ids[0][None], positions[0][:, None], None, last_token)
    prefix = min(_common_length(token_ids[0], tokens) for tokens in token_ids[1:])
    # Each suffix has a token at least, even where one question is the beginning of another.
    prefix = min(prefix, min(lengths) - 1)
    # Suffixes are sorted by their tokens, so that no score depends on the order of the criteria.
    order = sorted(range(len(token_ids)), key=lambda number: token_ids[number].tolist())
    suffix_lengths = torch.tensor([lengths[number] - prefix for number in order])
    last_tokens = torch.empty(len(token_ids), dtype=torch.long)
    last_tokens[order] = prefix + suffix_lengths.cumsum(0) - 1
    question = torch.arange(len(token_ids)).repeat_interleave(suffix_lengths)
    to_suffixes = (question[:, None] == question[None, :]).tril()
    to_prefix = torch.ones(len(question), prefix, dtype=torch.bool)
    mask = torch.cat([to_prefix, to_suffixes], dim=1)
    first = order[0]
    packed_ids = torch.cat(
        [token_ids[first][:prefix], *(token_ids[number][prefix:] for number in order)]
    )
    packed_positions = torch.cat(
        [positions[first][:, :prefix], *(positions[number][:, prefix:] for number in order)], dim=1
    )
    return PackedRow(packed_ids[None], packed_positions[:, None], mask[None, None], last_tokens)


def _common_length(tokens: torch.Tensor, other: torch.Tensor) -> int:
    """How many tokens two questions share from the first on."""
    length = min(len(tokens), len(other))
    differs = (tokens[:length] != other[:length]).nonzero()
    return int(differs[0]) if len(differs) else length


def collate(processor: Any, cases: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """One batch of the processor's inputs for each case: texts padded, images concatenated."""
    texts = [{name: case[name][0] for name in ("input_ids", "attention_mask")} for case in cases]
    padded = processor.tokenizer.pad(texts, padding=True, return_tensors="pt")
    length = padded["input_ids"].shape[1]
    token_types = [case["mm_token_type_ids"] for case in cases]
    return {
        **padded,
        "mm_token_type_ids": torch.cat(
            [functional.pad(types, (length - types.shape[1], 0)) for types in token_types]
        ),
        **{
            name: torch.cat([case[name] for case in cases])
            for name in ("pixel_values", "image_grid_thw")
        },
    }


def _vision_arguments(model: Any, grids: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the vision tower computes from the images' patch grids, of shape (images, 3).

    Computed here, on the host, it does not make the host wait for the device.
    """
    visual = model.model.visual
    merge = visual.spatial_merge_size
    tensors = {"image_position_ids": get_vision_position_ids(grids, merge)}
    if hasattr(visual, "num_grid_per_side"):
        indices, weights = get_vision_interpolation_indices_and_weights(
            grids,
            num_grid_per_side=visual.num_grid_per_side,
            mode=visual.interpolation_mode,
            align_corners=visual.interpolation_align_corners,
            spatial_merge_size=merge,
        )
        tensors |= {"image_interp_indices": indices, "image_interp_weights": weights}
    return tensors


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of a packed row in two parts.

    The prefix attends to itself causally, without a mask; the suffixes attend to the whole row
    with one. A mask for the whole row would rule out the fast kernels for the prefix, which is
    nearly all of it. A row with a mask for all of its tokens, or with none, is not packed.

    Queries have the shape (batch, heads, tokens, head size), the result (batch, tokens, heads,
    head size).
    """
    if attention_mask is None or attention_mask.shape[2] == query.shape[2]:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling)
    prefix = query.shape[2] - attention_mask.shape[2]
    of_prefix, _weights = sdpa_attention_forward(
        module, query[:, :, :prefix], key[:, :, :prefix], value[:, :, :prefix], None,
        scaling=scaling,
    )  # fmt: skip
    of_suffixes, _weights = sdpa_attention_forward(
        module, query[:, :, prefix:], key, value, attention_mask, scaling=scaling
    )
    return torch.cat([of_prefix, of_suffixes], dim=1), None


AttentionInterface.register(_ATTENTION, _attend)
AttentionMaskInterface.register(_ATTENTION, sdpa_mask)

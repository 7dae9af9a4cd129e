"""Several questions about the same pictures in one forward pass.

The questions' tokens are equal up to where the questions themselves begin, pictures included. The
model sees that prefix once and behind it what each question adds, all in one row:
``[prefix | rest 1 | rest 2 | ...]``. A rest attends to the prefix and to itself and stands at the
positions that it has without the others, so a question's logits are those that it would have in a
row of its own, up to rounding.
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

_NAME = "shared_prefix"
# Whose positions, masks and vision tower the functions below know.
_ARCHITECTURES = frozenset({"qwen2_5_vl", "qwen3_vl"})


@dataclass(frozen=True)
class Packed:
    """Questions in one row of ``n`` tokens, ``p`` of them the prefix.

    Attributes
    ----------
    input_ids, position_ids
        Of shape (1, n) and (axes, 1, n).
    attention_mask
        Booleans of shape (1, 1, n - p, n): what the rests attend to. None for a single question.
    last
        Of shape (questions,): where each question's last token stands in the row.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    attention_mask: torch.Tensor | None
    last: torch.Tensor


def adapt(model: Any) -> bool:
    """Make ``model`` take packed rows; False, and nothing done, if its architecture cannot.

    Beside attention this gives it torch's fused RMS norm, the same arithmetic in one pass over
    memory in place of eight and rounded once, after the weights.
    """
    if model.config.model_type not in _ARCHITECTURES:
        return False
    text = model.model.language_model
    if set(getattr(text.config, "layer_types", None) or ()) - {"full_attention"}:
        return False
    text.set_attn_implementation(_NAME)
    if hasattr(text, "_deepstack_process"):
        text._deepstack_process = _add_features
    for module in text.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = _Norm(module)
    return True


def _add_features(
    hidden_states: torch.Tensor, is_visual: torch.Tensor, features: torch.Tensor
) -> torch.Tensor:
    """The vision tower's features added where the pictures are, without asking the device where.

    Shapes are (batch, tokens, width), (batch, tokens) and (visual tokens, width).
    """
    spread = torch.zeros_like(hidden_states).masked_scatter(is_visual[..., None], features)
    return hidden_states + spread


class _Norm:
    def __init__(self, module: Any) -> None:
        self._weight, self._epsilon = module.weight, module.variance_epsilon

    def __call__(self, hidden_states: torch.Tensor) -> torch.Tensor:
        shape = self._weight.shape
        return functional.rms_norm(hidden_states, shape, self._weight, self._epsilon)


def arguments(
    model: Any, processor: Any, first: Mapping[str, torch.Tensor], texts: Sequence[str]
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]] | None:
    """What ``model``, adapted, has to be called with for the questions about one case.

    Parameters
    ----------
    first
        What the processor makes of the first question and the pictures.
    texts
        All questions, each in the chat template and with the pictures' placeholders.

    Returns
    -------
    tuple or None
        The arguments that belong on the model's device, and those that stay on the host: on the
        device the host would have to wait for them. None if the chat template does not put what
        differs behind the pictures.
    """
    tokenizer, image = processor.tokenizer, processor.image_token
    cut = texts[0].rindex(image) + len(image)
    if any(text[:cut] != texts[0][:cut] for text in texts):
        return None
    ids, kinds, grids = (
        first[name] for name in ("input_ids", "mm_token_type_ids", "image_grid_thw")
    )
    begun = int((ids[0] == processor.image_token_id).nonzero()[-1]) + 1
    # An image token is special: what stands behind it is encoded as if it stood alone.
    tails = [
        torch.tensor(tokenizer(text[cut:], add_special_tokens=False)["input_ids"]) for text in texts
    ]
    if not torch.equal(tails[0], ids[0, begun:]):
        return None
    rows = [torch.cat([ids[0, :begun], tail]) for tail in tails]
    axes = model.model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=grids)[0][:, 0]
    # Text advances by one on each axis.
    positions = [
        torch.cat([axes[:, :begun], axes[:, begun, None] + torch.arange(len(tail))], dim=1)
        for tail in tails
    ]
    packed = pack(rows, positions)
    sent = {
        "input_ids": packed.input_ids,
        "position_ids": packed.position_ids,
        "logits_to_keep": packed.last,
        # As the model itself would, but before the way to the device.
        "pixel_values": first["pixel_values"].to(model.dtype),
        **_vision(model, grids),
    }
    if packed.attention_mask is not None:
        sent["attention_mask"] = packed.attention_mask
    return sent, {"image_grid_thw": grids, "image_cu_seqlens": get_vision_cu_seqlens(grids)}


def pack(rows: Sequence[torch.Tensor], positions: Sequence[torch.Tensor]) -> Packed:
    """One row of all questions.

    Parameters
    ----------
    rows
        Each question's tokens, of shape (length,).
    positions
        The positions of each question's tokens, of shape (axes, length); equal where the tokens
        are.
    """
    lengths = [len(row) for row in rows]
    if len(rows) == 1:
        last = torch.tensor([lengths[0] - 1])
        return Packed(rows[0][None], positions[0][:, None], None, last)
    # A row that another begins with keeps its last token for itself.
    prefix = min(_common(rows[0], row) for row in rows[1:])
    prefix = min(prefix, min(lengths) - 1)
    # In an order of their own, so that a score does not depend on the order of the criteria.
    order = sorted(range(len(rows)), key=lambda number: rows[number].tolist())
    rests = torch.tensor([lengths[number] - prefix for number in order])
    last = torch.empty(len(rows), dtype=torch.long)
    last[order] = prefix + rests.cumsum(0) - 1
    owner = torch.arange(len(rows)).repeat_interleave(rests)
    within = (owner[:, None] == owner[None, :]).tril()
    mask = torch.cat([torch.ones(len(owner), prefix, dtype=torch.bool), within], dim=1)
    first = order[0]
    return Packed(
        torch.cat([rows[first][:prefix], *(rows[number][prefix:] for number in order)])[None],
        torch.cat(
            [positions[first][:, :prefix], *(positions[number][:, prefix:] for number in order)],
            dim=1,
        )[:, None],
        mask[None, None],
        last,
    )


def _common(row: torch.Tensor, other: torch.Tensor) -> int:
    length = min(len(row), len(other))
    differs = (row[:length] != other[:length]).nonzero()
    return int(differs[0]) if len(differs) else length


def batch(processor: Any, cases: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """One batch of what the processor made of each case alone: texts padded, pictures in a row."""
    texts = [{name: case[name][0] for name in ("input_ids", "attention_mask")} for case in cases]
    padded = processor.tokenizer.pad(texts, padding=True, return_tensors="pt")
    length = padded["input_ids"].shape[1]
    kinds = [case["mm_token_type_ids"] for case in cases]
    return {
        **padded,
        "mm_token_type_ids": torch.cat(
            [functional.pad(one, (length - one.shape[1], 0)) for one in kinds]
        ),
        **{
            name: torch.cat([case[name] for case in cases])
            for name in ("pixel_values", "image_grid_thw")
        },
    }


def _vision(model: Any, grids: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the vision tower works out from its pictures' grids, of shape (pictures, 3)."""
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
    """Attention in two parts: the prefix causally, without a mask, and the rests to all with one.

    A mask for the whole row would keep the fast kernels from the prefix, which is nearly all of it.
    Queries have the shape (batch, heads, tokens, head size), the result (batch, tokens, heads,
    head size).
    """
    if attention_mask is None or attention_mask.shape[2] == query.shape[2]:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling)
    prefix = query.shape[2] - attention_mask.shape[2]
    begun, _none = sdpa_attention_forward(
        module, query[:, :, :prefix], key[:, :, :prefix], value[:, :, :prefix], None,
        scaling=scaling,
    )  # fmt: skip
    rests, _none = sdpa_attention_forward(
        module, query[:, :, prefix:], key, value, attention_mask, scaling=scaling
    )
    return torch.cat([begun, rests], dim=1), None


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, sdpa_mask)

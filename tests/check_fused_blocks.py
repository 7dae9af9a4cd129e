"""Fused blocks against the reference on a CPU; run by test_acceleration in Triton's interpreter."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from edit_benchmark.editing.acceleration import attention
from edit_benchmark.editing.acceleration.modulation_cache import cache_modulation
from edit_benchmark.editing.acceleration.qwen_image import fuse_blocks
from qwen_transformer import GRIDS, IMAGE_TOKENS, inputs, transformer

#: Relative error allowed: rounding of single precision; of bfloat16, whose digit is 4e-3.
TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 1.5e-2}


def fused(zero_cond_t: bool, dtype: torch.dtype, edited_only: bool = False) -> Any:
    model = transformer(zero_cond_t, dtype)
    cache_modulation(model)
    fuse_blocks(model, edited_only)
    return model


def error(output: torch.Tensor, reference: torch.Tensor) -> float:
    return ((output - reference).norm() / reference.norm()).item()


@pytest.fixture(autouse=True)
def without_gradients() -> Any:
    with torch.no_grad():
        yield


@pytest.mark.parametrize("zero_cond_t", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_forwards_agree_for_texts_of_any_length(zero_cond_t: bool, dtype: torch.dtype) -> None:
    reference, model = transformer(zero_cond_t, dtype), fused(zero_cond_t, dtype)
    for text, step in ((3, 0.75), (1, 0.25)):
        given = inputs(dtype, text, step)
        assert error(model(**given)[0], reference(**given)[0]) < TOLERANCE[dtype]


@pytest.mark.parametrize("zero_cond_t", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_the_edited_image_is_the_same_where_nothing_else_is_computed(
    zero_cond_t: bool, masked: bool
) -> None:
    dtype, edited = torch.float32, math.prod(GRIDS[0])
    reference, model = transformer(zero_cond_t, dtype), fused(zero_cond_t, dtype, edited_only=True)
    given = inputs(dtype, 4, 0.75)
    if masked:
        given["encoder_hidden_states_mask"] = torch.tensor([[1, 1, 0, 1]])
    output, expected = model(**given)[0], reference(**given)[0]
    assert error(output[:, :edited], expected[:, :edited]) < TOLERANCE[dtype]
    assert output.shape == expected.shape
    assert error(output[:, edited:], expected[:, edited:]) > 0.1  # not computed, as it was to be


@pytest.mark.parametrize("edited_only", [False, True])
@pytest.mark.parametrize("size", [1.0, 6.0])
def test_keys_filled_up_to_whole_tiles_leave_no_trace(
    size: float, edited_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``size`` stretches queries and keys, until single keys win all the attention."""
    padded = []

    def attention_of_the_cpu(*parts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        padded.append(len(parts[1]))
        attended, log_sum_exp = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            *(part.transpose(0, 1)[None] for part in parts)
        )
        return attended[0].transpose(0, 1).contiguous(), log_sum_exp[0].contiguous()

    reference, model = transformer(True, torch.float32), transformer(True, torch.float32)
    for changed in (reference, model):
        for block in changed.transformer_blocks:
            block.attn.norm_q.weight.mul_(size)
            block.attn.norm_added_k.weight.mul_(size)
    cache_modulation(model)
    fuse_blocks(model, edited_only)
    monkeypatch.setattr(attention, "_cudnn_is_chosen", lambda *_: True)
    monkeypatch.setattr(attention, "_cudnn_attention", attention_of_the_cpu)
    given = inputs(torch.float32, 3, 0.5)
    edited = math.prod(GRIDS[0]) if edited_only else None
    # With 115 copies of one key some digits go to the correction: 128 times the rounding at worst.
    assert error(model(**given)[0][:, :edited], reference(**given)[0][:, :edited]) < 1e-5
    assert padded == [attention.KEY_TILE] * 2


def test_masked_prompt_tokens_are_not_seen() -> None:
    reference, model = transformer(False, torch.float32), fused(False, torch.float32)
    mask = torch.tensor([[1, 1, 0, 1]])
    given = inputs(torch.float32, 4, 0.5) | {"encoder_hidden_states_mask": mask}
    assert error(model(**given)[0], reference(**given)[0]) < TOLERANCE[torch.float32]


def test_a_change_between_two_blocks_is_not_overlooked() -> None:
    reference, model = transformer(False, torch.float32), fused(False, torch.float32)
    given = inputs(torch.float32, 3, 0.5)
    extra = [torch.randn(1, IMAGE_TOKENS, 96) for _ in range(2)]
    given |= {"controlnet_block_samples": extra}
    assert error(model(**given)[0], reference(**given)[0]) < TOLERANCE[torch.float32]


def test_an_adapters_own_forward_is_used() -> None:
    class Doubled(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(input)

    reference, model = transformer(False, torch.float32), transformer(False, torch.float32)
    for changed in (reference, model):
        block = changed.transformer_blocks[1]
        for layer in (block.attn.to_v, block.txt_mlp.net[0].proj, block.img_mlp.net[2]):
            layer.__class__ = Doubled
    cache_modulation(model)
    fuse_blocks(model)
    given = inputs(torch.float32, 3, 0.5)
    assert error(model(**given)[0], reference(**given)[0]) < TOLERANCE[torch.float32]


def test_two_images_at_once_are_refused() -> None:
    given = inputs(torch.float32, 3, 0.5)
    for name in ("hidden_states", "encoder_hidden_states", "timestep"):
        given[name] = torch.cat([given[name], given[name]])
    given["img_shapes"] *= 2
    with pytest.raises(ValueError, match="one image at a time"):
        fused(False, torch.float32)(**given)

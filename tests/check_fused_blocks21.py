"""Qwen-Image-2.1's fused blocks against the reference; run as ``check_fused_blocks`` is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from diffusers import QwenImage21Transformer2DModel
from diffusers.models.transformers.transformer_qwenimage21 import QwenImage21KVCache
from torch import nn

from edit_benchmark.editing.acceleration import attention
from edit_benchmark.editing.acceleration.qwen_image21 import fuse_blocks

#: Relative error allowed in single precision: its rounding.
TOLERANCE = 2e-6
LAYERS, IN_CHANNELS, CONTEXT = 2, 16, 24
SOURCES = {"no source": [], "one": [(1, 2, 2)], "two": [(1, 2, 2), (1, 2, 2)]}
EDITED = (1, 2, 2)


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def transformer(dtype: torch.dtype, **config: Any) -> Any:
    """The same weights at each call, large enough that every part shows in the output."""
    model = QwenImage21Transformer2DModel(
        in_channels=IN_CHANNELS, out_channels=IN_CHANNELS, num_layers=LAYERS,
        attention_head_dim=32, num_attention_heads=2, context_in_dim=CONTEXT,
        axes_dims_rope=(8, 12, 12), **config,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        deviation = 0.2 if weight.ndim > 1 else 0.5
        nn.init.normal_(weight, std=deviation, generator=generator)
    return model.to(dtype).eval()


def fused(dtype: torch.dtype, **config: Any) -> Any:
    model = transformer(dtype, **config)
    fuse_blocks(model)
    return model


def inputs(dtype: torch.dtype, grids: list[Any], step: float, text: int = 2) -> dict[str, Any]:
    """Two tokens of text, the sources with a token between them, and the rest of the text."""
    generator = torch.Generator().manual_seed(int(step * 100))
    slots = [False, False]
    for _, height, width in grids:
        slots += [True] * (height * width // 4) + [False]
    slots += [False] * text
    tokens = sum(height * width for _, height, width in [*grids, EDITED])
    embeds = torch.randn(1, len(slots), CONTEXT, generator=torch.Generator().manual_seed(text))
    return {
        "hidden_states": torch.randn(1, tokens, IN_CHANNELS, generator=generator).to(dtype),
        "encoder_hidden_states": embeds.to(dtype),
        "timestep": torch.tensor([step]).to(dtype),
        "img_shapes": [[*grids, EDITED]],
        "img_mask": torch.tensor([slots + [True] * (EDITED[1] * EDITED[2] // 4)]),
        "return_dict": False,
    }


def steps(
    model: Any,
    dtype: torch.dtype,
    grids: list[Any],
    mask: bool = False,
    texts: Sequence[int] = (2,),
) -> list[torch.Tensor]:
    """A step that keeps the prefix and one that uses it, by turns for prompts of some lengths."""
    caches = {text: QwenImage21KVCache(LAYERS) for text in texts}
    outputs = []
    for step, mode in ((0.9, "extract"), (0.6, "cached")):
        for text, cache in caches.items():
            given = inputs(dtype, grids, step, text) | {"kv_cache": cache, "kv_cache_mode": mode}
            if mask:
                valid = torch.ones(given["encoder_hidden_states"].shape[:2], dtype=torch.bool)
                valid[0, -1] = False
                given["encoder_hidden_states_mask"] = valid
            edited = EDITED[1] * EDITED[2]
            outputs.append(model(**given)[0][:, -edited:])
    return outputs


def error(output: torch.Tensor, reference: torch.Tensor) -> float:
    return ((output - reference).norm() / reference.norm()).item()


def agree(outputs: Any, references: Any, tolerance: float) -> bool:
    pairs = list(zip(outputs, references, strict=True))
    shapes = all(one.shape == other.shape for one, other in pairs)
    return shapes and all(error(*pair) < tolerance for pair in pairs)


@pytest.mark.parametrize("grids", SOURCES.values(), ids=SOURCES)
def test_steps_agree_whose_prefix_is_kept(grids: list[Any]) -> None:
    dtype, texts = torch.float32, (2, 1)
    references = steps(transformer(dtype), dtype, grids, texts=texts)
    assert agree(steps(fused(dtype), dtype, grids, texts=texts), references, TOLERANCE)


def test_half_precision_is_as_near_to_single_as_that_of_the_reference() -> None:
    grids = SOURCES["one"]
    exact = steps(transformer(torch.float32), torch.float32, grids)
    half = [steps(make(torch.bfloat16), torch.bfloat16, grids) for make in (transformer, fused)]
    stock, ours = (
        sum(error(output.float(), wide) for output, wide in zip(outputs, exact, strict=True))
        for outputs in half
    )
    assert ours < 1.02 * stock


@pytest.mark.parametrize("causal_condition", [True, False])
def test_a_forward_that_keeps_nothing_agrees_in_all_its_tokens(causal_condition: bool) -> None:
    dtype, given = torch.float32, inputs(torch.float32, SOURCES["two"], 0.4)
    model = fused(dtype, causal_condition=causal_condition)
    reference = transformer(dtype, causal_condition=causal_condition)
    assert error(model(**given)[0], reference(**given)[0]) < TOLERANCE


def test_prompt_tokens_that_are_masked_are_not_seen() -> None:
    dtype = torch.float32
    references = steps(transformer(dtype), dtype, SOURCES["one"], mask=True)
    assert agree(steps(fused(dtype), dtype, SOURCES["one"], mask=True), references, TOLERANCE)


def test_keys_filled_up_to_whole_tiles_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    padded = []

    def attention_of_the_cpu(*parts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        padded.append(len(parts[1]))
        attended, log_sum_exp = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            *(part.transpose(0, 1)[None] for part in parts)
        )
        return attended[0].transpose(0, 1).contiguous(), log_sum_exp[0].contiguous()

    references = steps(transformer(torch.float32), torch.float32, SOURCES["one"])
    monkeypatch.setattr(attention, "_cudnn_is_chosen", lambda *_: True)
    monkeypatch.setattr(attention, "_cudnn_attention", attention_of_the_cpu)
    assert agree(steps(fused(torch.float32), torch.float32, SOURCES["one"]), references, 1e-5)
    assert padded == [attention.KEY_TILE] * 2 * LAYERS


def test_a_later_step_does_not_embed_prompt_and_source_again() -> None:
    model, embedded = fused(torch.float32), []
    model.txt_in.register_forward_hook(lambda *_: embedded.append("prompt"))
    model.img_in.register_forward_hook(lambda _, __, out: embedded.append(out.shape[1]))
    steps(model, torch.float32, SOURCES["one"])
    edited = EDITED[1] * EDITED[2]
    assert embedded == [edited + 4, "prompt", edited]


def test_an_adapters_own_forward_is_used() -> None:
    class Doubled(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(input)

    reference, model = transformer(torch.float32), transformer(torch.float32)
    for changed in (reference, model):
        block = changed.transformer_blocks[1]
        for layer in (block.attn.to_v, block.img_mlp.gate_layer, block.img_mlp.out):
            layer.__class__ = Doubled
    fuse_blocks(model)
    grids = SOURCES["one"]
    references = steps(reference, torch.float32, grids)
    assert agree(steps(model, torch.float32, grids), references, TOLERANCE)


def test_two_images_at_once_are_refused() -> None:
    given = inputs(torch.float32, SOURCES["one"], 0.5)
    for name in ("hidden_states", "encoder_hidden_states", "timestep", "img_mask"):
        given[name] = torch.cat([given[name], given[name]])
    given["img_shapes"] *= 2
    with pytest.raises(ValueError, match="one image at a time"):
        fused(torch.float32)(**given)

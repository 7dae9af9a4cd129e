"""Accelerations that many models have, on their real classes: every bit is the reference's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from conftest import draw
from edit_benchmark.editing.acceleration.apply import accelerate, apply_accelerations
from models_at_full_size import CASES, TINY_GRID, Picture

STEPS = (0.75, 0.25, 0.75)


def of_case(name: str) -> tuple[Any, Callable[[float, int], torch.Tensor]]:
    case = CASES[name]
    model = case.build("cpu", **case.tiny).float()

    def forward(time: float, text: int) -> torch.Tensor:
        picture = Picture(case, model, TINY_GRID, (text,), "cpu")
        picture.latents = picture.latents.float()
        return picture.forward(time, 0, True)

    return model, forward


def bria_fibo() -> tuple[Any, Callable[[float, int], torch.Tensor]]:
    """Both forwards of guidance are one batch."""
    from diffusers import BriaFiboTransformer2DModel

    torch.manual_seed(0)
    model = BriaFiboTransformer2DModel(
        in_channels=8, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=32, text_encoder_dim=16,
        axes_dims_rope=(4, 6, 6),
    ).eval()  # fmt: skip

    def forward(time: float, text: int) -> torch.Tensor:
        torch.manual_seed(text)
        return model(
            hidden_states=torch.randn(2, 6, 8),
            encoder_hidden_states=torch.randn(2, text, 32),
            text_encoder_layers=[torch.randn(2, text, 16) for _ in range(2)],
            timestep=torch.full((2,), time),
            img_ids=torch.rand(6, 3),
            txt_ids=torch.zeros(text, 3),
            return_dict=False,
        )[0]

    return model, forward


def glm_image() -> tuple[Any, Callable[[float, int], torch.Tensor]]:
    from diffusers import GlmImageTransformer2DModel

    torch.manual_seed(0)
    model = GlmImageTransformer2DModel(
        in_channels=4, out_channels=4, num_layers=2, attention_head_dim=16,
        num_attention_heads=2, text_embed_dim=16, time_embed_dim=16, condition_dim=8,
        prior_vq_quantizer_codebook_size=32,
    ).eval()  # fmt: skip

    def forward(time: float, text: int) -> torch.Tensor:
        torch.manual_seed(text)
        return model(
            hidden_states=torch.randn(1, 4, 4, 6),
            encoder_hidden_states=torch.randn(1, text, 16),
            prior_token_id=torch.randint(0, 32, (1, 6)),
            prior_token_drop=torch.zeros(1, 6, dtype=torch.bool),
            timestep=torch.full((1,), time),
            target_size=torch.tensor([[32.0, 48.0]]),
            crop_coords=torch.zeros(1, 2),
            return_dict=False,
        )[0]

    return model, forward


MODELS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "longcat": (lambda: of_case("longcat"), ["modulation_cache"]),
    "bria fibo": (bria_fibo, ["modulation_cache"]),
    "glm": (glm_image, ["modulation_cache"]),
    "flux2 klein": (lambda: of_case("flux2-klein-4b"), []),
    "qwen-image-2.1": (lambda: of_case("qwen-image-2.1-cfg1"), []),
}


@pytest.mark.parametrize(("make", "names"), MODELS.values(), ids=MODELS)
@torch.no_grad()
def test_bitwise_accelerations_leave_every_bit(make: Callable[[], Any], names: list[str]) -> None:
    model, forward = make()
    times = [(time, text) for time in STEPS for text in (3, 5)]
    expected = [forward(*pair) for pair in times]
    assert accelerate(model, "bitwise") == names
    assert all(map(torch.equal, [forward(*pair) for pair in times], expected))
    assert not torch.equal(expected[0], expected[2])


@torch.no_grad()
def test_a_layer_with_an_adapter_is_computed_each_time() -> None:
    class Adapted(torch.nn.Linear):
        pass

    model, forward = of_case("longcat")
    for block in model.transformer_blocks:
        block.norm1.linear.__class__ = block.norm1_context.linear.__class__ = Adapted
    expected = forward(0.5, 3)
    assert accelerate(model, "bitwise") == []
    assert torch.equal(forward(0.5, 3), expected)


@torch.no_grad()
def test_a_source_is_seen_once_for_prompt_and_negative_prompt(judge_checkpoint: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(judge_checkpoint, local_files_only=True)
    encoder = AutoModelForImageTextToText.from_pretrained(judge_checkpoint, local_files_only=True)
    image = "<|vision_start|><|image_pad|><|vision_end|>"
    asked = [("a", "make it red"), ("a", " "), ("b", "make it red")]

    def encode(source: str, prompt: str) -> torch.Tensor:
        given = processor(text=[image + prompt], images=[draw(source)], return_tensors="pt")
        return encoder(**given, output_hidden_states=True).hidden_states[-1]

    expected = [encode(*pair) for pair in asked]
    seen: list[None] = []
    encoder.model.visual.patch_embed.register_forward_hook(lambda *_: seen.append(None))
    assert apply_accelerations(SimpleNamespace(text_encoder=encoder), "bitwise") == ["vision_cache"]
    assert all(map(torch.equal, [encode(*pair) for pair in asked], expected))
    assert len(seen) == 2  # sources

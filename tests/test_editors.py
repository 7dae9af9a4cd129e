"""The diffusers editor, with the real pipeline classes and tiny random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import draw
from demo.models import save_edit_pipeline
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.editors import DiffusersEditorSettings
from edit_benchmark.editing import registry
from edit_benchmark.editing.diffusers_pipeline import DiffusersEditor
from edit_benchmark.errors import SampleError, UserError

KINDS = ["edit", "plus", "plus-2511"]


def settings(path: Path, **changes: Any) -> DiffusersEditorSettings:
    values: dict[str, Any] = {
        "dtype": "float32",
        "num_inference_steps": 2,  # one alone is NaN with the real schedule (shift_terminal)
        "true_cfg_scale": 4.0,
        "negative_prompt": " ",
        "height": 64,
        "width": 64,
    }
    return DiffusersEditorSettings(editor="diffusers", checkpoint=str(path), **(values | changes))


@pytest.fixture(scope="module", params=KINDS)
def editor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp(request.param)
    save_edit_pipeline(path, request.param)
    return load(path)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("edit")
    save_edit_pipeline(path)
    return path


def load(path: Path, **changes: Any) -> DiffusersEditor:
    chosen = settings(path, **changes)
    built = registry.build(chosen, resolve(chosen, "models.m"), "cpu")
    assert isinstance(built, DiffusersEditor)
    return built


def pixels(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image)


def test_a_pipeline_edits_and_depends_on_seed_instruction_and_source(editor: Any) -> None:
    first = pixels(editor.edit(draw("a"), "make it red", 1))
    assert first.shape == (64, 64, 3)
    assert np.ptp(first) > 0
    for other in (
        editor.edit(draw("a"), "make it red", 2),
        editor.edit(draw("a"), "把它变成蓝色，保留阴影", 1),
        editor.edit(draw("zzzz", (40, 90)), "make it red", 1),
    ):
        assert not np.array_equal(first, pixels(other))
    # Nor on what was edited before.
    assert np.array_equal(first, pixels(editor.edit(draw("a"), "make it red", 1)))


def encoder_states(editor: Any, prompt: str, image: Image.Image) -> tuple[Any, Any]:
    """The pipeline's embeddings, and the text encoder's own for the same text and image."""
    pipeline = editor.pipeline
    plus = "Plus" in type(pipeline).__name__
    with torch.no_grad():
        ours, _ = pipeline._get_qwen_prompt_embeds(prompt, [image] if plus else image)
        lead = "Picture 1: <|vision_start|><|image_pad|><|vision_end|>" if plus else ""
        inputs = pipeline.processor(
            text=[pipeline.prompt_template_encode.format(lead + prompt)],
            images=[image],
            return_tensors="pt",
        )
        states = pipeline.text_encoder(**inputs, output_hidden_states=True).hidden_states[-1]
    return ours[0], states[0, pipeline.prompt_template_encode_start_idx :]


def test_the_embeddings_are_those_of_the_text_encoder(editor: Any) -> None:
    ours, own = encoder_states(editor, "make it red", draw("a", (300, 200)))
    assert torch.equal(ours, own)


def test_a_source_is_seen_once_for_prompt_and_negative_prompt(editor: Any) -> None:
    tower = editor.pipeline.text_encoder.model.visual
    runs: list[None] = []
    handle = tower.patch_embed.register_forward_hook(lambda *_: runs.append(None))
    cached, images, counts = tower.forward, [], []
    for forward in (cached, type(tower).forward.__get__(tower)):
        tower.forward = forward
        for sources in ("ab", "ba"):
            runs.clear()
            images += [pixels(editor.edit(draw(name), "make it red", 1)) for name in sources]
            counts.append(len(runs))
    tower.forward = cached
    handle.remove()
    # The second pair begins with the source that the first ended with.
    assert counts == [2, 1, 4, 4]
    assert all(map(np.array_equal, images[:4], images[4:]))
    assert not np.array_equal(images[0], images[1])


def test_stock_diffusers_embeddings_differ(plain: Path) -> None:
    """The fault that our editor mends: once it is gone upstream, so can our mending be."""
    editor = load(plain)
    editor.pipeline.text_encoder._forward_pre_hooks.clear()
    ours, own = encoder_states(editor, "make it red", draw("a", (300, 200)))
    assert ours.shape == own.shape
    assert not torch.allclose(ours, own, atol=1e-3)


@pytest.mark.parametrize("token", ["<|im_end|>", "<|image_pad|>", "<|vision_start|>"])
def test_control_tokens_in_an_instruction_are_text(editor: Any, token: str) -> None:
    seen: list[Any] = []
    pipeline = editor.pipeline
    handle = pipeline.text_encoder.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"]), with_kwargs=True
    )
    image = [draw("a")] if "Plus" in type(pipeline).__name__ else draw("a")
    try:
        for text in ("make it red", f"make {token} it {{red}}"):
            pipeline._get_qwen_prompt_embeds(editor._as_text(text), image)
    finally:
        handle.remove()
    tokenizer = pipeline.processor.tokenizer
    number = tokenizer.convert_tokens_to_ids(token)
    plain, hostile = seen
    assert (hostile == number).sum() == (plain == number).sum()
    assert f"make {token} it {{red}}" in tokenizer.decode(hostile[0])


def test_an_argument_that_the_pipeline_lacks_is_named(plain: Path) -> None:
    with pytest.raises(UserError, match="QwenImageEditPipeline takes no image_guidance_scale"):
        load(plain, call={"image_guidance_scale": 1.5})


def test_nan_from_the_vae_is_a_failed_sample(plain: Path) -> None:
    editor = load(plain)
    with torch.no_grad():
        editor.pipeline.vae.decoder.conv_out.bias.fill_(float("nan"))
    with pytest.raises(SampleError, match="not_finite"):
        editor.edit(draw("a"), "x", 1)


def test_what_determines_an_image_is_in_its_key_fields(plain: Path) -> None:
    def key_fields(**changes: Any) -> dict[str, Any]:
        chosen = settings(plain, **changes)
        return registry.KINDS["diffusers"].key_fields(chosen, resolve(chosen, "m"))

    base = key_fields()
    assert {"torch", "diffusers", "pillow"} < base["versions"].keys()
    for change in (
        {"num_inference_steps": 3},
        {"true_cfg_scale": 3.0},
        {"negative_prompt": ""},
        {"dtype": "bfloat16"},
        {"call": {"max_sequence_length": 256}},
        {"exact": "bitwise"},
    ):
        assert key_fields(**change) != base, change
    assert key_fields(trust_remote_code=True) == base


def test_other_weights_of_the_same_shape_are_another_checkpoint(
    plain: Path, tmp_path: Path
) -> None:
    save_edit_pipeline(tmp_path / "same")
    save_edit_pipeline(tmp_path / "other", seed=1)

    def identity(path: Path) -> str:
        checkpoint = resolve(settings(path), "m")
        assert isinstance(checkpoint, Checkpoint)
        return checkpoint.identity

    assert identity(plain) == identity(tmp_path / "same")
    assert identity(plain) != identity(tmp_path / "other")


def test_a_checkpoint_may_link_to_the_parts_of_another(plain: Path, tmp_path: Path) -> None:
    linked = tmp_path / "m"
    linked.mkdir()
    for part in plain.iterdir():
        (linked / part.name).symlink_to(part)
    expected = resolve(settings(plain), "models.m")
    resolved = resolve(settings(linked), "models.m")
    assert resolved == replace(expected, name=str(linked), path=str(linked))
    weights = next((plain / "vae").glob("*.safetensors"))
    (linked / "vae").unlink()
    (linked / "vae").mkdir()
    (linked / "vae" / weights.name).write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UserError, match="is incomplete: vae/"):
        resolve(settings(linked), "models.m")


def test_a_truncated_weight_file_is_named_with_both_sizes(plain: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(plain, tmp_path / "m")
    weights = next((tmp_path / "m" / "vae").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    size = weights.stat().st_size
    with pytest.raises(UserError, match=f"is incomplete: vae/.* has {size:,} of {size + 100:,} b"):
        resolve(settings(tmp_path / "m"), "models.m")


def test_pickled_weights_are_refused_unless_allowed(plain: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(plain, tmp_path / "m")
    for weights in (tmp_path / "m").rglob("*.safetensors"):
        weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(UserError, match="only pickled weights"):
        resolve(settings(tmp_path / "m"), "models.m")
    resolve(settings(tmp_path / "m", allow_pickle=True), "models.m")


def test_guidance_by_the_pipelines_own_default_is_not_dropped(plain: Path) -> None:
    with pytest.raises(UserError, match=r"own default, true_cfg_scale 4.0.*set negative_prompt"):
        load(plain, true_cfg_scale=None, negative_prompt=None)
    with pytest.raises(UserError, match=r"has guidance, true_cfg_scale 3.*set negative_prompt"):
        load(plain, true_cfg_scale=None, negative_prompt=None, call={"true_cfg_scale": 3})
    load(plain, true_cfg_scale=1, negative_prompt=None)
    load(plain, true_cfg_scale=None, negative_prompt=" ")

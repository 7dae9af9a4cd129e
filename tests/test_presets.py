"""Presets of released models: what they stand for, and what may be overridden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.config import presets
from edit_benchmark.config.editors import DiffusersEditorSettings
from edit_benchmark.config.resolve import resolve
from edit_benchmark.editing import registry
from edit_benchmark.errors import UserError


def settings(**model: Any) -> DiffusersEditorSettings:
    judge = {"judge": "transformers", "checkpoint": "a/b", "method": "expected"}
    path = str(ROOT / "resources" / "demo" / "benchmark.jsonl")
    config = {"benchmark": {"path": path}, "models": {"m": model}, "judges": {"j": judge}}
    found = resolve(config).models["m"]
    assert isinstance(found, DiffusersEditorSettings)
    return found


def key(chosen: DiffusersEditorSettings) -> dict[str, Any]:
    checkpoint = Checkpoint("m", "nowhere", "c0", "", "QwenImageEditPipeline", 0)
    return registry.KINDS["diffusers"].key_fields(chosen, checkpoint)


@pytest.mark.parametrize("name", presets.names())
def test_each_preset_is_a_setting_with_its_source(name: str) -> None:
    text = (presets.PRESETS / f"{name}.yaml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    assert text.startswith("# Source: ")
    assert content.keys() <= {"licence", "memory_gib", "settings"}
    chosen = settings(preset=name)
    assert chosen.num_inference_steps is not None
    assert f"`{name}`" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_preset_is_the_same_edit_as_its_values_written_out() -> None:
    chosen = settings(preset="qwen-image-edit-2511", seed=42)
    written = settings(
        editor="diffusers",
        checkpoint="Qwen/Qwen-Image-Edit-2511",
        num_inference_steps=40,
        true_cfg_scale=4.0,
        negative_prompt=" ",
        seed=42,
    )
    assert key(chosen) == key(written)
    # The record has the values themselves, not only the name that may come to mean another.
    assert chosen.model_dump() == written.model_dump() | {"preset": "qwen-image-edit-2511"}


def test_what_a_model_says_itself_stands() -> None:
    chosen = settings(
        preset="sdxl-instruct-pix2pix-768",
        checkpoint="own/copy",
        num_inference_steps=7,
        call={"guidance_scale": 5.0},
    )
    assert (chosen.checkpoint, chosen.num_inference_steps) == ("own/copy", 7)
    assert chosen.call == {"guidance_scale": 5.0, "image_guidance_scale": 1.5}
    assert chosen.area == 589_824
    sized = settings(preset="sdxl-instruct-pix2pix-768", height=512, width=512)
    assert (sized.area, sized.height, sized.width) == (None, 512, 512)
    called = settings(preset="glm-image", call={"height": 512, "width": 512})
    assert (called.area, called.call["height"]) == (None, 512)
    unguided = settings(preset="qwen-image-edit", true_cfg_scale=1, negative_prompt=None)
    assert (unguided.true_cfg_scale, unguided.negative_prompt) == (1, None)


def test_a_revision_is_one_of_the_presets_own_repository() -> None:
    assert settings(preset="dreamlite-base").revision == "diffusers"
    assert settings(preset="dreamlite-base", checkpoint="own/tuned").revision is None
    own = settings(preset="dreamlite-base", checkpoint="own/tuned", revision="v2")
    assert own.revision == "v2"
    assert settings(preset="dreamlite-base", revision="main").revision == "main"


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ({"preset": "qwen-image-9"}, r"config: models.m.preset: 'qwen-image-9' is not one of: .*f"),
        ({"preset": ["a"]}, r"config: models.m.preset: \['a'\] is not one of: "),
        ({"preset": "../../config/config"}, "is not one of: "),
        ({"preset": "qwen-image-edit", "stesp": 3}, "config: models.m: unknown key stesp"),
        (
            {"preset": "qwen-image-edit", "negative_prompt": None},
            "config: models.m: true_cfg_scale 4.0 asks for guidance",
        ),
        (
            {"preset": "qwen-image-edit", "editor": "identity"},
            "config: models.m: preset is not used by identity; .* of diffusers",
        ),
    ],
)
def test_a_mistake_is_one_sentence(model: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        settings(**model)


def test_a_preset_of_ones_own_without_settings_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "PRESETS", tmp_path)
    (tmp_path / "mine.yaml").write_text("checkpoint: a/b\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"mine\.yaml: it has no settings"):
        settings(preset="mine")

"""What is said of a pipeline's arguments before it is loaded: its class and its files tell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.config.editors import DiffusersEditorSettings
from edit_benchmark.editing import arguments, pipelines, signatures
from edit_benchmark.errors import UserError

QWEN = "QwenImageEditPlusPipeline"
KLEIN = "Flux2KleinPipeline"
P2P = "StableDiffusionInstructPix2PixPipeline"


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Check settings for a checkpoint of a pipeline; its files say what ``files`` holds."""
    monkeypatch.setattr(pipelines, "NEEDS", {})  # whatever is installed

    def check(pipeline: str, files: dict[str, Any], **settings: Any) -> None:
        index = {"_class_name": pipeline} | files.get("index", {})
        (tmp_path / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
        (tmp_path / "transformer").mkdir(exist_ok=True)
        config = json.dumps(files.get("transformer", {}))
        (tmp_path / "transformer" / "config.json").write_text(config, encoding="utf-8")
        arguments.check(
            DiffusersEditorSettings(editor="diffusers", checkpoint=str(tmp_path), **settings),
            Checkpoint("m", str(tmp_path), "", "", pipeline, 0),
        )

    return check


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    # What the pipeline does not take, and what is not the user's to give.
    (QWEN, {}, {"true_cfg_scale": 1, "call": {"image_guidance_scale": 1.5}},
     "takes no image_guidance_scale; it takes negative_prompt, true_cfg_scale, height, width"),
    ("Flux2Pipeline", {}, {"negative_prompt": " "}, "Flux2Pipeline takes no negative_prompt"),
    ("LongCatImageEditPipeline", {}, {"height": 512, "width": 512}, "takes no height, width"),
    (P2P, {}, {"height": 512, "width": 512}, "takes no height, width"),
    ("QwenImagePipeline", {}, {}, "QwenImagePipeline edits no image"),
    ("WanImageToVideoPipeline", {}, {}, "WanImageToVideoPipeline, which makes a video"),
    (KLEIN, {}, {"call": {"output_type": "pil"}}, "output_type of call is given by the editor"),
    ("BriaFiboEditPipeline", {}, {"call": {"seed": 1}}, "seed of call is given by the editor"),
    ("BriaFiboEditPipeline", {}, {"call": {"mask": "x.png"}}, "mask of call is given by the ed"),
    (QWEN, {}, {"true_cfg_scale": 1, "call": {"true_cfg_scale": 3}},
     "true_cfg_scale stands in the model's settings and in call"),
    # Guidance that would be dropped.
    (QWEN, {}, {}, "guidance by its own default, true_cfg_scale 4.0, and without a negative_p"),
    ("FluxKontextPipeline", {}, {"area": 1048576, "call": {"true_cfg_scale": 2}},
     "guidance, true_cfg_scale 2, and without a negative_prompt"),
    ("QwenImage21Pipeline", {}, {"call": {"true_cfg_scale": 4}}, "without a negative_prompt"),
    (KLEIN, {"index": {"is_distilled": True}}, {},
     "a distilled model, and Flux2KleinPipeline would drop the guidance by its own default, "
     "guidance_scale 4, silently"),
    (KLEIN, {"index": {"is_distilled": True}}, {"call": {"guidance_scale": 2.5}}, "scale 2.5"),
    (P2P, {}, {"call": {"image_guidance_scale": 0.5}},
     "7.5 by its own default and 0.5 it would drop both silently"),
    (P2P, {}, {"call": {"guidance_scale": 1}}, "1 and 1.5 by its own default it would drop both"),
    ("StableDiffusionXLInstructPix2PixPipeline", {}, {"call": {"guidance_scale": 1}}, "1 and 1.5"),
    # What has no effect.
    (QWEN, {"transformer": {"guidance_embeds": False}},
     {"true_cfg_scale": 1, "call": {"guidance_scale": 3.5}},
     "guidance_scale has no effect in QwenImageEditPlusPipeline unless .* true_cfg_scale is its"),
    ("Flux2Pipeline", {"transformer": {"guidance_embeds": False}},
     {"call": {"guidance_scale": 3.5}}, "guidance_scale has no effect"),
    ("QwenImage21Pipeline", {"index": {"sample_sigmas": [1.0, 0.5]}}, {"num_inference_steps": 40},
     r"schedule of its own \(sample_sigmas, 2 steps\), so that num_inference_steps has no effect"),
    (KLEIN, {}, {"num_inference_steps": 4, "call": {"sigmas": [1.0, 0.5]}},
     "num_inference_steps has no effect beside sigmas"),
    ("DreamLitePipeline", {}, {"call": {"max_sequence_length": 100}}, "cuts no instruction"),
    ("JoyImageEditPipeline", {}, {"height": 512, "width": 512}, "does not set the size"),
    ("JoyImageEditPipeline", {}, {"area": 262144}, "chooses the size by itself"),
    ("LongCatImageEditPipeline", {}, {"area": 262144}, "chooses the size by itself"),
    ("ChronoEditPipeline", {}, {"call": {"num_frames": 29}},
     "num_frames has no effect without enable_temporal_reasoning: true"),
    (P2P, {"index": {"scheduler": ["diffusers", "EulerAncestralDiscreteScheduler"]}},
     {"call": {"eta": 0.5}}, "eta has no effect with the checkpoint's EulerAncestral"),
    ("FluxKontextPipeline", {}, {"height": 512, "width": 768},
     r"would make 1254x836 of 768x512, .* 1048576 pixels; set call: \{max_area: 393216\}"),
    ("FluxKontextPipeline", {}, {"area": 65536, "call": {"max_area": 65536}}, "remove max_area"),
    ("GlmImagePipeline", {}, {}, "GlmImagePipeline needs a size; set area"),
    ("GlmImagePipeline", {}, {"call": {"height": 512}}, "GlmImagePipeline needs a size; set area"),
    ("GlmImagePipeline", {}, {"area": 1048576, "call": {"height": 512, "width": 512}},
     "area stands in place of height and width; remove one of the two"),
    ("FluxKontextPipeline", {}, {"call": {"height": "512", "width": 512}},
     "height of call is no whole number of pixels"),
]  # fmt: skip

TAKEN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (QWEN, {"transformer": {"guidance_embeds": False}},
     {"negative_prompt": " ", "call": {"guidance_scale": 1.0}}),  # as its makers' example has it
    (QWEN, {"transformer": {"guidance_embeds": True}},
     {"true_cfg_scale": 1, "call": {"guidance_scale": 3.5}}),
    ("QwenImage21Pipeline", {}, {"num_inference_steps": 40}),
    (KLEIN, {"index": {"is_distilled": True}}, {"call": {"guidance_scale": 1}}),
    (KLEIN, {"index": {"is_distilled": False}}, {}),
    (P2P, {}, {}),
    (P2P, {}, {"call": {"guidance_scale": 1, "image_guidance_scale": 1}}),
    (P2P, {"index": {"scheduler": ["diffusers", "DDIMScheduler"]}}, {"call": {"eta": 0.5}}),
    ("DreamLitePipeline", {}, {"call": {"guidance_scale": 1, "image_guidance_scale": 0.5}}),
    ("FluxKontextPipeline", {}, {"height": 512, "width": 768, "call": {"max_area": 393216}}),
    ("FluxKontextPipeline", {}, {"height": 832, "width": 1248}),
    ("ChronoEditPipeline", {},
     {"area": 921600, "call": {"enable_temporal_reasoning": True, "num_frames": 29}}),
    ("AClassOfItsOwn", {}, {"call": {"anything": 1}}),  # looked at once it is loaded
]  # fmt: skip


@pytest.mark.parametrize(("pipeline", "files", "settings", "sentence"), REFUSED)
def test_what_a_pipeline_would_drop_is_refused_by_one_sentence(
    check: Any, pipeline: str, files: dict[str, Any], settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as refusal:
        check(pipeline, files, **settings)
    assert str(refusal.value).startswith("checkpoint m: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("pipeline", "files", "settings"), TAKEN)
def test_what_a_pipeline_takes_is_not_refused(
    check: Any, pipeline: str, files: dict[str, Any], settings: dict[str, Any]
) -> None:
    check(pipeline, files, **settings)


def test_a_negative_prompt_and_a_shape_that_may_not_be_meant_are_warned_of(
    check: Any, caplog: pytest.LogCaptureFixture
) -> None:
    check(QWEN, {}, true_cfg_scale=1, negative_prompt=" ")
    check("ChronoEditPipeline", {})
    assert [record.getMessage() for record in caplog.records] == [
        "QwenImageEditPlusPipeline has no guidance here, so negative_prompt has no effect",
        "ChronoEditPipeline makes 832x480 of every source, whatever its shape; set area to keep "
        "the shape",
    ]


def test_a_package_that_a_pipeline_needs_is_named(
    check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines, "NEEDS", {"ChronoEditPipeline": "no_such_package"})
    with pytest.raises(UserError, match="needs the package no_such_package; pip install no_such"):
        check("ChronoEditPipeline", {}, area=921_600)


def test_a_signature_is_read_from_the_source_as_python_has_it() -> None:
    """And without the libraries, whose imports take seconds."""
    code = (
        "import json, sys\n"
        "from edit_benchmark.editing import registry, signatures\n"
        f"taken = signatures.parameters({QWEN!r})\n"
        "assert not {'torch', 'diffusers'} & set(sys.modules)\n"
        "from diffusers import QwenImageEditPlusPipeline as pipeline\n"
        "assert taken == signatures.parameters_of(pipeline.__call__), taken\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts", check=True)
    assert signatures.parameters("DDIMScheduler", "step") is not None
    assert signatures.parameters("No such class") is None

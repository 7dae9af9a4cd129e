"""CLIP-I, CLIP-T and DINO, with tiny models of random weights in the layout of released ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import draw
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.judges import PixelsJudgeSettings
from edit_benchmark.errors import UserError
from edit_benchmark.judging import registry
from edit_benchmark.judging.job import question_fields
from edit_benchmark.judging.judge import Answer, Case, Judge
from edit_benchmark.judging.variations import rubric_of
from edit_benchmark.records import Edit, Sample

SIZES = {
    "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
}  # fmt: skip
SAMPLE = Sample("s", "physical", 0, "paint it red", "", "source hash", 64, 48)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    path = tmp_path_factory.mktemp("clip")
    ends = ["<|startoftext|>", "<|endoftext|>"]
    letters = [letter + end for letter in "abcdefghijklmnopqrstuvwxyz" for end in ("", "</w>")]
    vocabulary = {token: number for number, token in enumerate([*letters, *ends])}
    (path / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (path / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    tokenizer = CLIPTokenizer(str(path / "vocab.json"), str(path / "merges.txt"))
    tokenizer.save_pretrained(path)
    text = SIZES | {
        "vocab_size": len(vocabulary), "max_position_embeddings": 12,
        "bos_token_id": vocabulary[ends[0]], "eos_token_id": vocabulary[ends[1]],
    }  # fmt: skip
    vision = SIZES | {"image_size": 32, "patch_size": 16}
    torch.manual_seed(0)
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    CLIPModel(config).save_pretrained(path)
    size = {"crop_size": {"height": 32, "width": 32}, "size": {"shortest_edge": 32}}
    CLIPImageProcessor(**size).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import Dinov2Config, Dinov2Model, ViTImageProcessor

    path = tmp_path_factory.mktemp("dino")
    torch.manual_seed(0)
    Dinov2Model(Dinov2Config(image_size=28, patch_size=14, **SIZES)).save_pretrained(path)
    ViTImageProcessor(size={"height": 28, "width": 28}).save_pretrained(path)
    return path


def judge_of(measure: str, folder: Path) -> tuple[PixelsJudgeSettings, Judge]:
    settings = PixelsJudgeSettings(judge="pixels", measures=[measure], checkpoint=str(folder))
    return settings, registry.build(settings, resolve(settings, "judges.j"), "cpu")


def value(measure: str, folder: Path, edited: str, instruction: str = "") -> float:
    settings, judge = judge_of(measure, folder)
    sample = replace(SAMPLE, instruction=instruction or SAMPLE.instruction)
    rubric = rubric_of(settings, "physical", "en")
    case = Case(sample, draw("source"), draw(edited, (80, 60)), rubric)
    [answer] = judge.judge([case])
    assert isinstance(answer, Answer)
    found = answer.criteria[measure]
    assert found is not None
    assert -1 <= found <= 1
    return found


@pytest.mark.parametrize("measure", ["clip_i", "dino"])
def test_an_image_is_most_like_itself(
    measure: str, clip: Path, dino: Path, request: pytest.FixtureRequest
) -> None:
    folder = clip if measure == "clip_i" else dino
    settings, judge = judge_of(measure, folder)
    source = draw("source")
    rubric = rubric_of(settings, "physical", "en")
    [answer] = judge.judge([Case(SAMPLE, source, source.copy(), rubric)])
    assert isinstance(answer, Answer)
    assert answer.criteria[measure] == pytest.approx(1, abs=1e-5)
    assert value(measure, folder, "another") < 1 - 1e-5


def test_clip_t_compares_the_edit_with_its_instruction(clip: Path) -> None:
    one, other = (value("clip_t", clip, "an edit", text) for text in ("a cat", "zebras fly"))
    assert one != other
    # Longer than the model can read, it is cut off.
    value("clip_t", clip, "an edit", "word " * 100)
    settings, _ = judge_of("clip_t", clip)
    rubric = rubric_of(settings, "physical", "en")
    edit = Edit("s", "physical", "m", "edited", image_sha256="edit hash")
    asked = question_fields(settings, rubric, SAMPLE, edit)
    assert asked == {"picture_sha256": "edit hash", "text": "paint it red"}


def test_a_checkpoint_of_another_kind_is_refused(clip: Path, dino: Path) -> None:
    with pytest.raises(UserError, match="of the type dinov2, but clip_i takes a CLIP model"):
        judge_of("clip_i", dino)
    with pytest.raises(UserError, match="of the type clip, but dino takes a DINO"):
        judge_of("dino", clip)

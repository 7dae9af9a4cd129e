"""The models of long tests: real classes, random weights, and images and scores that vary."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image

import random_models
from conftest import draw
from demo.models import save_edit_pipeline, save_judge

KINDS = get_args(get_type_hints(save_edit_pipeline)["kind"])


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module", params=KINDS)
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from diffusers import DiffusionPipeline

    path = tmp_path_factory.mktemp(request.param)
    save_edit_pipeline(path, request.param)
    loaded = DiffusionPipeline.from_pretrained(path, local_files_only=True, use_safetensors=True)
    assert loaded.transformer.config.zero_cond_t == (request.param == "plus-2511")
    assert ("Plus" in type(loaded).__name__) == request.param.startswith("plus")
    loaded.set_progress_bar_config(disable=True)
    return loaded


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    path = tmp_path_factory.mktemp("judge")
    save_judge(path)
    return (
        AutoProcessor.from_pretrained(path, local_files_only=True),
        AutoModelForImageTextToText.from_pretrained(path, local_files_only=True),
    )


def edit(
    pipeline: Any, source: str = "a", instruction: str = "make it red", seed: int = 0
) -> np.ndarray[Any, Any]:
    result = pipeline(
        image=draw(source),
        prompt=instruction,
        negative_prompt=" ",
        true_cfg_scale=4.0,
        num_inference_steps=2,
        height=128,
        width=128,
        generator=torch.Generator("cpu").manual_seed(seed),
        output_type="np",
    )
    return np.asarray(result.images[0])


def as_saved(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (values * 255).round().astype(np.int64)


def test_an_edit_varies_with_seed_instruction_and_source(pipeline: Any) -> None:
    first = edit(pipeline)
    assert first.shape == (128, 128, 3)
    assert np.isfinite(first).all()
    assert first.std() > 0.05
    assert np.array_equal(first, edit(pipeline))
    for other in (
        edit(pipeline, seed=1),
        edit(pipeline, instruction="把它变成蓝色，保留阴影"),
        edit(pipeline, source="zzzz"),
    ):
        # Not in a few pixels: as a person would see it in the saved image.
        assert (as_saved(first) != as_saved(other)).mean() > 0.3


def test_a_long_chinese_instruction_is_edited(pipeline: Any) -> None:
    instruction = "把左边的红色杯子移到窗台上" * 24  # 312 characters, 936 tokens
    assert np.isfinite(edit(pipeline, instruction=instruction)).all()


def next_token(judge: tuple[Any, Any], text: str, *images: Image.Image) -> torch.Tensor:
    processor, model = judge
    content = [{"type": "image", "image": image} for image in images]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": [*content, {"type": "text", "text": text}]}],
        tokenize=True,
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        logits: torch.Tensor = model(**inputs).logits[0, -1]
    return logits.softmax(-1)


def test_a_judges_answer_varies_with_images_and_question(judge: tuple[Any, Any]) -> None:
    images = draw("a", (512, 384)), draw("zzzz", (512, 384))
    first = next_token(judge, "Answer with a digit.", *images)
    assert torch.isfinite(first).all()
    assert torch.equal(first, next_token(judge, "Answer with a digit.", *images))
    for other in (
        next_token(judge, "Answer with a digit.", *images[::-1]),
        next_token(judge, "Answer with a digit.", images[0]),
        next_token(judge, "Is it red?", *images),
    ):
        assert (first - other).abs().sum() > 0.05


def test_the_judges_prompt_is_that_of_the_released_model(judge: tuple[Any, Any]) -> None:
    processor, _ = judge
    text = processor.apply_chat_template(
        [
            {"role": "system", "content": "Be strict."},
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "好吗?"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "4"}]},
            {"role": "user", "content": "Why?"},
        ],
        add_generation_prompt=True,
    )
    assert text == (
        "<|im_start|>system\nBe strict.<|im_end|>\n"
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>好吗?<|im_end|>\n"
        "<|im_start|>assistant\n4<|im_end|>\n"
        "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_judge_has_a_token_for_each_label_and_samples(judge: tuple[Any, Any]) -> None:
    processor, model = judge
    for label in "0123456789ABCXYZabcxyz":
        assert len(processor.tokenizer.encode(label, add_special_tokens=False)) == 1
    for text in ("a 1 中文 é\n", "<|im_start|>user\n"):
        assert processor.tokenizer.decode(processor.tokenizer.encode(text)) == text
    assert len(processor.tokenizer) <= model.config.text_config.vocab_size
    own = model.generation_config
    assert (own.do_sample, own.temperature, own.top_p, own.top_k) == (True, 0.7, 0.8, 20)


@pytest.mark.parametrize("save", [save_edit_pipeline, save_judge])
def test_equal_seeds_give_equal_files_and_leave_random_numbers_alone(
    tmp_path: Path, save: Any
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    save(tmp_path / "first", seed=3)
    assert torch.equal(torch.rand(1), expected)
    save(tmp_path / "second", seed=3)
    save(tmp_path / "third", seed=4)
    first = contents(tmp_path / "first")
    assert first == contents(tmp_path / "second")
    assert first.keys() == contents(tmp_path / "third").keys()
    assert first != contents(tmp_path / "third")
    assert sum(map(len, first.values())) < 4_000_000


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Callable[[], list[str]]:
    """Run the command to ``tmp_path``; the lines that it prints, with paths relative to it."""
    monkeypatch.setattr(sys, "argv", ["random_models.py", "--out", str(tmp_path)])

    def run() -> list[str]:
        random_models.main()
        return capsys.readouterr().out.replace(f"{tmp_path}/", "").splitlines()

    return run


def test_the_command_makes_what_is_missing_or_of_another_version(
    tmp_path: Path, make: Callable[[], list[str]]
) -> None:
    (tmp_path / "judge").mkdir()  # as something else left it: without a marker
    (tmp_path / "judge" / "config.json").write_text("{", encoding="utf-8")
    assert make() == ["editor: made", "judge: made"]
    saved = contents(tmp_path)
    assert {name.split("/")[0] for name in saved} == {"editor", "judge"}
    (tmp_path / "editor" / ".made-with").write_text("torch 1.0\n", encoding="utf-8")
    assert make() == ["editor: made", "judge: there already"]
    assert contents(tmp_path) == saved


def test_a_run_that_is_stopped_leaves_no_half_checkpoint(
    tmp_path: Path, make: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(path: Path) -> None:
        (path / "model_index.json").write_text("{}", encoding="utf-8")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("demo.models.save_edit_pipeline", stopped)
        with pytest.raises(KeyboardInterrupt):
            make()
    assert contents(tmp_path) == {}
    assert make() == ["editor: made", "judge: made"]

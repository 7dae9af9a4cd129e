"""Tiny judges and what they are asked, for tests of the judge."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers

from conftest import draw
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.judges import TransformersJudgeSettings
from edit_benchmark.judging import registry
from edit_benchmark.judging.judge import Answer, Case
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.judging.transformers_judge import TransformersJudge
from edit_benchmark.records import Sample

SAMPLE = Sample(
    id="a", category="physical", index=0, instruction="move {it} for $5", source="s",
    source_sha256="0", width=64, height=48, instruction_zh="移动", rationale_en="gravity",
)  # fmt: skip


def load(path: Path, **changes: Any) -> TransformersJudge:
    values = {"dtype": "float32", "min_mass": 0, "max_new_tokens": 6} | changes
    settings = TransformersJudgeSettings(judge="transformers", checkpoint=str(path), **values)
    judge = registry.build(settings, resolve(settings, "judges.j"), "cpu")
    assert isinstance(judge, TransformersJudge)
    return judge


def case(rubric: Rubric, edited: str = "edited", **changes: Any) -> Case:
    sample = replace(SAMPLE, **changes)
    return Case(sample, draw("source", (90, 70)), draw(edited, (64, 64)), rubric)


def probabilities(answer: Any) -> dict[str, list[float]]:
    assert isinstance(answer, Answer)
    return {key: list(answer.details[key]["probabilities"].values()) for key in answer.criteria}


def make_older(path: Path) -> None:
    """The same checkpoint with the architecture before: other positions, windows, no deepstack."""
    config = json.loads((path / "config.json").read_text())
    text = config["text_config"]
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6}
    kept = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
            "num_key_value_heads", "vocab_size", "initializer_range", "pad_token_id")  # fmt: skip
    tokens = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    torch.manual_seed(0)
    model = transformers.Qwen2_5_VLForConditionalGeneration(
        transformers.Qwen2_5_VLConfig(
            text_config={name: text[name] for name in kept} | {"rope_parameters": rope},
            vision_config={
                "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
                "out_hidden_size": 64, "patch_size": 16, "window_size": 64,
                "fullatt_block_indexes": [1], "initializer_range": 0.3,
            },
            **{name: config[name] for name in tokens},
        )
    )  # fmt: skip
    model.save_pretrained(path)


def make_terse(path: Path) -> None:
    """The same checkpoint of a judge that writes one digit, whichever, and ends."""
    model = transformers.Qwen3VLForConditionalGeneration.from_pretrained(path)
    tokens = transformers.AutoTokenizer.from_pretrained(path)
    digits = tokens.convert_tokens_to_ids(list("0123456789"))
    torch.manual_seed(0)
    weights = model.lm_head.weight
    written = model.get_input_embeddings().weight
    with torch.no_grad():
        rows = torch.randn(len(digits), weights.shape[1])
        # What follows a digit is told by one direction of the hidden state, which is theirs alone.
        rows[:, 0] = 0
        weights.zero_()
        weights[digits] = rows - rows.mean(0)
        written[:, 0] = 0
        written[digits, 0] = 1000
        weights[tokens.eos_token_id, 0] = 1
    model.save_pretrained(path)

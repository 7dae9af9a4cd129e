"""Rows and drawn images for tests of the report: a results folder without a run."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFilter

from edit_benchmark.categories import CATEGORIES
from edit_benchmark.records import Sample, Score
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.verdicts import SelfTest
from edit_benchmark.results.tables import write_rows
from edit_benchmark.selftest.verdict import Check

CRITERIA = {
    "physical": ["gravity_and_support", "occlusion_and_depth", "scale_and_proportion"],
    "environmental": ["shadows", "reflections_and_highlights", "weather_and_atmosphere"],
    "social": ["dignity", "cultural_sensitivity", "age_appropriate_content"],
    "causal": ["action_and_consequence", "state_transitions", "predictable_outcome"],
    "referential": ["right_target", "spatial_reasoning", "edit_scope"],
}
TEXTS = {
    "physical": ("Take the lowest block away", "把最下面的积木拿走"),
    "environmental": ("Make it evening", "把画面改成傍晚"),
    "social": ("Give the other child a balloon too", "也给另一个孩子一个气球"),
    "causal": ("Show it one hour after the rain began", "画出下雨一小时之后的样子"),
    "referential": ("Paint the second ball from the left green", "把左边第二个球涂成绿色"),
}
DIFFICULTIES = ("easy", "medium", "hard", "")


def sample(number: int, category: str, index: int, **fields: Any) -> Sample:
    """One sample; its image is drawn by :func:`draw` unless ``fields`` say otherwise."""
    english, chinese = TEXTS.get(category, ("Change it", "改一改"))
    defaults: dict[str, Any] = {
        "id": f"{number:05d}_{CATEGORIES.get(category, category)}",
        "category": category,
        "index": index,
        "instruction": f"{english} ({number}).",
        "instruction_en": f"{english} ({number}).",
        "instruction_zh": f"{chinese}（{number}）。",
        "description_en": "Three balls on a table.",
        "description_zh": "桌上有三个球。",
        "rationale_en": "What rests on it has to follow.",
        "rationale_zh": "压在上面的东西也要随之改变。",
        "source": f"benchmark/sources/{number}.png",
        "source_sha256": hashlib.sha256(str(number).encode()).hexdigest(),
        "width": 480,
        "height": 360,
        "difficulty": DIFFICULTIES[number % 4],
        "tags": ["光影" if number % 3 else "gravity", "long tag name"][: 1 + number % 2],
    }
    return Sample(**(defaults | fields))


def score(row: Sample, model: str = "m", judge: str = "j", **fields: Any) -> Score:
    """A scored row; without ``score`` in ``fields`` it is 5."""
    defaults: dict[str, Any] = {
        "id": row.id,
        "category": row.category,
        "model": model,
        "judge": judge,
        "status": "scored",
        "score": 5.0,
        "criteria": dict.fromkeys(CRITERIA.get(row.category, ["change"]), 5.0),
        "seed": 7,
        "key": f"key-{model}-{row.id}",
        "answer_key": f"answer-{judge}-{model}-{row.id}",
        "edit_seconds": 3.5,
        "judge_seconds": 0.25,
    }
    return Score(**(defaults | fields))


def failed(row: Sample, status: str, model: str = "m", judge: str = "j", **fields: Any) -> Score:
    """A row without a score."""
    defaults = {"status": status, "score": None, "criteria": {}, "reason": "out_of_memory: 80 GB"}
    return score(row, model, judge, **(defaults | fields))


def synthesise(
    results: Path,
    models: Sequence[str] = ("qwen-image-edit", "qwen-image-edit-2511", "identity"),
    judges: Sequence[str] = ("qwen3-vl-8b", "qwen3-vl-30b"),
    each: int = 6,
    images: bool = True,
    distinct: int = 1_000_000,
) -> Inputs:
    """A whole benchmark of ``each`` samples in the five categories, scored at random, some failed.

    Without ``images`` nothing is drawn; with fewer ``distinct`` ones than samples they repeat.
    """
    rng = random.Random(5)
    samples, scores = [], []
    for position, category in enumerate(CATEGORIES):
        for index in range(each):
            number = position * each + index
            row = sample(
                number, category, index, source=f"benchmark/sources/{number % distinct}.png"
            )
            samples.append(row)
            if images:
                draw(results / row.source, number % distinct, "source")
            hardness = rng.gauss(0, 1)
            for place, model in enumerate(models):
                image = f"edits/{model}/{category}/images/{number % distinct}.png"
                failing = number % 11 == 4 and place == 0
                if images and not failing:
                    draw(results / image, number % distinct, model)
                true = 5.6 - 0.7 * place + hardness + rng.gauss(0, 0.8)
                for judge in judges:
                    scores.append(
                        _row(rng, row, model, judge, "" if failing else image, true, number)
                    )
    run = record(models, judges)
    return Inputs(
        samples, scores, list(CATEGORIES), results, run,
        selftests=[selftested(judge, models[0], run) for judge in judges[:1]],
        judges=run["config"]["judges"],
        timings=timings(models, judges),
    )  # fmt: skip


def selftested(judge: str, model: str, run: dict[str, Any]) -> SelfTest:
    """A judge that failed its self-test."""
    checks = [
        Check("black", "auc", n=40, limit=0.9, value=0.52, low=0.4, high=0.6, passed=False),
        Check("swapped", "wins", n=40, limit=0.7, value=0.9, low=0.77, high=0.96, passed=True,
              auc=0.66, auc_low=0.54, auc_high=0.77),
    ]  # fmt: skip
    return SelfTest(judge, model, "fails", checks, run["config"]["judges"][judge])


def timings(models: Sequence[str], judges: Sequence[str]) -> list[dict[str, Any]]:
    """What two jobs of each model and judge, and of a self-test, wrote about their time."""
    rows = []
    for kind, names, stages in (
        ("edit", models, {"waiting": 0.1, "encoding": 2.0, "denoising": 60.0, "decoding": 3.0}),
        ("score", judges, {"reading": 1.0, "judging": 20.0}),
        ("selftest", judges[:1], {"judging": 30.0}),
    ):
        for name in names:
            row = {
                "kind": kind, "name": name, "gpu": "NVIDIA H200", "images": 10, "seconds": 70.0,
                "load_seconds": 20.0, "compile_seconds": 10.0, "stages": stages, "busy": 0.9,
                "peak_gib": 61.5,
            }  # fmt: skip
            rows += [row, row | {"images": 30, "seconds": 90.0, "peak_gib": 62.0}]
    return rows


def _row(
    rng: random.Random,
    row: Sample,
    model: str,
    judge: str,
    image: str,
    true: float,
    number: int,
) -> Score:
    if not image:
        return failed(row, "edit_failed", model, judge)
    if number % 13 == 6 and judge.endswith("8b"):
        reason = "unparsable_answer: I cannot help with that."
        return failed(row, "judge_failed", model, judge, reason=reason, image=image)
    criteria: dict[str, float | None] = {
        key: min(max(true + rng.gauss(0, 0.7), 0), 10) for key in CRITERIA[row.category]
    }
    if number % 5 == 2:
        criteria[CRITERIA[row.category][1]] = None
    known = [value for value in criteria.values() if value is not None]
    flags = ["identical_to_source"] if model == "identity" else ["other_size"] * (number % 4 == 1)
    text = '{"reason": "The shadow still falls the old way."}' if judge.endswith("30b") else ""
    return score(
        row, model, judge, score=sum(known) / len(known), criteria=criteria, image=image,
        flags=flags, text=text,
    )  # fmt: skip


def draw(path: Path, number: int, model: str) -> None:
    """A table with three balls under a sky; each model moves and tints them in its own way."""
    if path.exists():
        return
    rng = random.Random(number)
    width, height = (480, 360) if number % 4 else (360, 480)
    sky = tuple(rng.randrange(120, 256) for _ in range(3))
    image = Image.new("RGB", (width, height), sky)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, height * 2 // 3, width, height), fill=(130, 90, 60))
    shift = 0 if model in ("source", "identity") else 18
    for ball in range(3):
        left, top = 40 + ball * width // 3.4, height * 2 // 3 - 70 - rng.randrange(0, 30)
        colour = tuple(rng.randrange(30, 230) for _ in range(3))
        if shift and ball == 1:
            colour = (40, 160, 60) if model.endswith("2511") else (90, 120, 60)
            top -= shift
        pen.ellipse((left, top, left + 80, top + 80), fill=colour)
        pen.ellipse((left + 16, top + 12, left + 36, top + 30), fill=(255, 255, 255))
    if shift and not model.endswith("2511"):
        image = image.filter(ImageFilter.GaussianBlur(1.5))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def record(models: Sequence[str] = ("m",), judges: Sequence[str] = ("j",)) -> dict[str, Any]:
    """What run.json holds."""
    judge = {"judge": "transformers", "checkpoint": "Qwen/Qwen3-VL-8B-Instruct", "rubric":
             "reasoning", "method": "expected", "batch_size": 8}  # fmt: skip
    model = {"editor": "diffusers", "checkpoint": "Qwen/Qwen-Image-Edit", "exact": "numeric",
             "num_inference_steps": 50}  # fmt: skip
    return {
        "software": "image-edit-benchmark 0.1.0",
        "finished": "2026-01-02T03:04:05+0000",
        "command": "snakemake --cores all --resources gpu=6",
        "config": {
            "benchmark": {"path": "data/benchmark.jsonl", "language": "en"},
            "models": {name: dict(model) for name in models},
            "judges": {name: judge | {"dtype": f"bfloat16-{name}"} for name in judges},
        },
        "benchmark": {"path": "data/benchmark.jsonl", "sha256": "0" * 64},
        "checkpoints": {
            f"{folder}/{name}": {"commit": "a" * 40, "fingerprint": "b" * 64}
            for folder, names in (("editors", models), ("judges", judges))
            for name in names
        },
        "rubrics": {"resources/rubrics/reasoning.yaml": "c" * 64},
        "versions": {"python": "3.11.9", "torch": "2.11.0"},
        "host": "node",
        "gpus": ["0: NVIDIA H100"],
        "driver": "570.1",
    }


def write(inputs: Inputs) -> list[Path]:
    """The files that the command reads: samples, run.json and score tables, which it returns."""
    write_rows(inputs.results / "benchmark" / "samples.jsonl", inputs.samples)
    (inputs.results / "run.json").write_text(json.dumps(inputs.run), encoding="utf-8")
    lines = "".join(json.dumps(row) + "\n" for row in inputs.timings)
    (inputs.results / "timings.jsonl").write_text(lines, encoding="utf-8")
    paths = []
    for model, judge in dict.fromkeys((row.model, row.judge) for row in inputs.scores):
        for category in inputs.categories:
            path = inputs.results / "scores" / judge / model / f"{category}.jsonl"
            rows = [
                row
                for row in inputs.scores
                if (row.model, row.judge, row.category) == (model, judge, category)
            ]
            write_rows(path, rows)
            paths.append(path)
    return paths


def only(inputs: Inputs, category: str) -> Inputs:
    """One category of ``inputs``."""
    return replace(
        inputs,
        samples=[row for row in inputs.samples if row.category == category],
        scores=[row for row in inputs.scores if row.category == category],
        categories=[category],
    )

"""Measures between images: their values, and whole runs in which they are judges like others."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)
from torchmetrics.functional.regression import mean_absolute_error
from torchvision.models import squeezenet1_1

from conftest import ROOT, Project, draw
from edit_benchmark.config.judges import PixelsJudgeSettings
from edit_benchmark.config.resolve import resolve
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging.job import question_fields
from edit_benchmark.judging.judge import Case
from edit_benchmark.judging.pixels.judge import PixelsJudge
from edit_benchmark.judging.pixels.measures import compare, pixels
from edit_benchmark.judging.registry import KINDS
from edit_benchmark.judging.variations import rubric_of
from edit_benchmark.records import Edit, Sample
from runs import one_category

PIXELS = {"judge": "pixels"}


def grey(value: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new("RGB", size, (value, value, value))


##### Values #####


def test_values_are_those_of_the_formulas() -> None:
    one, other = draw("one"), draw("another")
    difference = (np.asarray(one, dtype=float) - np.asarray(other, dtype=float)) / 255
    assert compare("l1", one, other) == pytest.approx(np.abs(difference).mean(), abs=1e-6)
    psnr = -10 * math.log10((difference**2).mean())
    assert compare("psnr", one, other) == pytest.approx(psnr, abs=1e-4)
    # Of even images only the term of brightness is left: (2ab + c) / (a² + b² + c), c = 0.01².
    a, b = 100 / 255, 150 / 255
    even = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert compare("ssim", grey(100), grey(150)) == pytest.approx(even, abs=1e-9)


def test_values_are_those_of_torchmetrics_in_double_precision() -> None:
    images = draw("one"), draw("another")
    tensors = [torch.from_numpy(pixels(image)).contiguous()[None] for image in images]
    expected = {
        "ssim": structural_similarity_index_measure(*tensors, data_range=1.0),
        "psnr": peak_signal_noise_ratio(*tensors, data_range=1.0),
        "l1": mean_absolute_error(*tensors),
    }
    for measure, value in expected.items():
        # Its decibels are of a logarithm in single precision.
        near = 1e-6 if measure == "psnr" else 1e-9
        assert compare(measure, *images) == pytest.approx(float(value), abs=near), measure


def test_a_job_that_only_measures_waits_for_no_torch() -> None:
    code = "import sys, edit_benchmark.judging.pixels.judge; sys.exit('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == 0


def test_equal_images_have_finite_values() -> None:
    image = draw("one")
    values = {measure: compare(measure, image, image) for measure in ("psnr", "ssim", "l1")}
    assert values == {"psnr": 100, "ssim": pytest.approx(1), "l1": 0}


def test_an_edit_of_another_size_is_compared_at_the_size_of_its_source() -> None:
    image = draw("one", (64, 48))
    larger = image.resize((128, 96), Image.Resampling.BICUBIC)
    assert compare("psnr", larger, image) > 25


def test_what_was_to_be_edited_can_be_left_out() -> None:
    source = draw("one")
    edited, mask = source.copy(), Image.new("L", source.size)
    edited.paste((255, 0, 0), (10, 10, 30, 30))
    mask.paste(255, (10, 10, 30, 30))
    assert compare("l1", edited, source) > 0.01
    assert compare("l1", edited, source, mask) == 0
    assert compare("psnr", edited, source, mask) == 100
    assert compare("ssim", edited, source, mask) > compare("ssim", edited, source)
    with pytest.raises(SampleError, match="all_masked"):
        compare("l1", edited, source, Image.new("L", source.size, 255))


def test_of_a_sample_with_a_mask_what_is_outside_counts() -> None:
    settings = PixelsJudgeSettings(judge="pixels", measures=["l1"])
    source, mask = draw("one"), Image.new("L", (64, 48))
    edited = source.copy()
    edited.paste((255, 0, 0), (10, 10, 30, 30))
    mask.paste(255, (10, 10, 30, 30))
    rubric = rubric_of(settings, "physical", "en")
    whole, masked = sample_of(mask=""), sample_of(mask="m.png")
    cases = [Case(whole, source, edited, rubric), Case(masked, source, edited, rubric, mask=mask)]
    values = [answer.criteria["l1"] for answer in PixelsJudge(settings, None).judge(cases)]
    assert values[0] > 0.01
    assert values[1] == 0
    # And another mask is another question.
    edit = Edit(id="s", category="physical", model="m", status="edited", image_sha256="e")
    keys = [question_fields(settings, rubric, sample, edit) for sample in (whole, masked)]
    assert keys[1] == keys[0] | {"mask_sha256": "of m.png"}


def sample_of(mask: str) -> Sample:
    return Sample(
        id="s", category="physical", index=0, instruction="wish", source="s.png",
        source_sha256="s", width=64, height=48, mask=mask, mask_sha256=mask and f"of {mask}",
    )  # fmt: skip


def test_an_image_too_small_for_a_measure_is_said_to_be() -> None:
    tiny = grey(3, (5, 40))
    assert compare("l1", tiny, tiny) == 0
    with pytest.raises(SampleError, match="too_small: SSIM needs images of at least 6 pixels"):
        compare("ssim", tiny, tiny)


def test_a_target_counts_as_a_whole_at_its_own_size() -> None:
    settings = PixelsJudgeSettings(judge="pixels", measures=["l1"], against="target")
    rubric = rubric_of(settings, "physical", "en")
    source, target, mask = draw("one"), draw("wanted", (80, 60)), Image.new("L", (64, 48), 255)
    cases = [
        Case(sample_of(mask="m.png"), source, edited, rubric, mask=mask, target=target)
        for edited in (target.copy(), source)
    ]
    same, other = PixelsJudge(settings, None).judge(cases)
    assert same.criteria["l1"] == 0
    assert other.criteria["l1"] > 0.01
    assert other.details == {"resized_from": [64, 48]}
    # What it is compared with is in the key, and the source is not.
    edit = Edit(id="s", category="physical", model="m", status="edited", image_sha256="e")
    sample = replace(sample_of(mask="m.png"), fields={"target_image": "benchmark/sources/t.png"})
    asked = question_fields(settings, rubric, sample, edit)
    assert asked == {"picture_sha256": "e", "target_sha256": "t"}
    fields = KINDS["pixels"].key_fields(settings, None)
    assert fields["against"] == "target"
    as_before = PixelsJudgeSettings(judge="pixels", measures=["l1"])
    assert "against" not in KINDS["pixels"].key_fields(as_before, None)


##### Configuration #####


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"measures": ["psnr", "psnr"]}, "measures names one twice"),
        ({"measures": ["dino"]}, "dino needs a checkpoint"),
        ({"measures": ["ssim"], "checkpoint": "a/b"}, "ssim takes no checkpoint"),
        ({"measures": ["clip_i", "dino"], "checkpoint": "a/b"}, "dino takes a checkpoint of its"),
        ({"measures": ["mse"]}, "'mse' is not one of psnr, ssim, l1"),
        ({"measures": ["lpips"], "network": "alex"}, "lpips needs a checkpoint"),
        ({"measures": ["lpips"], "checkpoint": "w.pth"}, "lpips needs the network"),
        ({"measures": ["lpips"], "checkpoint": "w.pth", "network": "res"}, "'res' is not one of"),
        (
            {"measures": ["lpips"], "network": "alex", "checkpoint": "no/w.pth"},
            "checkpoint no/w.pth is no file; give that of the network's weights (alex)",
        ),
        (
            {
                "measures": ["lpips"],
                "network": "alex",
                "checkpoint": "no/w.pth",
                "dtype": "float16",
            },
            "lpips has wrong values in float16",
        ),
        ({"measures": ["l1"], "network": "alex"}, "network is that of lpips; remove it"),
        ({"measures": []}, "config: judges.p.measures"),
        ({"against": "reference"}, "judges.p.against"),
        (
            {"measures": ["clip_t"], "checkpoint": "a/b", "against": "target"},
            "clip_t compares the edit with its instruction and with no image",
        ),
        ({"rubric": "reasoning"}, "rubric is not used by pixels"),
    ],
)
def test_measures_and_checkpoints_have_to_fit(
    settings: dict, sentence: str, tmp_path: Path
) -> None:
    benchmark = tmp_path / "b.jsonl"
    benchmark.touch()
    config = {
        "benchmark": {"path": str(benchmark)},
        "models": {"floor": {"editor": "identity"}},
        "judges": {"p": PIXELS | settings},
    }
    with pytest.raises(UserError) as error:
        resolve(config)
    assert sentence in str(error.value)


def test_a_benchmark_that_has_no_targets_is_known_before_anything_is_edited(tmp_path: Path) -> None:
    config = {
        "benchmark": {"path": str(tmp_path), "format": "gedit"},
        "models": {"floor": {"editor": "identity"}},
        "judges": {"p": PIXELS | {"against": "target"}},
    }
    with pytest.raises(
        UserError, match=r"p-psnr\.against: a benchmark of format gedit has no target"
    ):
        resolve(config)
    columns = {"image": "i", "instruction": "t"}
    config["benchmark"] |= {"format": "parquet", "columns": columns}
    with pytest.raises(UserError, match=r"benchmark\.columns\.target"):
        resolve(config)
    config["benchmark"]["columns"] = columns | {"target": "g"}
    assert resolve(config).judges["p-l1"].against == "target"


def test_several_measures_are_judges_of_their_own(tmp_path: Path) -> None:
    benchmark = tmp_path / "b.jsonl"
    benchmark.touch()
    config = {
        "benchmark": {"path": str(benchmark)},
        "models": {"floor": {"editor": "identity"}},
        "judges": {"near": PIXELS, "one": PIXELS | {"measures": ["l1"]}},
    }
    settings = resolve(config)
    assert list(settings.judges) == ["near-psnr", "near-ssim", "near-l1", "one"]
    # What jobs are given is divided no further.
    assert resolve(settings.model_dump(mode="json")) == settings
    clash = {"near-l1": PIXELS | {"measures": ["psnr"]}}
    with pytest.raises(UserError, match="two judges are called near-l1"):
        resolve(config | {"judges": config["judges"] | clash})


##### Whole runs #####


@pytest.mark.slow
def test_measures_are_judges_with_rows_intervals_and_comparisons(project: Project) -> None:
    one_category(
        project,
        count=4,
        models={
            "painter": {"editor": "class_path", "class_path": "toys.Painter"},
            "floor": {"editor": "identity"},
        },
        judges={
            "ruler": {"judge": "class_path", "class_path": "toys.Ruler"},
            "near": PIXELS | {"measures": ["ssim", "l1"]},
            "near-lpips": PIXELS
            | {"measures": ["lpips"], "network": "squeeze", "checkpoint": "squeeze.safetensors"},
        },
    )
    network = squeezenet1_1(weights=None)
    save_file(network.state_dict(), project.root / "squeeze.safetensors")
    project.run()
    for measure, expected in (("ssim", 1), ("l1", 0), ("lpips", 0)):
        rows = project.scores("physical", "floor", f"near-{measure}").values()
        assert [row.score for row in rows] == pytest.approx([expected] * 4)
        assert {tuple(row.criteria) for row in rows} == {(measure,)}
    painted = project.scores("physical", "painter", "near-l1")
    assert all(0 < (row.score or 0) < 1 for row in painted.values())
    report = project.root / "results" / "report"
    with (report / "summary.csv").open(encoding="utf-8-sig") as file:
        summary = {
            (row["judge"], row["model"]): row
            for row in csv.DictReader(file)
            if row["category"] == "physical"
        }
    low, mean, high = (
        float(summary["near-l1", "painter"][name]) for name in ("ci95_low", "mean", "ci95_high")
    )
    assert 0 < low < mean < high
    with (report / "comparison.csv").open(encoding="utf-8-sig") as file:
        assert "near-ssim" in {row["judge"] for row in csv.DictReader(file)}
    page = (report / "index.html").read_text(encoding="utf-8")
    assert "similarity, higher is not better by itself" in page.replace("\n", " ")
    for name in ("near-l1: L1", "near-lpips: LPIPS"):
        assert re.search(
            rf"{name} distance between [^:]*: distance, the lower the more alike", page
        )
    # Only what has an opinion could be put to the test, and only that takes a device.
    assert "Judge ruler was not put to the self-test" in page
    assert "Judge near-l1 was not" not in page
    logs = (project.root / "results" / "logs" / "score" / "near-l1").rglob("*.log")
    assert not any("device" in path.read_text(encoding="utf-8") for path in logs)
    run = json.loads((project.root / "results" / "run.json").read_text(encoding="utf-8"))
    assert set(run["config"]["judges"]) == {"ruler", "near-ssim", "near-l1", "near-lpips"}
    # Nothing is measured twice.
    assert "Nothing to be done" in project.run()


@pytest.mark.slow
def test_against_targets_more_is_better_and_a_sample_without_one_is_skipped(
    project: Project,
) -> None:
    """The first two samples' targets are their sources, so that the floor is right of these."""
    rows = [
        {"id": f"s{k}", "category": "physical", "instruction": f"change {k}", "image": f"s{k}.png"}
        for k in range(4)
    ]
    folder = project.root / "data"
    folder.mkdir()
    for k, row in enumerate(rows):
        draw(row["id"]).save(folder / row["image"])
        if k < 3:
            target = draw(row["id"]) if k < 2 else draw("wanted", (80, 60))
            target.save(folder / f"t{k}.png")
            row["target"] = f"t{k}.png"
    project.benchmark(rows)
    project.configure(
        benchmark={"path": "data/benchmark.jsonl", "categories": ["physical"]},
        models={
            "painter": {"editor": "class_path", "class_path": "toys.Painter"},
            "floor": {"editor": "identity"},
        },
        judges={"to": PIXELS | {"measures": ["psnr", "l1"], "against": "target"}},
    )
    project.run()
    near = project.scores("physical", "floor", "to-l1")
    assert [near[f"s{k}"].score for k in range(2)] == [0, 0]
    expected = compare("l1", draw("s2"), draw("wanted", (80, 60)))
    assert near["s2"].score == pytest.approx(expected)
    assert near["s3"].status == "skipped"
    assert near["s3"].reason.startswith("no_target: the sample has no target image")
    report = project.root / "results" / "report"
    with (report / "comparison.csv").open(encoding="utf-8-sig") as file:
        pairs = {row["judge"]: row for row in csv.DictReader(file) if row["category"] == "physical"}
    # The floor is nearer to both of its targets, whichever way the measure counts.
    for judge, sign in (("to-psnr", 1), ("to-l1", -1)):
        pair = pairs[judge]
        assert (pair["a"], pair["b"], pair["n"]) == ("floor", "painter", "3")
        assert sign * float(pair["difference"]) > 0
        assert int(pair["wins"]) >= 2
    with (report / "ranks.csv").open(encoding="utf-8-sig") as file:
        places = {(row["judge"], row["model"]): row["rank"] for row in csv.DictReader(file)}
    assert places["to-psnr", "floor"] == places["to-l1", "floor"] == "1"
    page = " ".join((report / "index.html").read_text(encoding="utf-8").split())
    assert "the higher the more like the target, and the better" in page
    assert "the lower the more like the target, and the better" in page
    assert "not better by itself" not in page

"""The measurements of several devices run at tiny size, and their arithmetic is right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from demo.models import save_edit_pipeline
from shapes.model import predict_earlier, predict_workflow


def test_two_devices_make_the_images_of_one(tmp_path: Path) -> None:
    save_edit_pipeline(tmp_path / "edit", "edit")
    words = ["tests/performance/scaling.py", "--editor", tmp_path / "edit", "--devices", "cpu",
             "cpu", "--samples", "2", "--steps", "2", "--side", "64",
             "--out", tmp_path / "out"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "out" / "scaling.json").read_text(encoding="utf-8"))
    assert result["equal_images"] == 2
    assert (result["one"]["devices"], result["all"]["devices"]) == (1, 2)
    expected = result["all"]["images_per_second"] / result["one"]["images_per_second"]
    assert result["ratio"] == pytest.approx(expected, abs=1e-3)


def test_the_model_adds_up_what_was_measured() -> None:
    """Ten images of 10 s, loading 5 s, judging 2 s a batch of four or 1 s an image."""
    measured = {
        "samples": 10, "devices": 1,
        "old": {"import_seconds": 1, "load_seconds": [5], "edit_seconds": [10] * 10,
                "judge_load_seconds": 3, "judge_batch_seconds": [2, 2, 1]},
        "ours": {"edit_seconds": [10] * 10, "judge_seconds": [1] * 10, "before_seconds": 4,
                 "after_seconds": 1, "gap_seconds": 0.5, "collect_seconds": 1,
                 "jobs": [job("edit", 26, 2, loaded=True), job("edit", 20.5, 2),
                          job("score", 7, 2, loaded=True), job("score", 2.5, 2)]},
    }  # fmt: skip
    assert predict_earlier(measured, 10, 1) == 1 + 5 + 100 + 3 + 3 * 2
    assert predict_earlier(measured, 10, 2) == 1 + 10 + 50 + 3 + 3 * 2
    # A device: 6 s for the first edit job, 0.5 s for the others; of the judge 5 s and 0.5 s;
    # 0.5 s between jobs.
    edits, scores = 100 + 6 + 4 * 0.5, 10 + 5 + 4 * 0.5
    assert predict_workflow(measured, 10, 1) == pytest.approx(4 + edits + scores + 9 * 0.5 + 1)
    # Two devices have ten jobs of an image each, and three and two score jobs.
    edits, scores = 50 + 6 + 4 * 0.5, 6 + 5 + 2 * 0.5
    assert predict_workflow(measured, 10, 2) == pytest.approx(4 + edits + scores + 7 * 0.5 + 1)
    # Where the first scores were made between edits, both devices load the judge before the end.
    measured["ours"]["jobs"][1]["began"], measured["ours"]["jobs"][1]["ended"] = 1, 21.5
    assert predict_workflow(measured, 10, 2) == pytest.approx(4 + 74 + 1)
    # A self-test of 16 questions, 0.25 s each, with a score before it: it needs the last edit.
    measured["ours"]["jobs"][1]["began"], measured["ours"]["jobs"][1]["ended"] = 0, 20.5
    measured["ours"]["jobs"].append(job("selftest", 4, 16))
    total = 4 + 108 + 17 + 4 + 10 * 0.5 + 1
    assert predict_workflow(measured, 10, 1) == pytest.approx(total)


def job(stage: str, seconds: float, images: int, *, loaded: bool = False) -> dict[str, Any]:
    return {"stage": stage, "began": 0, "ended": seconds, "images": images, "loaded": loaded}

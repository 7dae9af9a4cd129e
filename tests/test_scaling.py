"""The measurements of several devices run at tiny size, and their arithmetic is right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
        "ours": {"edit_seconds": [10] * 10, "edit_start_seconds": 5, "judge_seconds": [1] * 10,
                 "score_start_seconds": 4, "edit_job_seconds": [25] * 5,
                 "score_job_seconds": [6] * 5, "seconds": 160},
    }  # fmt: skip
    assert predict_earlier(measured, 10, 1) == 1 + 5 + 100 + 3 + 3 * 2
    assert predict_earlier(measured, 10, 2) == 1 + 10 + 50 + 3 + 3 * 2
    assert predict_workflow(measured, 10, 1) == pytest.approx(160)
    # By hand: ten shards of 15 s on two devices, between them a score job of 6 s as soon as a
    # category's second shard is done. The last shard begins at 78 s, its scoring ends at 99 s; 5 s
    # are Snakemake's own.
    assert predict_workflow(measured, 10, 2) == pytest.approx(99 + 5)

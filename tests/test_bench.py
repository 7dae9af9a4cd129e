"""The benchmark of ``make bench`` runs at tiny size on a CPU, through the workflow's own code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from conftest import ROOT


def test_the_benchmark_measures_every_part(tmp_path: Path) -> None:
    # From this folder, as make bench gives it.
    work = os.path.relpath(tmp_path / "work", ROOT)
    words = [sys.executable, "tests/performance/bench.py", "--device", "cpu",
             "--work", work, "--out", str(tmp_path)]  # fmt: skip
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    (edit,) = result["edit"]["edit"]
    assert edit["forwards"] == 2 * edit["steps"]  # guidance was on
    assert edit["psnr_to_stock"] > 50  # the same image
    assert len(edit["image_sha256"]) == 64
    assert edit["ratio_to_stock"] > 0
    assert result["edit"]["plus"][0]["forwards"] == 2 * edit["steps"]
    names = [row["approximation"] for row in result["edit"]["approximations"]]
    assert names == ["block_cache", "block_cache", "lora", "fp8"]
    usual, most = result["edit"]["approximations"][:2]
    assert most["forwards_computed_whole"] < usual["forwards_computed_whole"] == usual["forwards"]
    assert set(result["judge"]["expected"]) == {"1", "5"}
    warm = result["startup"]["warm"]
    assert 0 < warm["imported"] < warm["first_step"] < warm["process_seconds"]
    score = result["startup"]["score"]
    assert 0 < score["imported"] < score["first_answers"] < score["process_seconds"]
    waited = [job["waited"] for job in result["startup"]["one_slot"]]
    assert min(waited) == 0 < max(waited)  # one, while the other loaded
    assert [job["waited"] for job in result["startup"]["two_slots"]] == [0, 0]
    assert "start-up, two jobs that load one after the other" in done.stdout

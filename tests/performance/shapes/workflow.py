"""The real workflow in a folder of its own, through Snakemake, and how long its jobs take."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shapes import job_logs
from shapes.setup import CATEGORIES, Setup

ROOT = Path(__file__).parents[3]
#: What a run of the workflow reads, beside rubrics, benchmark and checkpoints.
FILES = ["Snakefile", "workflow", "scripts", "config", "profiles", "environment.yml"]


def measure(setup: Setup, benchmark: Path, folder: Path, targets: Sequence[str]) -> dict[str, Any]:
    """Run the workflow in ``folder`` up to ``targets``; what its time is made of."""
    prepare(setup, benchmark, folder)
    began = time.time()
    seconds = snakemake(folder, targets, len(setup.devices), setup.out / "snakemake.log")
    ended = time.time()
    results = folder / "results"
    shutil.copytree(results / "logs", setup.out / "logs", dirs_exist_ok=True)
    edits = rows_of(results, "edits/editor/*/edits.jsonl")
    scores = rows_of(results, "scores/judge/editor/*.jsonl")
    return {
        "seconds": seconds,
        "edit_seconds": [row["seconds"] for row in edits],
        "judge_seconds": [row["judge_seconds"] for row in scores],
        **job_logs.constants(job_logs.read(results), began, ended),
    }


def score_tables() -> list[str]:
    """Targets of the scores alone: what the earlier program made."""
    return [f"results/scores/judge/editor/{category}.jsonl" for category in CATEGORIES]


def prepare(setup: Setup, benchmark: Path, folder: Path) -> None:
    """Copy the workflow into ``folder`` and configure one editor and one judge."""
    import yaml

    copy_workflow(folder)
    dtype = "float32" if setup.is_on_cpu else "bfloat16"
    config = {
        "benchmark": {"path": str(benchmark)},
        "device_ids": [name if name == "cpu" else int(name) for name in setup.devices],
        "models": {
            "editor": {"editor": "diffusers", "checkpoint": str(setup.editor), "dtype": dtype,
                       "num_inference_steps": setup.steps, **setup.guidance,
                       **setup.image_size},
        },
        # A configuration has a judge, even where edits alone are asked for.
        "judges": {
            "judge": {"judge": "transformers", "checkpoint": str(setup.judge or setup.editor),
                      "dtype": dtype, "min_mass": 0},
        },
    }  # fmt: skip
    (folder / "config" / "run.yaml").write_text(yaml.safe_dump(config))


def copy_workflow(folder: Path) -> None:
    """Copy the workflow's files and its rubrics into ``folder``."""
    for name in FILES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "resources" / "rubrics", folder / "resources" / "rubrics")


def snakemake(folder: Path, targets: Sequence[str], gpus: int, log: Path) -> float:
    """Run the workflow in ``folder``; seconds."""
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", "all",
               "--configfile", "config/run.yaml", "--resources", f"gpu={gpus}"]  # fmt: skip
    environment = os.environ | {"EDIT_BENCHMARK_LEASES": str(folder / "leases")}
    start = time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - start
    log.write_text(done.stdout + done.stderr)
    if done.returncode:
        raise SystemExit(f"the workflow failed; see {log}")
    return seconds


def rows_of(results: Path, pattern: str) -> list[dict[str, Any]]:
    """Rows of all tables below ``results`` that match ``pattern``."""
    return [
        json.loads(line)
        for path in sorted(results.glob(pattern))
        for line in path.read_text().splitlines()
    ]

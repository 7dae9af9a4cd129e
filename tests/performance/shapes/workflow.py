"""The real workflow in a folder of its own, through Snakemake, and how long its jobs take."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shapes.setup import CATEGORIES, Setup

ROOT = Path(__file__).parents[3]
#: What a run of the workflow reads, beside rubrics, benchmark and checkpoints.
FILES = ["Snakefile", "workflow", "scripts", "config", "profiles", "environment.yml"]


def measure(setup: Setup, benchmark: Path, folder: Path) -> dict[str, Any]:
    """Run the workflow in ``folder`` up to its score tables; seconds of its jobs."""
    prepare(setup, benchmark, folder)
    targets = [f"results/scores/judge/editor/{category}.jsonl" for category in CATEGORIES]
    seconds = snakemake(folder, targets, len(setup.devices), setup.out / "snakemake.log")
    results = folder / "results"
    edit_jobs = _job_seconds(results, "edit")
    score_jobs = _job_seconds(results, "score")
    edits = [row["seconds"] for row in rows_of(results, "edits/editor/*/edits.jsonl")]
    scores = [row["judge_seconds"] for row in rows_of(results, "scores/judge/editor/*.jsonl")]
    return {
        "seconds": seconds,
        "edit_job_seconds": edit_jobs,
        "score_job_seconds": score_jobs,
        "edit_seconds": edits,
        "judge_seconds": scores,
        # What a job takes beside its images: process, imports, checks, loading.
        "edit_start_seconds": (sum(edit_jobs) - sum(edits)) / len(edit_jobs),
        "score_start_seconds": (sum(score_jobs) - sum(scores)) / len(score_jobs),
    }


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
                       "num_inference_steps": setup.steps, "true_cfg_scale": 4.0,
                       "negative_prompt": " ", **setup.image_size},
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


def _job_seconds(results: Path, kind: str) -> list[float]:
    """Wall time of each ``edit`` or ``score`` job, as Snakemake measured it."""
    seconds = []
    for path in results.glob(f"benchmarks/{kind}/**/*.tsv"):
        with path.open() as file:
            seconds.append(float(next(csv.DictReader(file, delimiter="\t"))["s"]))
    return seconds

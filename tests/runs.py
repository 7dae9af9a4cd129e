"""What tests of whole runs share: a benchmark of one category, and what a run did."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from conftest import Project, five_each
from edit_benchmark.records import Edit
from edit_benchmark.results.tables import read_rows

SLOW = {"editor": "class_path", "class_path": "toys.Painter", "params": {"delay": 0.4}}


def one_category(project: Project, count: int = 6, **changes: object) -> None:
    """Rows of one category, for two devices unless ``changes`` say otherwise."""
    project.benchmark([row for row in five_each(count) if row["category"] == "physical"])
    benchmark = {"path": "data/benchmark.jsonl", "categories": ["physical"]}
    project.configure(**({"benchmark": benchmark, "device_ids": ["cpu", "cpu"]} | changes))


def start(project: Project, **env: str) -> subprocess.Popen[str]:
    """The workflow in a process group of its own, as a terminal starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "config/test.yaml"],
        cwd=project.root,
        env=project.environment() | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_edits(project: Project, count: int) -> None:
    """Until so many edits are in the store: those are the finished ones."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if len(stored(project)) >= count:
            return
        time.sleep(0.02)
    raise AssertionError("no edits were made")


def stored(project: Project) -> set[str]:
    return {path.stem for path in (project.root / "results/store/edits").glob("*/*.json")}


def asked(project: Project) -> list[str]:
    return sorted(project.calls("edit"))


def shards(project: Project) -> list[Edit]:
    folder = project.root / "results/edits/painter/physical"
    return [row for path in sorted(folder.glob("*-of-*.jsonl")) for row in read_rows(path, Edit)]


def tables(project: Project) -> list[dict[str, object]]:
    """Score rows without what is measured anew each time."""
    rows = []
    for path in sorted((project.root / "results/scores").rglob("*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            rows.append({k: v for k, v in row.items() if not k.endswith("seconds")})
    return rows

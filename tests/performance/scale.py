"""How planning, tables and page grow with a benchmark of many samples, models and judges.

    PYTHONPATH=scripts python tests/performance/scale.py --out tests/performance/growth.json

No editor and no judge runs: the benchmark is read by the workflow, then the tables of finished jobs
are written as jobs would write them, with scores drawn at random, and the workflow makes the rest.
The rows stand under ``scale`` in the JSON file of growth.py.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from edit_benchmark.records import EDITED, SCORED, Edit, Sample, Score
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.tables import read_rows, write_rows
from growth import JUDGE, timed, write_benchmark
from shapes.setup import CATEGORIES
from shapes.workflow import copy_workflow

_SHARDS = 6
_CHUNK = 500
_CRITERIA = ("instruction", "physics", "consistency", "detail", "quality")


def measure(samples: int, models: int, judges: int, root: Path) -> dict[str, float | int]:
    """Seconds and megabytes of each step."""
    copy_workflow(root)
    (root / "noop.py").write_text(JUDGE)
    write_benchmark(root, samples, images=samples)
    config = {
        "benchmark": {"path": "data/benchmark.jsonl"},
        "device_ids": ["cpu"] * (os.cpu_count() or 1),
        "shards": _SHARDS,
        "score_chunk": _CHUNK,
        "selftest_samples": 0,
        "models": {f"model-{k}": {"editor": "identity"} for k in range(models)},
        "judges": {
            f"judge-{k}": {"judge": "class_path", "class_path": "noop.Judge", "params": {"n": k}}
            for k in range(judges)
        },
    }
    (root / "config" / "growth.yaml").write_text(yaml.safe_dump(config))
    checkpoints = [f"results/checkpoints/editors/{name}.json" for name in config["models"]]
    checkpoints += [f"results/checkpoints/judges/{name}.json" for name in config["judges"]]
    row: dict[str, float | int] = {"samples": samples, "models": models, "judges": judges}
    row |= timed(root, "plan", "-n")
    row |= timed(root, "samples_table", "results/benchmark/samples.jsonl", *checkpoints)
    _finish(Layout(root / "results"), list(config["models"]), list(config["judges"]))
    row |= timed(root, "tables_and_page")
    row |= timed(root, "nothing_to_do")
    row |= timed(root, "status", command=["scripts/status.py"])
    page = root / "results/report/index.html"
    row["page_megabytes"] = round(page.stat().st_size / 1e6, 1)
    row["most_files_in_a_folder"] = max(len(files) for _, _, files in os.walk(root / "results"))
    return row


def _finish(layout: Layout, models: list[str], judges: list[str]) -> None:
    """The tables of all edit and score jobs."""
    draw = random.Random(0)
    samples = read_rows(layout.samples, Sample)
    for number, model in enumerate(models):
        for category in CATEGORIES:
            members = [sample for sample in samples if sample.category == category]
            edits = [_edit(draw, sample, model) for sample in members]
            for shard in range(_SHARDS):
                table = layout.shard_table(model, category, f"{shard + 1}-of-{_SHARDS}")
                write_rows(table, edits[shard::_SHARDS])
            write_rows(layout.edit_table(model, category), edits)
            for judge in judges:
                rows = list(_scores(draw, edits, judge, number / 10))
                for start in range(0, len(rows), _CHUNK):
                    chunk = str(start // _CHUNK + 1)
                    table = layout.score_part(judge, model, category, chunk)
                    write_rows(table, rows[start : start + _CHUNK])
                write_rows(layout.score_table(judge, model, category), rows)


def _edit(draw: random.Random, sample: Sample, model: str) -> Edit:
    return Edit(
        sample.id, sample.category, model, EDITED,
        key=f"{draw.getrandbits(160):040x}", seed=draw.getrandbits(32), seconds=draw.random(),
        # The source itself: what is measured is bookkeeping, not decoding.
        image=sample.source, image_sha256=sample.source_sha256, width=16, height=16, device="none",
    )  # fmt: skip


def _scores(draw: random.Random, edits: list[Edit], judge: str, better: float) -> Iterator[Score]:
    for edit in edits:
        criteria = {name: draw.uniform(2, 7) + better for name in _CRITERIA}
        yield Score.of_edit(
            edit, judge, status=SCORED, score=sum(criteria.values()) / len(criteria),
            criteria=criteria, answer_key=f"{draw.getrandbits(160):040x}",
            judge_seconds=draw.random(), mass=draw.random(), reading="strict",
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write into")
    parser.add_argument(
        "--cases", nargs="+", metavar="SAMPLES:MODELS:JUDGES",
        default=["10000:8:3", "30000:8:3", "100000:8:3"],
    )  # fmt: skip
    arguments = parser.parse_args()
    rows = []
    for case in arguments.cases:
        with tempfile.TemporaryDirectory(prefix="scale-") as folder:
            began = time.monotonic()
            rows.append(measure(*map(int, case.split(":")), Path(folder)))
        print(json.dumps(rows[-1]), f"{time.monotonic() - began:.0f} s in all", flush=True)
        content = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
        command = f"python tests/performance/scale.py --cases {' '.join(arguments.cases)}"
        content["scale"] = {"command": command, "rows": rows}
        arguments.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""How planning and bookkeeping grow: dry runs and whole runs of an editor that does nothing.

    python tests/performance/growth.py --out tests/performance/growth.json

Each case is a benchmark of small images, the editor ``identity`` and a judge that answers at
once. Seconds are wall time; memory is that of the largest process of the run. On two cores each of
the thousands of jobs pays for the start of a Python process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml
from PIL import Image

from shapes.setup import CATEGORIES
from shapes.workflow import copy_workflow

JUDGE = '''"""A judge that answers at once."""
from edit_benchmark.api import Answer
class Judge:
    def __init__(self, checkpoint, dtype, device): pass
    def judge(self, cases):
        return [Answer({c.key: 2 + len(case.sample.id) % 7 for c in case.rubric.criteria})
                for case in cases]
'''


def measure(edit_jobs: int, samples: int, whole: bool) -> dict[str, float | int | None]:
    """Seconds and megabytes of a dry run, a whole run and a run with nothing to do."""
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        root = Path(folder)
        copy_workflow(root)
        (root / "noop.py").write_text(JUDGE)
        write_benchmark(root, samples)
        config = {
            "benchmark": {"path": "data/benchmark.jsonl"},
            "device_ids": ["cpu"] * (os.cpu_count() or 1),
            "shards": edit_jobs // len(CATEGORIES),
            "load_slots": os.cpu_count() or 1,
            "models": {"nothing": {"editor": "identity"}},
            "judges": {"noop": {"judge": "class_path", "class_path": "noop.Judge"}},
        }
        (root / "config" / "growth.yaml").write_text(yaml.safe_dump(config))
        row: dict[str, float | int | None] = {"edit_jobs": edit_jobs, "samples": samples}
        row |= timed(root, "dry_run", "-n")
        if whole:
            row |= timed(root, "whole_run")
            row |= timed(root, "nothing_to_do")
            files = [path for path in (root / "results").rglob("*") if path.is_file()]
            row["files"] = len(files)
    return row


def write_benchmark(root: Path, samples: int, images: int = 100) -> None:
    """Small images, few unless said otherwise: what is measured is bookkeeping, not decoding."""
    (root / "data").mkdir()
    lines = []
    for number in range(samples):
        name = f"{number % images}.png"
        if number < images:
            colour = (number % 256, number // 256 % 256, number // 65536)
            Image.new("RGB", (16, 16), colour).save(root / "data" / name)
        row = {"id": f"s{number}", "category": CATEGORIES[number % 5],
               "instruction": f"do nothing {number}", "image": name}  # fmt: skip
        lines.append(json.dumps(row) + "\n")
    (root / "data" / "benchmark.jsonl").write_text("".join(lines))


def timed(root: Path, name: str, *arguments: str, command: Sequence[str] = ()) -> dict[str, float]:
    """Seconds and megabytes of a run of the workflow, or of another command."""
    # A process between, so that the peak memory is that of this run alone.
    code = (
        "import json, resource, subprocess, sys\n"
        "null = subprocess.DEVNULL\n"
        "done = subprocess.run(sys.argv[1:], stdout=null, stderr=null)\n"
        "usage = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([done.returncode, usage.ru_maxrss / 1000]))\n"
    )
    snakemake = ["-m", "snakemake", *arguments, "--cores", "all", "--quiet",
               "--configfile", "config/growth.yaml"]  # fmt: skip
    command = [sys.executable, *(command or snakemake)]
    environment = os.environ | {
        "EDIT_BENCHMARK_LEASES": str(root / "leases"), "PYTHONPATH": str(root)
    }  # fmt: skip
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=root, env=environment, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    returncode, megabytes = json.loads(done.stdout)
    if returncode:
        raise SystemExit(f"{name} failed with exit code {returncode}")
    return {
        f"{name}_seconds": round(time.monotonic() - start, 1),
        f"{name}_megabytes": round(megabytes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument(
        "--cases", nargs="+", metavar="JOBS:SAMPLES",
        default=["30:1000", "30:10000", "300:10000", "3000:10000"],
        help="edit jobs and samples; whole runs too unless it ends in -n",
    )  # fmt: skip
    arguments = parser.parse_args()
    rows = []
    for case in arguments.cases:
        jobs, _, samples = case.removesuffix("-n").partition(":")
        rows.append(measure(int(jobs), int(samples), not case.endswith("-n")))
        print(json.dumps(rows[-1]), flush=True)
        former = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
        content = former | {
            "command": "python tests/performance/growth.py",
            "cores": os.cpu_count(),
            "rows": rows,
        }
        arguments.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()

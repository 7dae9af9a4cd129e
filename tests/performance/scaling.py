"""How the workflow's edits scale with devices, through Snakemake and the real leases.

    python tests/performance/scaling.py --editor FOLDER --devices 0 1 --samples 20 --out FOLDER

Edits one benchmark on the first of ``--devices`` alone and then on all of them, each time from
nothing, and compares images a second and pictures: the hash of each has to be the same. ``ratio``
is of the whole command, in which every job loads the model; ``steady_ratio`` is of the pictures
alone: what it lacks is lost because other devices are at work. ``cpu cpu`` stands for two GPUs
where there are none: one core each.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from old_shape import CATEGORIES, prepare, rows_of, snakemake, write_benchmark


def edit(
    arguments: argparse.Namespace, devices: Sequence[str], benchmark: Path
) -> tuple[dict[str, Any], dict[str, str]]:
    """All edits on ``devices``: what they took, and each picture's hash."""
    categories = CATEGORIES[: arguments.samples]
    targets = [f"results/edits/editor/{category}/edits.jsonl" for category in categories]
    with tempfile.TemporaryDirectory(prefix="scaling-") as name:
        folder = Path(name)
        prepare(folder, benchmark, devices, arguments.steps, arguments.editor)
        log = arguments.out / f"snakemake-{len(devices)}.log"
        seconds = snakemake(folder, targets, len(devices), log)
        rows = rows_of(folder / "results", "edits/editor/*/edits.jsonl")
    measured = {
        "devices": len(devices),
        "seconds": round(seconds, 2),
        "images_per_second": round(len(rows) / seconds, 4),
        "seconds_per_image": round(fmean(row["seconds"] for row in rows), 4),
    }
    print(json.dumps(measured), flush=True)
    return measured, {row["id"]: row["picture_sha256"] for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--editor", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--devices", nargs="+", required=True, help="GPU numbers, or cpu")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--side", type=int, default=1024, help="pixels of a source picture")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.editor, arguments.out = arguments.editor.resolve(), arguments.out.resolve()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scaling-data-") as name:
        benchmark = write_benchmark(Path(name), arguments.samples, arguments.side)
        one, expected = edit(arguments, arguments.devices[:1], benchmark)
        many, found = edit(arguments, arguments.devices, benchmark)
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "samples": arguments.samples,
        "steps": arguments.steps,
        "one": one,
        "all": many,
        "ratio": round(many["images_per_second"] / one["images_per_second"], 3),
        "steady_ratio": round(
            len(arguments.devices) * one["seconds_per_image"] / many["seconds_per_image"], 3
        ),
        "equal_pictures": sum(found[name] == expected[name] for name in expected),
    }
    text = json.dumps(result, indent=1) + "\n"
    (arguments.out / "scaling.json").write_text(text)
    print(text, end="")
    if found != expected:
        sys.exit("some pictures differ between one device and several")


if __name__ == "__main__":
    main()

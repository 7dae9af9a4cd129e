"""How the workflow's edits scale with devices, through Snakemake and the real leases.

    python tests/performance/scaling.py --editor FOLDER --devices 0 1 --samples 20 --out FOLDER

Edits one benchmark on the first of ``--devices`` alone and then on all of them, each time from
nothing, and compares images a second and the images: the hash of each has to be the same. ``ratio``
is of the whole command, in which every job loads the model; ``steady_ratio`` is of the edits
alone: what it lacks is lost because other devices are at work. ``cpu cpu`` stands for two GPUs
where there are none: one core each.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from shapes.setup import CATEGORIES, Setup, add_arguments, setup_of, write_benchmark
from shapes.workflow import prepare, rows_of, snakemake


def edit(setup: Setup, samples: int, benchmark: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """All edits on the devices of ``setup``: what they took, and the hash of each image by id."""
    targets = [f"results/edits/editor/{name}/edits.jsonl" for name in CATEGORIES[:samples]]
    count = len(setup.devices)
    with tempfile.TemporaryDirectory(prefix="scaling-") as name:
        folder = Path(name)
        prepare(setup, benchmark, folder)
        seconds = snakemake(folder, targets, count, setup.out / f"snakemake-{count}.log")
        rows = rows_of(folder / "results", "edits/editor/*/edits.jsonl")
    measured = {
        "devices": count,
        "seconds": round(seconds, 2),
        "images_per_second": round(len(rows) / seconds, 4),
        "seconds_per_image": round(fmean(row["seconds"] for row in rows), 4),
    }
    print(json.dumps(measured), flush=True)
    return measured, {row["id"]: row["image_sha256"] for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, samples=20, steps=50, judged=False)
    arguments = parser.parse_args()
    setup = setup_of(arguments)
    with tempfile.TemporaryDirectory(prefix="scaling-data-") as name:
        benchmark = write_benchmark(Path(name), arguments.samples, arguments.side)
        alone = replace(setup, devices=setup.devices[:1])
        one, hashes_of_one = edit(alone, arguments.samples, benchmark)
        many, hashes_of_many = edit(setup, arguments.samples, benchmark)
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "samples": arguments.samples,
        "steps": setup.steps,
        "one": one,
        "all": many,
        "ratio": round(many["images_per_second"] / one["images_per_second"], 3),
        "steady_ratio": round(
            len(setup.devices) * one["seconds_per_image"] / many["seconds_per_image"], 3
        ),
        "equal_images": sum(
            hashes_of_many[name] == digest for name, digest in hashes_of_one.items()
        ),
    }
    text = json.dumps(result, indent=1) + "\n"
    (setup.out / "scaling.json").write_text(text)
    print(text, end="")
    if hashes_of_many != hashes_of_one:
        sys.exit("some images differ between one device and several")


if __name__ == "__main__":
    main()

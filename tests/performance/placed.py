"""A model that is placed over several devices, through Snakemake and the real leases.

    python tests/performance/placed.py --make flux2 --editor FOLDER --devices 0 1 --out FOLDER
    python tests/performance/placed.py --make qwen --editor FOLDER --judge FOLDER --alone \\
        --devices 0 1 --out FOLDER

Edits (and, with ``--judge``, scores) one benchmark with editor and judge placed over all of
``--devices`` (``gpu: N``). With ``--alone`` the same is done on the first device, from nothing: the
hash of each image and each score have to be the same. ``--make`` saves a checkpoint of random
weights first, if the folder is not there: ``flux2`` has the released shapes of FLUX.2 [dev]
(``--text-layers`` of its text encoder's 40), ``qwen`` those of Qwen-Image-Edit, ``tiny`` none;
``--judge`` is made as large. What each device did stands in the jobs' last lines.
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

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from shapes.setup import CATEGORIES, Setup, add_arguments, setup_of, write_benchmark
from shapes.workflow import prepare, rows_of, snakemake


def make(kind: str, editor: Path, judge: Path | None, device: str, text_layers: int) -> None:
    """Save the checkpoints that are not there."""
    from speed import checkpoints

    if not (editor / "model_index.json").is_file():
        if kind == "flux2":
            checkpoints.save_flux2(editor, device, text_layers)
        else:
            checkpoints.save_edit_pipeline(editor, device, full_size=kind == "qwen")
    if judge is not None:
        checkpoints.save_judge(judge, device, full_size=kind != "tiny")


def run(setup: Setup, arguments: argparse.Namespace, benchmark: Path) -> dict[str, Any]:
    """Edits, and scores if there is a judge, over all devices of ``setup``."""
    import yaml

    count = len(setup.devices)
    names = CATEGORIES[: arguments.samples]
    targets = [f"results/edits/editor/{name}/edits.jsonl" for name in names]
    if setup.judge is not None:
        targets += [f"results/scores/judge/editor/{name}.jsonl" for name in names]
    with tempfile.TemporaryDirectory(prefix="placed-") as name:
        folder = Path(name)
        prepare(setup, benchmark, folder)
        path = folder / "config" / "run.yaml"
        config = yaml.safe_load(path.read_text())
        for model in (config["models"]["editor"], config["judges"]["judge"]):
            model["gpu"] = count
        if arguments.make == "flux2":
            del config["models"]["editor"]["true_cfg_scale"]
        path.write_text(yaml.safe_dump({**config, "shards": 1}))
        seconds = snakemake(folder, targets, count, setup.out / f"snakemake-{count}.log")
        results = folder / "results"
        edits = rows_of(results, "edits/editor/*/edits.jsonl")
        scores = rows_of(results, "scores/judge/editor/*.jsonl")
        logs = [path.read_text() for path in sorted((results / "logs").glob("*/*editor/*/*.log"))]
        logs += [path.read_text() for path in sorted((results / "logs/score").rglob("*.log"))]
    lines = [line for log in logs for line in log.splitlines()]
    measured = {
        "devices": count,
        "seconds": round(seconds, 2),
        "seconds_per_image": round(fmean(row["seconds"] for row in edits), 4),
        "images": {row["id"]: row["image_sha256"] for row in edits},
        "scores": {row["id"]: row["score"] for row in scores},
        "jobs": [line for line in lines if " images in " in line or "loaded in" in line],
    }
    print(json.dumps(measured, indent=1), flush=True)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, samples=5, steps=10, judged=False)
    parser.add_argument("--judge", type=Path, default=None, help="checkpoint folder")
    parser.add_argument("--make", choices=["flux2", "qwen", "tiny"], help="save it if need be")
    parser.add_argument("--text-layers", type=int, default=40)
    parser.add_argument("--alone", action="store_true", help="compare with one device")
    arguments = parser.parse_args()
    judge = vars(arguments).pop("judge")
    setup = setup_of(arguments, is_guided=False)
    setup = replace(setup, judge=judge.resolve() if judge else None)
    if arguments.make:
        device = "cpu" if setup.is_on_cpu else "cuda"
        make(arguments.make, setup.editor, setup.judge, device, arguments.text_layers)
    with tempfile.TemporaryDirectory(prefix="placed-data-") as name:
        benchmark = write_benchmark(Path(name), arguments.samples, arguments.side)
        runs = [run(setup, arguments, benchmark)]
        if arguments.alone:
            runs.append(run(replace(setup, devices=setup.devices[:1]), arguments, benchmark))
    result = {"command": shlex.join(["python", *sys.argv]), "steps": setup.steps, "runs": runs}
    (setup.out / "placed.json").write_text(json.dumps(result, indent=1) + "\n")
    for what in ("images", "scores"):
        if runs[0][what] != runs[-1][what]:
            sys.exit(f"some {what} differ between one device and several")


if __name__ == "__main__":
    main()

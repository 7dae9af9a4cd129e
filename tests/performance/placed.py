"""A model that is placed over several devices, through Snakemake and the real leases.

    python tests/performance/placed.py --make flux2 --editor FOLDER --devices 0 1 --out FOLDER
    python tests/performance/placed.py --make qwen --editor FOLDER --alone --devices 0 1 --out DIR

Edits one benchmark with the editor placed over all of ``--devices`` (``gpu: N``). With ``--alone``
the same is done on the first device, from nothing: the hash of each image has to be the same.
``--make`` saves a checkpoint of random
weights first, if the folder is not there: ``flux2`` has the released shapes of FLUX.2 [dev]
(``--text-layers`` of its text encoder's 40), ``qwen`` those of Qwen-Image-Edit, ``tiny`` none. What
each device did stands in the jobs' last lines.
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


def make(kind: str, editor: Path, device: str, text_layers: int) -> None:
    """Save the checkpoint if it is not there."""
    from speed import checkpoints

    if not (editor / "model_index.json").is_file():
        if kind == "flux2":
            checkpoints.save_flux2(editor, device, text_layers)
        else:
            checkpoints.save_edit_pipeline(editor, device, full_size=kind == "qwen")


def run(setup: Setup, arguments: argparse.Namespace, benchmark: Path) -> dict[str, Any]:
    """Edits over all devices of ``setup``."""
    import yaml

    count = len(setup.devices)
    names = CATEGORIES[: arguments.samples]
    targets = [f"results/edits/editor/{name}/edits.jsonl" for name in names]
    with tempfile.TemporaryDirectory(prefix="placed-") as name:
        folder = Path(name)
        prepare(setup, benchmark, folder)
        path = folder / "config" / "run.yaml"
        config = yaml.safe_load(path.read_text())
        config["models"]["editor"]["gpu"] = count
        if arguments.make == "flux2":
            del config["models"]["editor"]["true_cfg_scale"]
        path.write_text(yaml.safe_dump({**config, "shards": 1}))
        seconds = snakemake(folder, targets, count, setup.out / f"snakemake-{count}.log")
        results = folder / "results"
        edits = rows_of(results, "edits/editor/*/edits.jsonl")
        logs = [path.read_text() for path in sorted((results / "logs").glob("*/*editor/*/*.log"))]
    lines = [line for log in logs for line in log.splitlines()]
    measured = {
        "devices": count,
        "seconds": round(seconds, 2),
        "seconds_per_image": round(fmean(row["seconds"] for row in edits), 4),
        "images": {row["id"]: row["image_sha256"] for row in edits},
        "jobs": [line for line in lines if " images in " in line or "loaded in" in line],
    }
    print(json.dumps(measured, indent=1), flush=True)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, samples=5, steps=10, judged=False)
    parser.add_argument("--make", choices=["flux2", "qwen", "tiny"], help="save it if need be")
    parser.add_argument("--text-layers", type=int, default=40)
    parser.add_argument("--alone", action="store_true", help="compare with one device")
    arguments = parser.parse_args()
    setup = setup_of(arguments, is_guided=False)
    if arguments.make:
        device = "cpu" if setup.is_on_cpu else "cuda"
        make(arguments.make, setup.editor, device, arguments.text_layers)
    with tempfile.TemporaryDirectory(prefix="placed-data-") as name:
        benchmark = write_benchmark(Path(name), arguments.samples, arguments.side)
        runs = [run(setup, arguments, benchmark)]
        if arguments.alone:
            runs.append(run(replace(setup, devices=setup.devices[:1]), arguments, benchmark))
    result = {"command": shlex.join(["python", *sys.argv]), "steps": setup.steps, "runs": runs}
    (setup.out / "placed.json").write_text(json.dumps(result, indent=1) + "\n")
    if runs[0]["images"] != runs[-1]["images"]:
        sys.exit("some images differ between one device and several")


if __name__ == "__main__":
    main()

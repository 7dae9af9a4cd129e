"""A whole run of a model of few steps: edits, scores, self-test and report, and how busy GPUs are.

    python tests/performance/few_steps.py --editor FOLDER --judge FOLDER --devices 0 1 \\
        --samples 45 --steps 8 --out FOLDER

Where an edit takes seconds, starts of jobs decide. ``busy`` is the share of the whole command in
which each GPU has a kernel running; ``predicted_over_measured`` is what the arithmetic of
``old_shape.py model`` makes of the same run.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from pathlib import Path

from shapes import workflow
from shapes.gpu_load import GpuLoad
from shapes.model import predict_workflow
from shapes.setup import add_arguments, setup_of, write_benchmark


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, samples=45, steps=8, judged=True)
    arguments = parser.parse_args()
    setup = setup_of(arguments, is_guided=False)
    with tempfile.TemporaryDirectory(prefix="few-steps-") as name:
        folder = Path(name)
        benchmark = write_benchmark(folder / "data", arguments.samples, arguments.side)
        with GpuLoad(setup.devices) as load:
            ours = workflow.measure(setup, benchmark, folder, [])
    summary = load.summary()
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "devices": len(setup.devices), "samples": arguments.samples, "steps": setup.steps,
        "seconds": ours["seconds"],
        "busy": [round(busy / summary["wall_seconds"], 3) for busy in summary["gpu_busy_seconds"]],
        "ours": ours,
    }  # fmt: skip
    predicted = predict_workflow(result, arguments.samples, len(setup.devices))
    result["predicted_over_measured"] = round(predicted / ours["seconds"], 3)
    (setup.out / "few_steps.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: value for name, value in result.items() if name != "ours"}, indent=1))


if __name__ == "__main__":
    main()

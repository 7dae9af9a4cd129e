"""The earlier threaded program's shape against the workflow: same benchmark, steps and weights.

    python tests/performance/old_shape.py run --editor FOLDER --judge FOLDER --devices 0 1 \\
        --samples 10 --steps 10 --out FOLDER
    python tests/performance/old_shape.py model FOLDER/measured.json ... --out FOLDER

``run`` measures both, ``model`` extends each measurement to 270 images on one to eight GPUs by
arithmetic with the measured constants alone. ``cpu`` stands for a GPU where there is none: the same
code with tiny models. What the earlier shape is, says ``shapes/earlier.py``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shapes import earlier, model, workflow
from shapes.gpu_load import GpuLoad
from shapes.setup import Setup, add_arguments, setup_of, write_benchmark


def run(setup: Setup, samples: int, side: int, parts: list[str]) -> None:
    """Measure ``parts`` (``ours``, ``old``) and write ``measured.json``.

    Parameters
    ----------
    samples, side
        The benchmark: its number of images, and their width and height in pixels.
    parts
        A part that was measured before is kept, so that each can have a sitting of its own.
    """
    path = setup.out / "measured.json"
    measured: dict[str, Any] = {
        "command": "python tests/performance/old_shape.py run",
        "devices": len(setup.devices), "samples": samples, "steps": setup.steps,
        "is_guided": setup.is_guided,
    }  # fmt: skip
    if path.exists():
        earlier_run = json.loads(path.read_text())
        if any(earlier_run[name] != value for name, value in measured.items()):
            raise SystemExit(
                f"{path} is of other devices, samples, steps or guidance; take another folder."
            )
        measured = earlier_run
    with tempfile.TemporaryDirectory(prefix="old-shape-") as name:
        folder = Path(name)
        benchmark = write_benchmark(folder / "data", samples, side)
        # The old shape last: what it holds in this process would be in the way of the other.
        measures: dict[str, Callable[[], dict[str, Any]]] = {
            "ours": lambda: workflow.measure(setup, benchmark, folder, workflow.score_tables()),
            "old": lambda: earlier.measure(setup, benchmark),
        }
        for part in [name for name in measures if name in parts]:
            with GpuLoad(setup.devices) as load:
                seconds = measures[part]()
            measured[part] = seconds | load.summary()
            print(part, json.dumps(measured[part]), flush=True)
            path.write_text(json.dumps(measured, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    measure = commands.add_parser("run", help="measure both")
    add_arguments(measure, samples=10, steps=10, judged=True)
    measure.add_argument("--parts", nargs="+", choices=["ours", "old"], default=["ours", "old"])
    measure.add_argument("--unguided", action="store_true", help="one forward pass a step")
    extend = commands.add_parser("model", help="extend measurements to 270 images")
    extend.add_argument("measured", type=Path, nargs="+")
    extend.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "model":
        model.extend(arguments.measured, arguments.out.resolve())
        return
    setup = setup_of(arguments, is_guided=not arguments.unguided)
    run(setup, arguments.samples, arguments.side, arguments.parts)


if __name__ == "__main__":
    main()

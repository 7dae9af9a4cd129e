"""What both shapes are measured with: one benchmark, the models, the devices."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CATEGORIES = ["physical", "environmental", "social", "causal", "referential"]


@dataclass(frozen=True)
class Setup:
    """One measurement.

    Attributes
    ----------
    editor, judge
        Checkpoint folders. Edits alone need no judge.
    devices
        GPU numbers, or ``cpu`` once for each device to stand for.
    steps
        Sampler steps of an edit.
    out
        Folder for results and logs.
    is_guided
        Whether a step is of two forward passes, with and without the instruction.
    """

    editor: Path
    judge: Path | None
    devices: tuple[str, ...]
    steps: int
    out: Path
    is_guided: bool = True

    @property
    def is_on_cpu(self) -> bool:
        return self.devices[0] == "cpu"

    @property
    def guidance(self) -> dict[str, Any]:
        """Classifier-free guidance, or none."""
        if self.is_guided:
            return {"true_cfg_scale": 4.0, "negative_prompt": " "}
        return {"true_cfg_scale": 1.0}

    @property
    def image_size(self) -> dict[str, int]:
        """Height and width of the edited images where the pipeline's own choice is too slow."""
        return {"height": 256, "width": 256} if self.is_on_cpu else {}


def add_arguments(
    parser: argparse.ArgumentParser, *, samples: int, steps: int, judged: bool
) -> None:
    """The arguments of a measurement, with the defaults that are its own."""
    parser.add_argument("--editor", type=Path, required=True, help="checkpoint folder")
    if judged:
        parser.add_argument("--judge", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--devices", nargs="+", required=True, help="GPU numbers, or cpu")
    parser.add_argument("--samples", type=int, default=samples)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--side", type=int, default=1024, help="pixels of a source image")
    parser.add_argument("--out", type=Path, required=True)


def setup_of(arguments: argparse.Namespace, *, is_guided: bool = True) -> Setup:
    """What the arguments of :func:`add_arguments` say; its folder for results is made."""
    setup = Setup(
        editor=arguments.editor.resolve(),
        judge=arguments.judge.resolve() if "judge" in arguments else None,
        devices=tuple(arguments.devices),
        steps=arguments.steps,
        out=arguments.out.resolve(),
        is_guided=is_guided,
    )
    setup.out.mkdir(parents=True, exist_ok=True)
    return setup


def write_benchmark(folder: Path, samples: int, side: int) -> Path:
    """``samples`` drawn images of ``side`` pixels, evenly over the categories."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(samples):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        image.save(folder / f"{number}.png")
        row = {"id": f"s{number}", "category": CATEGORIES[number % 5], "image": f"{number}.png",
               "instruction": f"Make the scene look like evening, variant {number}."}  # fmt: skip
        lines.append(json.dumps(row) + "\n")
    path = folder / "benchmark.jsonl"
    path.write_text("".join(lines))
    return path

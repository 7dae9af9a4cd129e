"""What both shapes are measured with: one benchmark, the models, the devices."""

from __future__ import annotations

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

"""What fewer steps and the approximations cost a trained editor in right edits, as a table.

``python scripts/demo/train/costs.py resources/demo/models/editor`` on one GPU, through the
project's own editor. Each way of editing edits the same held-out scenes, each with the noise that
its number seeds; the last column is the paired test of the right ones against the exact way of as
many steps.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Python puts the folder that it runs on its search path, not the one that holds the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import argparse
import multiprocessing
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from demo.train.judging.questions import held_out
from demo.train.scenes import Sample, sample
from demo.world.check import measures
from demo.world.truth import truth
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.config.editors import DiffusersEditorSettings
from edit_benchmark.editing import registry
from edit_benchmark.editing.editor import Editor
from edit_benchmark.stats.permutation import permutation_p

#: Of each number of steps the first is exact.
WAYS: tuple[dict[str, Any], ...] = ({}, {"fp8": True}, {"block_cache": 0.1}, {"block_cache": 0.2})
_HEAD = (
    "| steps | setting | right | error where it changes | levels elsewhere | s an edit | p |\n"
    "|---:|---|---:|---:|---:|---:|---:|"
)


def editor_of(folder: Path, device: str, steps: int, **settings: Any) -> Editor:
    """The project's own editor with the pipeline in a folder, unguided."""
    whole = DiffusersEditorSettings(
        editor="diffusers",
        checkpoint=str(folder),
        dtype="float32",
        num_inference_steps=steps,
        true_cfg_scale=1.0,
        **settings,
    )
    return registry.build(whole, Checkpoint(str(folder), str(folder), "", "", "", 0), device)


def rows(editor: Editor, drawn: list[Sample], pool: Any) -> NDArray[np.float64]:
    """Of each scene: right, relative error where it changes, levels elsewhere, seconds."""
    found, seconds = [], []
    for number, one in enumerate(drawn):
        began = time.monotonic()
        made = editor.edit(Image.fromarray(one.pictures[0]), one.texts[number % 2], number)
        seconds.append(time.monotonic() - began)
        found.append(pool.apply_async(_checked, (number, made)))
    return np.array([[*row.get(), took] for row, took in zip(found, seconds, strict=True)])


def _checked(number: int, made: Image.Image) -> tuple[float, float, float]:
    found = measures(made, truth(held_out(number)))
    return float(found.right), found.changed_error, found.kept_levels


def _drawn(number: int) -> Sample:
    return sample(number, "heldout", 0)


def main() -> None:
    given = _arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # Not forked: this process will have threads and perhaps a GPU.
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        drawn = pool.map(_drawn, range(given.scenes))
        print(f"{given.folder.absolute().name}, {given.scenes} held-out scenes, {device}\n")
        print(_HEAD, flush=True)
        for steps in given.steps:
            exact: NDArray[np.float64] | None = None
            for way in WAYS:
                table = rows(editor_of(given.folder, device, steps, **way), drawn, pool)
                exact = table if exact is None else exact
                p = permutation_p(table[:, 0] - exact[:, 0]) if way else None
                name = ", ".join(f"{key} {value}" for key, value in way.items()) or "exact"
                means = table.mean(axis=0)
                print(
                    f"| {steps} | {name.replace(' True', '')} | {means[0]:.3f} | "
                    f"{np.median(table[:, 1]):.3f} | {np.median(table[:, 2]):.2f} | "
                    f"{np.median(table[:, 3]):.3f} | {'' if p is None else f'{p:.3f}'} |",
                    flush=True,
                )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the editor's folder")
    parser.add_argument("--scenes", type=int, default=250, help="held-out ones")
    parser.add_argument("--steps", type=int, nargs="+", default=[4, 8, 20])
    parser.add_argument("--processes", type=int, default=8, help="that draw and check")
    return parser.parse_args()


if __name__ == "__main__":
    main()

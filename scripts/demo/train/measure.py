"""What trained editors and the trained judge do with thousands of held-out scenes, as a table.

``python scripts/demo/train/measure.py --editors editor=resources/demo/models/editor
two-steps=resources/demo/models/editor@2 --judge runs/judge/judge --scenes 10000
--out runs/measured.csv`` on one GPU; an editor's steps stand behind its folder, 4 without. A row is
an edit: the world's check, and the judge's score in both languages. Tables of several such
commands, one a GPU, are read together by ``python scripts/demo/train/promises.py``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Python puts the folder that it runs on its search path, not the one that holds the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import argparse
import csv
import multiprocessing
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from demo.train.batches import BatchEditor
from demo.train.code import Pictures
from demo.train.judge import loaded
from demo.train.judging import figures
from demo.train.judging.edits import Edits
from demo.train.judging.forward import Forward
from demo.train.judging.questions import LANGUAGES, NAMES, Questions, held_out
from demo.world.check import measures
from demo.world.truth import truth

# Scenes that are on the device at once, and edits that are made at once.
_SCENES, _BATCH = 500, 50
_STEPS = 4
COLUMNS = (
    "scene", "category", "editor", "language", "right", "changed_error", "changed_levels",
    "kept_levels", *(f"score_{language}" for language in LANGUAGES),
)  # fmt: skip


class Named(NamedTuple):
    """An editor as the table names it."""

    name: str
    folder: Path
    steps: int


@dataclass(frozen=True)
class Judge:
    """A trained judge by training's forward pass, which asks many questions at a time."""

    model: Any
    forward: Forward
    questions: Questions
    device: str

    def scores(self, seen: figures.HeldOut, first: int, made: Pictures) -> figures.Scores:
        """In each language of edits of the stored scenes from ``first`` on, (N, languages)."""
        scenes = torch.arange(first, first + len(made), device=self.device)
        kept = seen.store.pictures(slice(first, first + len(made))).permute(0, 1, 4, 2, 3).float()
        edited = torch.from_numpy(made).to(self.device).permute(0, 3, 1, 2).float()
        nothing = torch.zeros(len(made), device=self.device)
        edits = Edits(kept[:, 0], edited, kept[:, 1], scenes, nothing.long(), nothing)
        return np.stack(
            [
                figures.scores(
                    figures.probabilities(self.model, self.forward, seen.store, edits, language)
                )
                for language in range(len(LANGUAGES))
            ],
            axis=1,
        )


def main() -> None:
    given = _arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    editors = {one.name: BatchEditor(one.folder, device) for one in given.editors}
    judge = Judge(*loaded(given.judge, device), device)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    # Not forked: this process has threads and perhaps a GPU by now.
    with (
        multiprocessing.get_context("spawn").Pool(given.processes) as pool,
        given.out.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for first in range(0, given.scenes, _SCENES):
            count = min(_SCENES, given.scenes - first)
            seen = figures.HeldOut(judge.questions, count, device, first=first, mapped=pool.imap)
            for one in given.editors:
                for row in _rows(editors[one.name], judge, seen, first, one.steps, pool):
                    table.writerow([row[0], NAMES[row[0] % len(NAMES)], one.name, *row[1:]])
            file.flush()
            print(f"{time.monotonic() - began:6.0f} s  {first + count} scenes", flush=True)


def _rows(
    editor: BatchEditor,
    judge: Judge,
    seen: figures.HeldOut,
    first: int,
    steps: int,
    pool: Any,
) -> Iterator[list[Any]]:
    for begin in range(0, len(seen.scenes), _BATCH):
        count = min(_BATCH, len(seen.scenes) - begin)
        sources = seen.store.pictures(slice(begin, begin + count))[:, 0].cpu().numpy()
        numbers = range(first + begin, first + begin + count)
        texts = [held_out(number).instruction[number % 2] for number in numbers]
        made = editor.edit(sources, texts, numbers, steps)
        checked = pool.starmap(_checked, zip(numbers, made, strict=True))
        scores = judge.scores(seen, begin, made)
        for number, found, both in zip(numbers, checked, scores, strict=True):
            yield [number, LANGUAGES[number % 2], *found, *(round(float(x), 4) for x in both)]


def _checked(number: int, made: Any) -> tuple[int, float, float, float]:
    found = measures(Image.fromarray(made), truth(held_out(number)))
    levels = (found.changed_error, found.changed_levels, found.kept_levels)
    return (int(found.right), *(round(value, 4) for value in levels))  # type: ignore[return-value]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--editors", type=_named, nargs="+", required=True, metavar="NAME=FOLDER[@STEPS]"
    )
    parser.add_argument("--judge", type=Path, required=True, help="the judge's folder")
    parser.add_argument("--scenes", type=int, default=10_000, help="held-out ones")
    parser.add_argument("--processes", type=int, default=16, help="that draw and check")
    parser.add_argument("--out", type=Path, required=True, help="the table")
    given = parser.parse_args()
    names = [one.name for one in given.editors]
    if len(set(names)) < len(names):
        parser.error(f"--editors: a name stands there twice, {names}")
    return given


def _named(text: str) -> Named:
    found = re.fullmatch(r"(?P<name>[^=]+)=(?P<folder>.+?)(@(?P<steps>[2-9]|[1-9][0-9]+))?", text)
    if found is None or not Path(found["folder"]).is_dir():
        raise argparse.ArgumentTypeError(f"{text}: not NAME=FOLDER or NAME=FOLDER@STEPS, from 2 on")
    return Named(found["name"], Path(found["folder"]), int(found["steps"] or _STEPS))


if __name__ == "__main__":
    main()

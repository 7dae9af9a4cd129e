"""What trained editors and the trained judge do with thousands of held-out scenes, as a table.

``python scripts/demo/train/measure.py --editors editor=resources/demo/models/editor
two-steps=resources/demo/models/editor@2 --judge resources/demo/models/judge --scenes 10000
--out runs/measured.csv`` on all GPUs; an editor's steps stand behind its folder, 4 without. A row
is an edit: the world's check, and the judge's score in both languages. ``promises.py`` reads it.
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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
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

# Scenes that a process takes at once, and edits that are made at once.
_SCENES, _BATCH = 100, 50
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
    given.out.parent.mkdir(parents=True, exist_ok=True)
    blocks = range(0, given.scenes, _SCENES)
    measured = partial(_measured, tuple(given.editors), given.judge, given.scenes)
    began = time.monotonic()
    # Not forked: each has its own GPU context. One thread each: they share the cores.
    spawn = multiprocessing.get_context("spawn")
    with (
        spawn.Pool(given.processes, torch.set_num_threads, (1,)) as pool,
        given.out.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for first, rows in zip(blocks, pool.imap(measured, blocks), strict=True):
            table.writerows(rows)
            file.flush()
            done = min(first + _SCENES, given.scenes)
            print(f"{time.monotonic() - began:6.0f} s  {done} scenes", flush=True)


@cache
def _device() -> str:
    """This process's: by turns, if there are several GPUs."""
    gpus = torch.cuda.device_count()
    return f"cuda:{multiprocessing.current_process()._identity[0] % gpus}" if gpus else "cpu"


@cache
def _editor(folder: Path) -> BatchEditor:
    return BatchEditor(folder, _device())


@cache
def _judge(folder: Path) -> Judge:
    return Judge(*loaded(folder, _device()), _device())


def _measured(editors: Sequence[Named], judge: Path, scenes: int, first: int) -> list[list[Any]]:
    """The table's rows of a block of scenes."""
    count = min(_SCENES, scenes - first)
    seen = figures.HeldOut(_judge(judge).questions, count, _device(), first=first)
    return [
        row
        for one in editors
        for row in _rows(one.name, _editor(one.folder), one.steps, _judge(judge), seen, first)
    ]


def _rows(
    name: str, editor: BatchEditor, steps: int, judge: Judge, seen: figures.HeldOut, first: int
) -> Iterator[list[Any]]:
    for begin in range(0, len(seen.scenes), _BATCH):
        count = min(_BATCH, len(seen.scenes) - begin)
        sources = seen.store.pictures(slice(begin, begin + count))[:, 0].cpu().numpy()
        numbers = range(first + begin, first + begin + count)
        texts = [held_out(number).instruction[number % 2] for number in numbers]
        made = editor.edit(sources, texts, numbers, steps)
        scores = judge.scores(seen, begin, made)
        for number, picture, both in zip(numbers, made, scores, strict=True):
            found = measures(Image.fromarray(picture), truth(held_out(number)))
            levels = (found.changed_error, found.changed_levels, found.kept_levels)
            yield [
                number, NAMES[number % len(NAMES)], name, LANGUAGES[number % 2], int(found.right),
                *(round(float(value), 4) for value in (*levels, *both)),
            ]  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--editors", type=_named, nargs="+", required=True, metavar="NAME=FOLDER[@STEPS]"
    )
    parser.add_argument("--judge", type=Path, required=True, help="the judge's folder")
    parser.add_argument("--scenes", type=int, default=10_000, help="held-out ones")
    parser.add_argument("--processes", type=int, default=12, help="that share GPUs and cores")
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

"""Pictures that trained editors make of training scenes, for the judge to learn from."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from demo.train.batches import BatchEditor
from demo.train.scenes import sample
from demo.world.scene import Split
from edit_benchmark.images import encode_png
from edit_benchmark.results.files import write_bytes

_STEPS, _BATCH = 4, 32


def edit_scenes(
    editors: Sequence[Path], folders: Sequence[Path], scenes: int, split: Split, processes: int
) -> None:
    """Each editor edits scenes 0, 1, 2, ... into its folder; what is there is kept.

    On all GPUs, several processes on each: the pictures are enlarged on the host, and one process
    made 10 edits a second with an H100 where six made 47.
    """
    tasks: list[tuple[Path, Path, list[int], Split, int]] = []
    each = max(1, processes // max(1, len(editors)))
    for editor, folder in zip(editors, folders, strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        missing = [number for number in range(scenes) if not _path(folder, number).is_file()]
        parts = [missing[k::each] for k in range(each)]
        # The GPUs take turns over all tasks.
        tasks += [
            (editor, folder, part, split, place)
            for place, part in enumerate(parts, start=len(tasks))
            if part
        ]
    if processes == 1:
        for task in tasks:
            _edit(*task)
    elif tasks:
        # Not forked: each has its own GPU context. One thread each: they share the cores.
        spawn = multiprocessing.get_context("spawn")
        with spawn.Pool(len(tasks), torch.set_num_threads, (1,)) as pool:
            pool.starmap(_edit, tasks, chunksize=1)


def _edit(editor: Path, folder: Path, numbers: Sequence[int], split: Split, place: int) -> None:
    """English and Chinese instructions by turns."""
    gpus = torch.cuda.device_count()
    edits = BatchEditor(editor, f"cuda:{place % gpus}" if gpus else "cpu")
    for first in range(0, len(numbers), _BATCH):
        some = numbers[first : first + _BATCH]
        drawn = [sample(number, split, 0) for number in some]
        made = edits.edit(
            np.stack([one.pictures[0] for one in drawn]),
            [one.texts[number % 2] for number, one in zip(some, drawn, strict=True)],
            some,
            _STEPS,
        )
        for number, picture in zip(some, made, strict=True):
            write_bytes(_path(folder, number), encode_png(Image.fromarray(picture), {}))


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.png"

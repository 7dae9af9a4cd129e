"""Pictures that trained editors make of training scenes, for the judge to learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from demo.train.batches import BatchEditor
from demo.train.scenes import sample
from edit_benchmark.images import encode_png
from edit_benchmark.results.files import write_bytes

_STEPS, _BATCH = 4, 32


def edit_scenes(editor: Path, folder: Path, scenes: int, device: str) -> None:
    """Edit training scenes 0, 1, 2, ..., English and Chinese by turns; what is there is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(scenes) if not (folder / f"{number}.png").is_file()]
    if not missing:
        return
    edits = BatchEditor(editor, device)
    for first in range(0, len(missing), _BATCH):
        numbers = missing[first : first + _BATCH]
        drawn = [sample(number, "train", 0) for number in numbers]
        made = edits.edit(
            np.stack([one.pictures[0] for one in drawn]),
            [one.texts[number % 2] for number, one in zip(numbers, drawn, strict=True)],
            numbers,
            _STEPS,
        )
        for number, picture in zip(numbers, made, strict=True):
            write_bytes(folder / f"{number}.png", encode_png(Image.fromarray(picture), {}))

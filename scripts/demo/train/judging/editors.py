"""Pictures that trained editors make of training scenes, for the judge to learn from."""

from __future__ import annotations

from pathlib import Path

import diffusers
import torch
from PIL import Image

from demo.train.scenes import sample
from edit_benchmark.editing.token_types import pass_token_types
from edit_benchmark.images import encode_png
from edit_benchmark.results.files import write_bytes

_STEPS = 4


def edit_scenes(editor: Path, folder: Path, scenes: int, device: str) -> None:
    """Edit training scenes 0, 1, 2, ..., English and Chinese by turns; what is there is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(scenes) if not (folder / f"{number}.png").is_file()]
    if not missing:
        return
    pipeline = diffusers.DiffusionPipeline.from_pretrained(editor, dtype=torch.float32).to(device)
    pass_token_types(pipeline)
    pipeline.set_progress_bar_config(disable=True)
    for number in missing:
        one = sample(number, "train", 0)
        made = pipeline(
            image=Image.fromarray(one.pictures[0]),
            prompt=one.texts[number % 2],
            num_inference_steps=_STEPS,
            true_cfg_scale=1.0,
            generator=torch.Generator().manual_seed(number),
        ).images[0]
        small = made.resize((256, 256), Image.Resampling.BOX)
        write_bytes(folder / f"{number}.png", encode_png(small, {}))

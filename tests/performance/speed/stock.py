"""The same pipeline as diffusers loads and runs it.

Only the token types that diffusers drops are given to its text encoder (see ``pass_token_types``),
or it would make other images.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from PIL import Image

from edit_benchmark.config.editors import DiffusersEditorSettings
from edit_benchmark.editing.token_types import pass_token_types
from speed import drawn
from speed.ours import SEED, Case


@dataclass(frozen=True)
class Measured:
    """One edit: the image, the wall time of the pipeline's call, and the seconds of a step."""

    image: Image.Image
    seconds: float
    seconds_per_step: float


def load(checkpoint: Path, device: str, full_size: bool) -> Any:
    """The pipeline of ``checkpoint`` on ``device``."""
    pipeline = diffusers.DiffusionPipeline.from_pretrained(
        checkpoint,
        dtype=torch.bfloat16 if full_size else torch.float32,
        device_map=device if device != "cpu" else None,
    )
    pipeline.set_progress_bar_config(disable=True)
    pass_token_types(pipeline)
    return pipeline


def edit(pipeline: Any, settings: DiffusersEditorSettings, case: Case, steps: int) -> Measured:
    """Edit the source of ``case`` in ``steps`` steps, as our editor of ``settings`` does."""
    starts: list[float] = []

    def mark(*_: Any) -> None:
        if pipeline.device.type == "cuda":
            torch.cuda.synchronize()
        starts.append(time.perf_counter())

    handle = pipeline.transformer.register_forward_pre_hook(mark)
    source = drawn.source(case.size)
    start = time.perf_counter()
    image = pipeline(
        image=source,
        prompt=case.instruction,
        num_inference_steps=steps,
        true_cfg_scale=settings.true_cfg_scale,
        negative_prompt=settings.negative_prompt,
        height=settings.height,
        width=settings.width,
        generator=torch.Generator("cpu").manual_seed(SEED),
        output_type="pil",
    ).images[0]
    seconds = time.perf_counter() - start
    handle.remove()
    # Two forwards a step; from the start of the first to that of the last is half a step short.
    seconds_per_step = 2 * (starts[-1] - starts[0]) / (len(starts) - 1)
    return Measured(image, seconds, seconds_per_step)


def plus_step(pipeline: Any, settings: DiffusersEditorSettings, case: Case, steps: int) -> float:
    """Seconds of a step of the Plus pipeline (2509) of the same models, over ``steps`` steps."""
    plus = diffusers.QwenImageEditPlusPipeline(**pipeline.components)
    plus.set_progress_bar_config(disable=True)
    edit(plus, settings, case, 2)  # warms up
    return edit(plus, settings, case, steps).seconds_per_step

"""The editor that is measured, loaded and called as an edit job does it."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

import flops
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.editing import registry
from edit_benchmark.editing.diffusers_pipeline import DiffusersEditor
from speed import checkpoints, drawn

SEED = 7


@dataclass(frozen=True)
class Case:
    """A drawn source of ``size`` (width, height), its instruction, and the steps of stock."""

    size: tuple[int, int]
    instruction: str
    stock_steps: int


@dataclass(frozen=True)
class Measured:
    """One edit.

    Attributes
    ----------
    image
        The edited image.
    seconds
        Wall time of the editor's call.
    stages
        Of it, the seconds of each stage.
    steps
        Sampler steps.
    forwards, flops
        Forwards of the transformer and their FLOPs.
    """

    image: Image.Image
    seconds: float
    stages: dict[str, float]
    steps: int
    forwards: int
    flops: float

    @property
    def seconds_per_step(self) -> float:
        return (self.stages.get("denoising") or self.seconds) / self.steps


def load(checkpoint: Path, device: str, full_size: bool) -> tuple[DiffusersEditor, float]:
    """The editor and the seconds that loading took."""
    settings = checkpoints.edit_settings(checkpoint, full_size)
    start = time.perf_counter()
    editor = registry.build(settings, resolve(settings, "models.bench"), device)
    assert isinstance(editor, DiffusersEditor)
    return editor, round(time.perf_counter() - start, 2)


def warm_up(editor: DiffusersEditor, case: Case) -> None:
    """Edit once at the size of ``case``, in two steps."""
    edit(editor, replace(case, instruction="warm up"), 2)


def edit(editor: DiffusersEditor, case: Case, steps: int, **call: Any) -> Measured:
    """Edit the source of ``case`` in ``steps`` steps.

    ``call`` holds further arguments of the pipeline's call, for this edit only.
    """
    usual = dict(editor._arguments)
    editor._arguments |= {"num_inference_steps": steps} | call
    try:
        source = drawn.source(case.size)
        with flops.counted(editor.pipeline.transformer) as count:
            start = time.perf_counter()
            image = editor.edit(source, case.instruction, SEED)
            seconds = time.perf_counter() - start
    finally:
        editor._arguments = usual
    return Measured(image, seconds, dict(editor.stages), steps, count.forwards, count.flops)


def sustained_rate(device: str) -> float:
    """R of the device in FLOP/s; on a CPU a rough one, in a moment."""
    if device == "cuda":
        return flops.sustained_rate(device)
    return flops.sustained_rate(device, size=128, seconds=0.05, warm_up=0.05)


def free_memory(device: str) -> None:
    """Give the device's memory of deleted models back."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()

"""How fast the approximations are, against an exact step of the same editor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from edit_benchmark.config.editors import Lora
from edit_benchmark.editing import approximations
from edit_benchmark.editing.acceleration.compilation import warm_up
from edit_benchmark.editing.diffusers_pipeline import DiffusersEditor
from edit_benchmark.editing.lora import fuse_lora
from speed import checkpoints, ours
from speed.ours import Case

# The usual threshold, at which random weights give no hits, and one at which nearly all are.
_BLOCK_CACHES = (0.1, 10.0)

#: An edit in so many steps, with further arguments of the pipeline's call; a row of the result.
Edit = Callable[..., dict[str, Any]]


def measure(
    editor: DiffusersEditor,
    folder: Path,
    case: Case,
    exact_step: float,
    full_size: bool,
) -> list[dict[str, Any]]:
    """Rows of the block cache (taken off again), LoRA and float8, one after the other.

    The LoRA and the float8 layers stay in the editor's model.

    Parameters
    ----------
    folder
        Where the LoRA is saved.
    case
        What is edited.
    exact_step
        Seconds of a step without approximations.
    """
    edit = partial(_edit, editor, case, exact_step)
    steps, lora_steps = (20, 8) if full_size else (2, 2)
    rows = []
    for threshold in _BLOCK_CACHES:
        row = _with_block_cache(editor, edit, steps, threshold)
        rows.append(_reported("block_cache", row))
    lora = folder / "lora.safetensors"
    checkpoints.save_lora(lora, editor.pipeline.transformer.config)
    fuse_lora(editor.pipeline, Lora(path=str(lora)))
    rows.append(_reported("lora", edit(lora_steps, true_cfg_scale=1.0)))
    layers = approximations.quantise(editor.pipeline.transformer)
    warm_up(editor.pipeline, editor.details["acceleration"], editor._arguments)
    rows.append(_reported("fp8", {"layers": layers} | edit(steps)))
    return rows


def _with_block_cache(
    editor: DiffusersEditor, edit: Edit, steps: int, threshold: float
) -> dict[str, Any]:
    transformer = editor.pipeline.transformer
    second_block = transformer.transformer_blocks[1]
    usual, computed = second_block.forward, 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal computed
        computed += 1
        return usual(*args, **kwargs)

    second_block.forward = counted
    approximations.cache_blocks(transformer, threshold)
    try:
        row = edit(steps)
    finally:
        transformer.disable_cache()
        second_block.forward = usual
    # The two steps of warming up are among them.
    return row | {"threshold": threshold, "forwards": 2 * (steps + 2),
                  "forwards_computed_whole": computed}  # fmt: skip


def _edit(
    editor: DiffusersEditor, case: Case, exact_step: float, steps: int, **call: Any
) -> dict[str, Any]:
    ours.edit(editor, case, 2, **call)
    measured = ours.edit(editor, case, steps, **call)
    return {
        "steps": steps,
        "seconds_per_image": round(measured.seconds, 3),
        "seconds_per_step": round(measured.seconds_per_step, 4),
        "ratio_to_exact_step": round(exact_step / measured.seconds_per_step, 3),
    }


def _reported(name: str, row: dict[str, Any]) -> dict[str, Any]:
    named = {"approximation": name} | row
    print(named, flush=True)
    return named

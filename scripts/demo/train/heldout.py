"""An editor's figures on held-out scenes, from pictures that its pipeline made."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import diffusers
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from demo.train.code import Code
from demo.train.scenes import checked, sample
from demo.world.truth import CHANGED
from edit_benchmark.editing.token_types import pass_token_types

Levels = NDArray[np.float32]


def figures(
    pipeline: diffusers.QwenImageEditPipeline, code: Code, scenes: int, steps: int
) -> dict[str, Any]:
    """Edit held-out scenes, English and Chinese by turns, without guidance.

    ``right``: the world's check. ``nearest``: in latents the result is nearer to its target than
    to the source and two wrong edits. PSNR in dB within and outside what the edit changes,
    medians, also of the source unchanged (``identity``).
    """
    pass_token_types(pipeline)
    pipeline.set_progress_bar_config(disable=True)
    rows: dict[str, list[dict[str, float]]] = defaultdict(list)
    for number in range(scenes):
        one = sample(number, "heldout")
        made = pipeline(
            image=Image.fromarray(one.pictures[0]),
            prompt=one.texts[number % 2],
            num_inference_steps=steps,
            true_cfg_scale=1.0,
            generator=torch.Generator().manual_seed(number),
        ).images[0]
        made = made.resize((256, 256), Image.Resampling.BOX)
        picture = np.asarray(made, dtype=np.uint8)
        rows[one.category].append(
            _row(one.pictures, picture, code) | {"right": float(checked(number, made))}
        )
    whole = [row for category in rows.values() for row in category]
    return {name: _table(found) for name, found in [("all", whole), *sorted(rows.items())]}


def _row(pictures: NDArray[np.uint8], made: NDArray[np.uint8], code: Code) -> dict[str, float]:
    source, target = pictures[:2].astype(np.float32)
    changed = np.abs(source - target).max(axis=-1) > CHANGED
    latents = code.normalised(np.concatenate([made[None], pictures])) * code.std[:, None, None]
    distances = ((latents[1:] - latents[0]) ** 2).sum(axis=(1, 2, 3))
    found = {"nearest": float(distances.argmin() == 1)}
    for place, mask in (("changed", changed), ("kept", ~changed)):
        if mask.any():
            found[f"dB_{place}"] = _decibels(made[mask], target[mask])
            found[f"identity_dB_{place}"] = _decibels(source[mask], target[mask])
    return found


def _decibels(made: Levels, wanted: Levels) -> float:
    error = float(((made.astype(np.float32) - wanted) ** 2).mean())
    return 10 * float(np.log10(255**2 / max(error, 0.1)))


def _table(rows: list[dict[str, float]]) -> dict[str, float]:
    table: dict[str, float] = {"n": len(rows)}
    for name in ("right", "nearest"):
        table[name] = round(float(np.mean([row[name] for row in rows])), 3)
    for name in ("dB_changed", "identity_dB_changed", "dB_kept"):
        found = [row[name] for row in rows if name in row]
        table[name] = round(float(np.median(found)), 1) if found else float("nan")
    return table

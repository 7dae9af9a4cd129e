"""Writes scenes as a benchmark: source images, targets, benchmark.jsonl, and their truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from demo.world import draw
from demo.world.scene import Scene
from demo.world.truth import objects


def write(scenes: list[Scene], out: Path) -> None:
    """Write ``images/``, ``targets/``, ``benchmark.jsonl`` and ``truth.jsonl`` into ``out``."""
    for folder in ("images", "targets"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        for folder, state in (("images", scene.source), ("targets", scene.target)):
            # A quarter smaller than PNG, and the same to the bit.
            path = out / folder / f"{scene.id}.webp"
            draw.picture(state).save(path, lossless=True, quality=100, method=4)
    _lines(out / "benchmark.jsonl", [_row(scene) for scene in scenes])
    _lines(out / "truth.jsonl", [_truth(scene) for scene in scenes])


def _row(scene: Scene) -> dict[str, Any]:
    colour, shape, _ = scene.combination
    return {
        "id": scene.id,
        "category": scene.category,
        "instruction": scene.instruction.en,
        "instruction_zh": scene.instruction.zh,
        "image": f"images/{scene.id}.webp",
        "target": f"targets/{scene.id}.webp",
        "description": scene.description.en,
        "description_zh": scene.description.zh,
        "rationale": scene.rationale.en,
        "rationale_zh": scene.rationale.zh,
        "tags": [scene.edit.replace("_", " "), colour, shape],
    }


def _truth(scene: Scene) -> dict[str, Any]:
    return {
        "id": scene.id,
        "seed": scene.seed,
        "split": scene.split,
        "edit": scene.edit,
        "combination": scene.combination,
        "source": objects(scene.source),
        "target": objects(scene.target),
    }


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")

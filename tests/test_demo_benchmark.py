"""The demo benchmark: complete in both languages, small, and the same when drawn again."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from conftest import ROOT
from demo.world import draw
from demo.world.files import write
from demo.world.scene import CATEGORIES, scene

DEMO = ROOT / "resources" / "demo"
TEXTS = ["instruction", "description", "rationale"]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    lines = (DEMO / "benchmark.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_each_category_has_five_samples(rows: list[dict[str, Any]]) -> None:
    assert Counter(row["category"] for row in rows) == dict.fromkeys(CATEGORIES, 5)


def test_every_text_is_there_in_english_and_in_chinese(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        for name in TEXTS:
            english, chinese = row[name], row[f"{name}_zh"]
            assert english.strip(), (row["id"], name)
            assert english.isascii(), (row["id"], name)
            assert re.search("[\u4e00-\u9fff]", chinese), (row["id"], name)


def test_what_is_committed_is_what_the_world_draws(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    drawn = [scene(int(row["id"].rpartition("-")[2]), row["category"], "heldout") for row in rows]
    write(drawn[:1], tmp_path)
    for name in ("benchmark.jsonl", "truth.jsonl"):
        assert (DEMO / name).read_bytes().startswith((tmp_path / name).read_bytes())
    for one, row in zip(drawn, rows, strict=True):
        for picture, state in (("image", one.source), ("target", one.target)):
            with Image.open(DEMO / row[picture]) as committed:
                again = ImageChops.difference(draw.picture(state), committed)
            assert again.getbbox() is None, row[picture]
    for folder, picture in (("images", "image"), ("targets", "target")):
        named = {row[picture] for row in rows}
        assert named == {f"{folder}/{path.name}" for path in (DEMO / folder).iterdir()}


def test_what_is_committed_of_the_demo_stays_small() -> None:
    files = [path for path in DEMO.rglob("*") if path.is_file()]
    weights = [path for path in files if path.suffix == ".safetensors"]
    assert sum(path.stat().st_size for path in files if path not in weights) < 1_500_000
    assert sum(path.stat().st_size for path in weights) <= 40_000_000
    assert max(path.stat().st_size for path in weights) < 16 * 2**20

"""The demo benchmark: complete in both languages, small, and the same when drawn again."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from demo.scenes import SCENES, Scene
from edit_benchmark.categories import CATEGORIES, canonical

DEMO = Path(__file__).parents[1] / "resources" / "demo"
IMAGES = DEMO / "images"
TEXTS = ["instruction", "description", "rationale"]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    lines = (DEMO / "benchmark.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_each_category_has_at_least_five_samples(rows: list[dict[str, Any]]) -> None:
    counts = Counter(canonical(row["category"]) for row in rows)
    assert set(counts) == set(CATEGORIES)
    assert min(counts.values()) >= 5


def test_both_ways_to_name_a_category_are_in_use(rows: list[dict[str, Any]]) -> None:
    assert {row["category"] for row in rows} == {*CATEGORIES, *CATEGORIES.values()}


def test_ids_and_images_are_used_once(rows: list[dict[str, Any]]) -> None:
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["image"] for row in rows}) == len(rows)


def test_every_text_is_there_in_english_and_in_chinese(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        for name in TEXTS:
            english, chinese = row[name], row[f"{name}_zh"]
            assert english.strip(), (row["id"], name)
            assert english.isascii(), (row["id"], name)
            assert re.search("[\u4e00-\u9fff]", chinese), (row["id"], name)
        assert row["difficulty"] in {"easy", "medium", "hard"}
        assert row["tags"]


def test_every_image_opens_and_none_is_left_over(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        with Image.open(DEMO / row["image"]) as image:
            image.load()
            assert min(image.size) >= 256, row["id"]
    named = {Path(row["image"]).name for row in rows}
    assert named == {scene.file for scene in SCENES} == {path.name for path in IMAGES.iterdir()}


def test_the_committed_benchmark_stays_small() -> None:
    committed = [DEMO / "benchmark.jsonl", *IMAGES.iterdir()]
    assert sum(path.stat().st_size for path in committed) < 3_000_000


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: Path(scene.file).stem)
def test_drawing_a_scene_again_gives_the_committed_image(scene: Scene, tmp_path: Path) -> None:
    with Image.open(IMAGES / scene.file) as committed, Image.open(scene.save(tmp_path)) as drawn:
        difference = ImageChops.difference(committed.convert("RGB"), drawn.convert("RGB"))
    if scene.file.endswith(".png"):
        assert difference.getbbox() is None
    else:
        # Builds of the JPEG and WebP libraries may round differently: half a level of 255.
        assert max(ImageStat.Stat(difference).mean) < 0.5

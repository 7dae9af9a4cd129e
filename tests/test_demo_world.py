"""The demo's small world: the same everywhere, unambiguous, with a check that knows the truth."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demo.world import draw, rates
from demo.world.check import Measures, measures
from demo.world.draft import WRONG
from demo.world.scene import CATEGORIES, Combination, Scene, Split, combinations, scene
from demo.world.state import State
from demo.world.truth import CHANGED, objects, pixels, truth
from edit_benchmark.dataset.samples import Import, prepare

ROOT = Path(__file__).parents[1]
# Of all pictures and texts of two scenes of each category and split: whoever changes what is drawn
# changes it knowingly, since weights are trained on these pictures.
GOLDEN = "9627fec6caa08d343f51e6b1247676ebf6fd69ab5d3682ac51f25c7d517ffdbd"


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """500 held-out ones."""
    return [scene(seed, category, "heldout") for category in CATEGORIES for seed in range(100)]


def test_a_seed_gives_the_same_pictures_and_texts_on_every_machine() -> None:
    digest = hashlib.sha256()
    for category in CATEGORIES:
        for split in ("train", "heldout"):
            for seed in (0, 1):
                one = scene(seed, category, split)
                for state in (one.source, one.target, *one.wrong.values()):
                    digest.update(draw.picture(state).tobytes())
                digest.update("".join(one.instruction + one.description + one.rationale).encode())
    assert digest.hexdigest() == GOLDEN


@pytest.mark.parametrize("category", CATEGORIES)
def test_what_is_edited_in_a_held_out_scene_is_never_edited_in_training(category: str) -> None:
    trained, held_out = (set(combinations(category, split)) for split in ("train", "heldout"))
    assert not trained & held_out
    assert 0.15 <= len(held_out) / len(trained | held_out) <= 0.25
    splits: tuple[tuple[Split, set[Combination]], ...] = (
        ("train", trained), ("heldout", held_out), ("every", trained | held_out),
    )  # fmt: skip
    for split, allowed in splits:
        assert {scene(seed, category, split).combination for seed in range(600)} == allowed
    assert scene(0, category, "every").source != scene(0, category, "heldout").source
    for first, second in ((0, 1), (0, 2), (1, 2)):
        pairs = {(one[first], one[second]) for one in held_out}
        assert pairs <= {(one[first], one[second]) for one in trained}


def test_a_wrong_edit_can_be_seen_to_be_wrong(scenes: list[Scene]) -> None:
    for one in scenes[::5]:
        assert tuple(one.wrong) == WRONG
        assert one.wrong["nothing"] == one.source
        target = _pixels(one.target)
        for kind, state in one.wrong.items():
            differing = (np.abs(_pixels(state) - target).max(axis=-1) > CHANGED).sum()
            assert differing > 300, (one.id, kind)


def test_the_truth_is_that_of_the_pictures(scenes: list[Scene]) -> None:
    for one in scenes[::5]:
        true = truth(one)
        difference = np.abs(_pixels(one.source) - _pixels(one.target)).max(axis=-1)
        assert (true.changed == (difference > CHANGED)).all()
        assert true.changed.any()
        assert not (true.changed & true.kept).any()
        if one.edit in ("night", "rain"):
            assert (draw.labels(one.source) == draw.labels(one.target)).all(), one.id
        for state in (one.source, one.target):
            seen = objects(state)
            assert len(seen) == len(state.things)
            for thing in seen:
                left, top, right, bottom = thing["box"]
                assert 0 <= left < right <= 256, (one.id, thing)
                assert 0 <= top < bottom <= 256, (one.id, thing)


_NOUNS = {
    "toy": "玩具", "ball": "球", "cube": "方块", "cone": "圆锥", "pillar": "石柱", "stool": "凳子",
    "crate": "木箱", "string": "绳子", "candle": "蜡烛", "ice cube": "冰块", "balloon": "气球",
    "person": "人",
}  # fmt: skip
_COLOURS = {"red": "红", "yellow": "黄", "green": "绿", "blue": "蓝", "purple": "紫"}
_PLACES = {"left": "左边", "middle": "中间", "right": "右边"}
_SIZES = {"larger": "较大", "smaller": "较小", "largest": "最大", "smallest": "最小"}


def _phrases(one: Scene) -> dict[str, list[tuple[str, bool, str, str, str]]]:
    """Place, whether the utmost, size, colour and noun of all that is referred to, by language."""
    any_of = "|".join
    english = re.compile(
        rf"\bthe (?:({any_of(_PLACES)})(most)? )?(?:({any_of(_SIZES)}) )?"
        rf"(?:({any_of(_COLOURS)}) )?({any_of(sorted(_NOUNS, key=len, reverse=True))})\b"
        rf"(?: (?:in|on) (?:the )?({any_of([*_PLACES, *_COLOURS])}))?"
    )
    chinese = re.compile(
        rf"(?:(最)?({any_of(_PLACES.values())})的)?(?:({any_of(_SIZES.values())})的)?"
        rf"(?:(?:穿)?({any_of(_COLOURS.values())})(?:色|衣服的)?)?({any_of(_NOUNS.values())})"
    )
    back = {zh: en for words in (_NOUNS, _COLOURS, _PLACES, _SIZES) for en, zh in words.items()}
    found: dict[str, list[tuple[str, bool, str, str, str]]] = {"en": [], "zh": []}
    for place, most, size, colour, noun, person in english.findall(one.instruction.en.lower()):
        found["en"].append((
            place or (person if person in _PLACES else ""), bool(most), size,
            colour or (person if person in _COLOURS else ""), noun,
        ))  # fmt: skip
    for most, *words in chinese.findall(one.instruction.zh):
        place, size, colour, noun = (back.get(word, "") for word in words)
        found["zh"].append((place, bool(most), size, colour, noun))
    return found


def _denoted(
    phrase: tuple[str, bool, str, str, str], things: Sequence[dict[str, Any]]
) -> list[int]:
    """Numbers of the things that a reader of the phrase would point at, by their boxes."""
    place, most, size, colour, noun = phrase
    kinds = {"toy": {"ball", "cube", "cone"}, "ice cube": {"ice"}}.get(noun, {noun})
    fitting = [
        number
        for number, thing in enumerate(things)
        if thing["kind"] in kinds and colour in ("", thing.get("colour"))
    ]
    middle = {n: things[n]["box"][0] + things[n]["box"][2] for n in fitting}
    width = {n: things[n]["box"][2] - things[n]["box"][0] for n in fitting}
    if place == "middle" and len(fitting) != 3:
        return []
    # "The left one" of three would be a riddle, and so would "the leftmost" of one.
    if place in ("left", "right") and noun != "person" and len(fitting) != 2 + most:
        return []
    if place and fitting:
        ordered = sorted(fitting, key=lambda n: middle[n])
        fitting = [ordered[{"left": 0, "middle": len(ordered) // 2, "right": -1}[place]]]
    if size and len(fitting) > 1:
        ordered = sorted(fitting, key=lambda n: width[n], reverse=size.startswith("larg"))
        clearly = abs(width[ordered[0]] - width[ordered[1]]) >= 8
        fitting = ordered[:1] if clearly and (len(ordered) > 2) == size.endswith("est") else []
    return fitting


def test_an_instruction_denotes_exactly_what_is_edited(scenes: list[Scene]) -> None:
    for one in scenes:
        if one.category == "environmental":
            continue
        things = objects(one.source)
        changed = {n for n, t in enumerate(one.source.things) if t not in one.target.things}
        for language, phrases in _phrases(one).items():
            where = (one.id, language, one.instruction)
            assert phrases, where
            denoted = [_denoted(phrase, things) for phrase in phrases]
            if one.category == "physical":
                # "The pillar under the red ball": what tells it apart is last, in Chinese first.
                support, told_by = (denoted[0], denoted[-1])[:: 1 if language == "en" else -1]
                assert len(told_by) == 1, where
                assert set(told_by) <= changed, where
                assert len(changed & set(support)) == 1, where
            elif one.category == "social":
                # Who has it, and who is to get it; what it is, is none of the people.
                people = [
                    numbers
                    for phrase, numbers in zip(phrases, denoted, strict=True)
                    if phrase[-1] == "person"
                ]
                assert [len(numbers) for numbers in people] == [1, 1], where
                assert people[0] != people[1], where
                assert [*changed] in people, where
            else:
                assert denoted == [[*changed]], where


def test_the_sun_moves_to_the_side_that_is_said(scenes: list[Scene]) -> None:
    moved = [one for one in scenes if one.edit == "light"]
    assert moved
    for one in moved:
        english, chinese = {-1: ("left", "左"), 1: ("right", "右")}[one.target.light]
        assert english in one.instruction.en
        assert chinese in one.instruction.zh


def test_texts_are_complete_in_both_languages_and_tell_edits_apart(scenes: list[Scene]) -> None:
    for one in scenes:
        for text in (one.instruction, one.description, one.rationale):
            assert re.fullmatch(r"[A-Z][ -~]+\.", text.en), text
            assert re.fullmatch("[^a-zA-Z{}]*[\u4e00-\u9fff][^a-zA-Z{}]*。", text.zh), text
    for language in ("en", "zh"):
        edits: dict[str, str] = {}
        for one in scenes:
            said = getattr(one.instruction, language)
            assert edits.setdefault(said, one.edit) == one.edit, said


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_check_takes_the_target_and_refuses_everything_else(category: str) -> None:
    for seed in range(100, 110):
        one, other = (scene(number, category, "heldout") for number in (seed, seed + 1))
        true = truth(one)
        for name, picture in rates.pictures(one, other):
            if name != rates.NEITHER:
                faults = measures(picture, true).faults
                assert bool(faults) == (name not in rates.RIGHT), (one.id, name, faults)


@pytest.mark.parametrize(
    "beyond",
    [
        {"changed_error": 0.16},
        {"changed_levels": 25.0},
        {"kept_levels": 11.0},
        {"object_levels": 13.0},
        {"cells": 7},
    ],
)
def test_each_bound_of_the_check_refuses_alone(beyond: dict[str, Any]) -> None:
    # As check.md has them.
    at_the_bounds = Measures(0.15, 24.0, 10.0, 12.0, 6, "1 ball")
    assert at_the_bounds.right
    assert len(replace(at_the_bounds, **beyond).faults) == 1


def test_a_larger_edited_picture_is_checked_as_it_looks() -> None:
    one = scene(3, "referential", "heldout")
    true = truth(one)
    for state, right in ((one.target, True), (one.source, False)):
        large = draw.picture(state).resize((1024, 1024), Image.Resampling.BICUBIC)
        assert measures(large, true).right == right


def test_the_command_writes_a_benchmark_that_the_workflow_reads(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "scripts" / "demo" / "world", "benchmark"]
    subprocess.run([*command, "--samples", "7", "--out", tmp_path], check=True)
    warnings: list[str] = []
    benchmark = Import(tmp_path / "benchmark.jsonl", "jsonl", "en", tuple(CATEGORIES))
    results = tmp_path / "results"
    samples = prepare(benchmark, results / "sources", results, warnings.append)
    assert not warnings
    assert len(samples) == 7
    assert {sample.category for sample in samples} == set(CATEGORIES)
    rows = [json.loads(line) for line in (tmp_path / "benchmark.jsonl").open(encoding="utf-8")]
    truths = [json.loads(line) for line in (tmp_path / "truth.jsonl").open(encoding="utf-8")]
    for sample, row, true in zip(samples, rows, truths, strict=True):
        for text in ("instruction", "description", "rationale"):
            assert getattr(sample, f"{text}_en") == row[text]
            assert getattr(sample, f"{text}_zh") == row[f"{text}_zh"]
        one = scene(true["seed"], row["category"], true["split"])
        for name, state in (("image", one.source), ("target", one.target)):
            with Image.open(tmp_path / row[name]) as image:
                assert image.tobytes() == draw.picture(state).tobytes()
        with Image.open(results / sample.fields["target_image"]) as image:
            assert image.convert("RGB").tobytes() == draw.picture(one.target).tobytes()
        assert true["target"] == objects(one.target)


def _pixels(state: State) -> np.ndarray:
    return pixels(draw.picture(state))

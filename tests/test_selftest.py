"""The judge's self-test calls out a judge that does not look, and passes one that does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from conftest import Project, draw, five_each
from edit_benchmark.errors import SampleError
from edit_benchmark.judging.judge import Answer, Case
from edit_benchmark.judging.rubrics import Criterion, Rubric
from edit_benchmark.records import Edit, Sample
from edit_benchmark.selftest import probes, verdict
from edit_benchmark.stats.auc import auc

RUBRIC = Rubric("r", "physical", (Criterion("c", "c", "?"),), {"1": 5.0}, "0", True, {})


def case(number: int, category: str = "physical") -> Case:
    sample = Sample(
        id=f"s{number}", category=category, index=number, instruction=f"wish {number}",
        source="x", source_sha256=f"source {number}", width=128, height=96,
    )  # fmt: skip
    source = draw(str(number), (128, 96))
    edited = source.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return Case(sample, source, edited, RUBRIC)


CASES = [case(number) for number in range(20)]
OTHERS = [CASES[number - 1].sample for number in range(20)]
WISHES = {one.sample.id: one.sample.instruction for one in CASES}


def mean_difference(first: Image.Image, second: Image.Image) -> float:
    a, b = (np.asarray(image.resize((128, 96)), float) for image in (first, second))
    return float(np.abs(a - b).mean())


def right(cases: Sequence[Case]) -> list[Answer | SampleError]:
    """Wants the mirrored source, and its own instruction."""
    answers: list[Answer | SampleError] = []
    for one in cases:
        wanted = one.source.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        score = 8 - min(6.0, mean_difference(wanted, one.edited) / 5)
        score -= 3 * (one.sample.instruction != WISHES[one.sample.id])
        answers.append(Answer({"c": max(2.0, score)}))
    return answers


def constant(cases: Sequence[Case]) -> list[Answer | SampleError]:
    return [Answer({"c": 5.0}) for _ in cases]


def outcome(record: dict[str, Any]) -> dict[str, bool | None]:
    return {check["name"]: check["passed"] for check in record["checks"]}


def test_a_judge_that_is_right_passes() -> None:
    record = verdict.run(right, CASES, OTHERS)
    assert record["verdict"] == "passes"
    assert set(outcome(record).values()) == {True}
    assert record["asked"] == 9 * 20


def test_a_judge_that_gives_everything_the_same_score_fails() -> None:
    record = verdict.run(constant, CASES, OTHERS)
    assert record["verdict"] == "fails"
    failed = [name for name, passed in outcome(record).items() if not passed]
    assert failed == ["black", "noise", "source", "swapped"]


def test_a_judge_that_does_not_read_the_instruction_leaves_doubts() -> None:
    def blind(cases: Sequence[Case]) -> list[Answer | SampleError]:
        own = {one.sample.id: one.sample for one in CASES}
        return right([replace(one, sample=own[one.sample.id]) for one in cases])

    record = verdict.run(blind, CASES, OTHERS)
    assert record["verdict"] == "doubtful"
    assert outcome(record)["swapped"] is False


def test_a_judge_that_rolls_dice_fails() -> None:
    rng = np.random.default_rng(0)

    def dice(cases: Sequence[Case]) -> list[Answer | SampleError]:
        return [Answer({"c": float(rng.uniform(2, 8))}) for _ in cases]

    record = verdict.run(dice, CASES, OTHERS)
    assert record["verdict"] == "fails"
    assert outcome(record)["repeated"] is False


def test_a_judge_that_answers_rarely_or_off_the_scale_fails() -> None:
    def silent(cases: Sequence[Case]) -> list[Answer | SampleError]:
        answers = right(cases)
        return [SampleError("x", "") if row % 3 else one for row, one in enumerate(answers)]

    def random_weights(cases: Sequence[Case]) -> list[Answer | SampleError]:
        return [
            replace(answer, details={"c": {"mass": 0.01}})
            for answer in right(cases)
            if isinstance(answer, Answer)
        ]

    assert outcome(verdict.run(silent, CASES, OTHERS))["answers"] is False
    record = verdict.run(random_weights, CASES, OTHERS)
    assert (record["verdict"], outcome(record)["on_scale"]) == ("fails", False)


def test_edits_that_are_their_sources_say_nothing_of_the_source_probe() -> None:
    same = [replace(one, edited=one.source) for one in CASES]
    record = verdict.run(right, same, OTHERS)
    assert outcome(record)["source"] is None


def test_a_changed_edit_is_not_judged_by_what_was_prepared_of_the_unchanged_one() -> None:
    prepared = replace(CASES[1], prepared="of the unchanged image")
    for probe in probes.PROBES:
        changed = probe.change(prepared, OTHERS[1]) if probe.change else None
        if changed is not None and changed is not prepared:
            assert changed.prepared is None, probe.name


def test_few_edits_leave_doubts() -> None:
    record = verdict.run(right, CASES[:4], OTHERS[:4])
    assert record["verdict"] == "doubtful"


def test_auc_is_the_mann_whitney_statistic() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 6, 30).astype(float), rng.integers(0, 5, 30).astype(float)
    value, low, high = auc(a, b, [str(k // 2) for k in range(30)])
    expected = stats.mannwhitneyu(a, b).statistic / (30 * 30)
    assert value == pytest.approx(expected, abs=1e-12)
    assert low is not None
    assert high is not None
    assert low < value < high


def test_edits_are_chosen_evenly_over_categories_whatever_their_order() -> None:
    rows = [
        Edit(id=f"{category}{k}", category=category, model="m", status="edited")
        for category, count in (("physical", 9), ("social", 2), ("causal", 4))
        for k in range(count)
    ]
    rows.append(Edit(id="failed", category="social", model="m", status="edit_failed"))
    chosen = probes.choose(rows, 8)
    counts = [sum(row.category == name for row in chosen) for name in ("physical", "social")]
    assert counts == [3, 2]
    assert probes.choose(rows[::-1], 8) == chosen


def test_the_target_puts_every_judge_to_the_test(project: Project) -> None:
    project.benchmark(five_each(3))
    judges = {name.lower(): {"judge": "class_path", "class_path": f"toys.{name}"}
              for name in ("Honest", "Ruler")}  # fmt: skip
    project.configure(judges=judges, selftest_samples=40)
    output = project.run("judge_selftest")
    assert "self-test of honest on 15 edits of painter: PASSES" in output
    assert "self-test of ruler on 15 edits of painter: FAILS" in output
    assert "FAILED  an edit scores above a black image: AUC 0." in output
    record = json.loads((project.root / "results/selftest/ruler/painter.json").read_text())
    assert record["verdict"] == "fails"
    # A category's page says what is known by then.
    project.run("social")
    page = project.root / "results/report/categories/social/index.html"
    assert "Judge ruler FAILED its self-test" in page.read_text(encoding="utf-8")
    assert record["settings"]["class_path"] == "toys.Ruler"


def test_a_model_without_any_edit_is_reported_all_the_same(project: Project) -> None:
    project.benchmark(five_each(1, instruction="fail"))
    project.configure(selftest_samples=40)
    output = project.run()
    assert "self-test of ruler on 0 edits of painter: UNTESTED" in output
    page = (project.root / "results/report/index.html").read_text(encoding="utf-8")
    assert "Judge ruler could not be put to the self-test: the model has no edit" in page

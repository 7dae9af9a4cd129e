"""A repeat of a judge varies what it names, and the report says what that was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import report_fixtures as fixtures
from edit_benchmark.config.judges import RUBRICS, OwnJudgeSettings, TransformersJudgeSettings
from edit_benchmark.config.resolve import judge_settings
from edit_benchmark.errors import UserError
from edit_benchmark.judging import rubrics
from edit_benchmark.judging.job import question_fields
from edit_benchmark.judging.variations import rubric_of
from edit_benchmark.records import Edit, dumps
from edit_benchmark.report.agreements import repeat_rows
from edit_benchmark.report.analysis import analyse
from edit_benchmark.report.words import load
from edit_benchmark.results.store import key_of

REASONING = RUBRICS / "reasoning.yaml"
SAMPLE = fixtures.sample(0, "physical", 0)
EDIT = Edit(SAMPLE.id, "physical", "m", "edited", image_sha256="0" * 64)


def own(**changes: Any) -> OwnJudgeSettings:
    return OwnJudgeSettings(judge="class_path", class_path="toys.Ruler", **changes)


def asked(settings: Any, language: str = "en") -> dict[str, Any]:
    return question_fields(settings, rubric_of(settings, "physical", language), SAMPLE, EDIT)


def test_another_order_asks_the_same_criteria() -> None:
    once = rubric_of(own(), "physical", "en")
    orders = [rubric_of(own(repeat=k, vary="order"), "physical", "en").criteria for k in (1, 2, 3)]
    for criteria in orders:
        assert criteria != once.criteria
        assert sorted(criteria, key=str) == sorted(once.criteria, key=str)
    assert len(set(orders)) == 3
    assert rubric_of(own(repeat=1, vary="order"), "physical", "en").criteria == orders[0]
    assert key_of(asked(own())) != key_of(asked(own(repeat=1, vary="order")))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_paraphrase_asks_the_same_in_other_words(language: str) -> None:
    questions = [asked(own(), language)]
    questions += [asked(own(repeat=k, vary="paraphrase"), language) for k in (1, 2)]
    for name in ("shared", "asked"):
        assert len({dumps(question[name]) for question in questions}) == 3
    for question in questions:
        assert SAMPLE.instruction in question["shared"]
        assert (
            SAMPLE.rationale_zh in question["shared"] or SAMPLE.rationale_en in question["shared"]
        )
        assert "$" not in dumps(question)
        # What does not vary: the criteria, the scale, the images.
        same = {name: value for name, value in question.items() if name not in ("shared", "asked")}
        assert same == {name: questions[0][name] for name in same}
    with pytest.raises(UserError, match=f"paraphrases.{language}, and there are 2; add some"):
        asked(own(repeat=3, vary="paraphrase"), language)


def test_wordings_of_repeats_do_not_make_another_rubric(tmp_path: Path) -> None:
    content = yaml.safe_load(REASONING.read_text(encoding="utf-8"))
    del content["paraphrases"]
    path = tmp_path / "reasoning.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    assert rubrics.rubric_hash(path) == rubrics.rubric_hash(REASONING)
    content["paraphrases"] = {"en": [{"ask_one": "no place for it"}], "zh": [{"task": "x"}]}
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with pytest.raises(UserError, match=r"paraphrases\.en\.0\.ask_one: its placeholders"):
        rubrics.read(path)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"vary": "order", "repeat": 1}, "vary: order changes nothing with method: expected"),
        ({"vary": "paraphrase"}, "vary: paraphrase says what a repeat changes, but repeat is 0"),
        ({"vary": "temperature", "repeat": 1}, "vary"),
    ],
)
def test_a_repeat_that_would_vary_nothing_is_refused(
    settings: dict[str, Any], sentence: str
) -> None:
    judge = {"judge": "transformers", "checkpoint": "Qwen/Qwen3-VL-8B-Instruct"}
    with pytest.raises(UserError) as caught:
        judge_settings(dumps(judge | settings), "again")
    assert sentence in str(caught.value)
    generated = TransformersJudgeSettings(
        judge="transformers", checkpoint="a/b", method="generated", vary="order", repeat=1
    )
    assert generated.vary == "order"


@pytest.mark.parametrize(("criteria", "orders"), [(1, 0), (2, 1), (3, 5)])
def test_few_criteria_have_few_orders_and_no_repeat_is_asked_as_another(
    tmp_path: Path, criteria: int, orders: int
) -> None:
    content = yaml.safe_load(REASONING.read_text(encoding="utf-8"))
    first = dict(list(content["categories"]["physical"].items())[:criteria])
    content["categories"] = {"other": first}
    path = tmp_path / "few.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")

    def asked_in(repeat: int) -> Any:
        settings = own(repeat=repeat, vary="order", rubric=str(path))
        return rubric_of(settings, "physical", "en").criteria

    once = rubric_of(own(rubric=str(path)), "physical", "en").criteria
    assert len({once, *(asked_in(repeat) for repeat in range(1, orders + 1))}) == orders + 1
    sentence = f"repeat {orders + 1} with vary: order .* category physical has {orders}; repeat"
    with pytest.raises(UserError, match=sentence):
        asked_in(orders + 1)


def test_the_report_says_what_repeats_varied() -> None:
    """A deterministic judge repeats itself by construction; in other words it may not."""
    rng = np.random.default_rng(0)
    scores = {("m", str(number), 0): float(rng.uniform(2, 8)) for number in range(30)}
    other = {key: score + float(rng.normal(0, 1)) for key, score in scores.items()}
    ratings = {"j": scores, "again": dict(scores), "reworded": other, "reworded 2": other}
    base = own().model_dump(mode="json")
    judges = {
        "reworded": base | {"repeat": 1, "vary": "paraphrase"},
        "j": base,
        "again": base | {"repeat": 1},
        "reworded 2": base | {"repeat": 2, "vary": "paraphrase"},
    }
    rows = {row.varied: row for row in repeat_rows(ratings, judges)}
    assert rows["nothing"].judges == ("j", "again")
    assert (rows["nothing"].noise_std, rows["nothing"].reliability) == (0, 1)
    assert rows["paraphrase"].judges == ("j", "reworded", "reworded 2")
    assert rows["paraphrase"].reliability is not None
    assert rows["paraphrase"].reliability < 0.95
    # A run of before had no such key.
    del base["vary"]
    old = {"j": base, "again": base | {"repeat": 1}}
    assert [row.varied for row in repeat_rows(ratings, old)] == ["nothing"]


def test_a_judge_asked_again_is_no_further_judge_without_the_record_of_a_run(
    tmp_path: Path,
) -> None:
    """The report of one category has no record."""
    inputs = fixtures.synthesise(tmp_path, judges=("j", "again", "k"), each=4, images=False)
    judges = {**inputs.judges, "again": inputs.judges["j"] | {"repeat": 1}}
    found = analyse(replace(inputs, judges=judges, run={}), load("en"))
    assert [row.judges for row in found.repeats] == [("j", "again")]
    others = [row for row in inputs.scores if row.judge != "again"]
    assert found.alpha == analyse(replace(inputs, scores=others), load("en")).alpha

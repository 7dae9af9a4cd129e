"""Judges and rubrics: answers are read strictly, and never made up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from conftest import Project, draw
from demo.models import save_judge
from edit_benchmark.config.judges import RUBRICS, TransformersJudgeSettings
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging import rubrics, transformers_judge
from edit_benchmark.judging.judge import Answer, Case, Judge
from edit_benchmark.judging.own_class import OwnJudge
from edit_benchmark.judging.reading import expected_value
from edit_benchmark.judging.rubrics import Rubric, overall, rubric_hash
from edit_benchmark.judging.transformers_judge import TransformersJudge
from judge_fixtures import SAMPLE, case, load
from runs import one_category

REASONING = RUBRICS / "reasoning.yaml"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("judge")
    save_judge(path)
    return path


def test_every_category_has_its_five_criteria_in_both_languages() -> None:
    seen: set[str] = set()
    for category in ("physical", "environmental", "social", "causal", "referential"):
        for language in ("en", "zh"):
            loaded = rubrics.load(REASONING, category, language)
            keys = [criterion.key for criterion in loaded.criteria]
            assert len(keys) == 5
        seen |= set(keys)
    assert len(seen) == 25


def test_a_criterion_that_does_not_apply_changes_nothing() -> None:
    assert overall({"a": 8.0, "b": 2.0}) == 5.0
    assert overall({"a": 8.0, "b": 2.0, "c": None}) == 5.0
    assert overall({"a": None}) is None


def test_a_hard_violation_leaves_at_most_three(rubric: Rubric) -> None:
    values = [rubric.labels[label] for label in sorted(rubric.labels)]
    assert values == [2, 3, 4, 5, 6, 7, 8]  # neutral 5, up to three points up or down
    assert max(values[:2]) == 3


def test_the_instruction_is_shown_as_it_is(rubric: Rubric) -> None:
    text = rubric.shared_text(replace(SAMPLE, instruction="a {brace} $dollar $rationale"))
    assert "a {brace} $dollar $rationale" in text
    assert "gravity" in text
    assert "hard" not in rubric.shared_text(replace(SAMPLE, rationale_en=""))


def test_the_expected_value_is_that_of_the_scale(rubric: Rubric) -> None:
    even = dict.fromkeys("1234567", 0.1) | {"0": 0.05}
    assert expected_value(even, rubric) == pytest.approx(5.0)
    sure = dict.fromkeys("123456", 0.0) | {"7": 0.2, "0": 0.1}
    assert expected_value(sure, rubric) == 8.0
    half = dict.fromkeys("2345", 0.0) | {"1": 0.1, "6": 0.3, "7": 0.0, "0": 0.3}
    assert expected_value(half, rubric) == pytest.approx((0.1 * 2 + 0.3 * 7) / 0.4)
    assert expected_value(even | {"0": 0.9}, rubric) is None


def test_the_judge_scores_and_sees_both_pictures(checkpoint: Path, rubric: Rubric) -> None:
    judge = load(checkpoint)
    first, again, other = judge.judge([case(rubric), case(rubric), case(rubric, "another")])
    assert isinstance(first, Answer)
    assert isinstance(other, Answer)
    assert first == again
    assert first.criteria != other.criteria
    assert list(first.criteria) == [criterion.key for criterion in rubric.criteria]
    assert all(value is None or 2 <= value <= 8 for value in first.criteria.values())
    blind = judge.judge([case(replace(rubric, see_source=False))])[0]
    assert isinstance(blind, Answer)
    assert blind.criteria != first.criteria


def test_a_score_is_the_judges_own_probabilities(checkpoint: Path, rubric: Rubric) -> None:
    """One criterion computed by hand: the prompt, one forward pass, a softmax."""
    judge = load(checkpoint, batch_size=1)
    answer = judge.judge([case(rubric)])[0]
    assert isinstance(answer, Answer)
    criterion = rubric.criteria[2]
    messages = judge._messages(case(rubric), rubric.expected_question(criterion))
    inputs = judge.processor.apply_chat_template(
        [messages], tokenize=True, add_generation_prompt=True, return_dict=True,
        return_tensors="pt",
    )  # fmt: skip
    with torch.no_grad():
        probabilities = judge.model(**inputs).logits[0, -1].float().softmax(-1)
    by_label = {
        label: float(probabilities[judge.processor.tokenizer.convert_tokens_to_ids(label)])
        for label in "01234567"
    }
    assert answer.criteria[criterion.key] == pytest.approx(
        expected_value(by_label, rubric), abs=1e-4
    )


def test_a_score_does_not_depend_on_its_neighbours(checkpoint: Path, rubric: Rubric) -> None:
    judge = load(checkpoint)
    together = judge.judge([case(rubric, "x"), case(rubric, "y", instruction="long " * 40)])
    assert judge.judge([case(rubric, "x")])[0] == together[0]


def test_a_class_of_ones_own_gets_the_whole_case_and_may_change_it(rubric: Rubric) -> None:
    shown: list[tuple[str, int, Any]] = []

    class Careless(Judge):
        def prepare(self, case: Case) -> Case:
            return replace(case, prepared="made ahead")

        def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
            for one in cases:
                shown.append((one.name, one.repeat, one.prepared))
                one.edited.paste("red", (0, 0, 64, 64))
                one.rubric.labels.clear()
                one.sample.tags.append("seen")
            return []

    second = replace(case(rubric), repeat=1)
    judge = OwnJudge(Careless())
    prepared = judge.prepare(second)
    judge.judge([prepared])
    assert shown == [("a (repeat 2)", 1, "made ahead")]
    assert prepared == second == replace(case(rubric), repeat=1)


def test_a_judge_that_would_say_something_else_has_no_score(
    checkpoint: Path, rubric: Rubric
) -> None:
    answer = load(checkpoint, min_mass=0.99).judge([case(rubric)])[0]
    assert isinstance(answer, SampleError)
    assert "off_scale" in str(answer)


@pytest.mark.parametrize("token", ["<|im_end|>", "<|image_pad|>", "<|vision_start|>"])
def test_control_tokens_in_an_instruction_are_text(
    checkpoint: Path, rubric: Rubric, token: str
) -> None:
    judge = load(checkpoint)
    hostile = case(rubric, instruction=f"say {token} twice")
    tokenizer = judge.processor.tokenizer
    number = tokenizer.convert_tokens_to_ids(token)

    def ids(one: Case) -> Any:
        return judge._inputs([judge._messages(one, "?")])["input_ids"][0]

    assert (ids(hostile) == number).sum() == (ids(case(rubric)) == number).sum()
    assert f"say {token} twice" in tokenizer.decode(ids(hostile))
    assert isinstance(judge.judge([hostile])[0], Answer)


def test_a_label_of_several_tokens_is_refused(checkpoint: Path, rubric: Rubric) -> None:
    ten = replace(rubric, labels={"5": 5.0, "10": 10.0})
    with pytest.raises(UserError, match="rubric label '10' is 2 tokens"):
        load(checkpoint).judge([case(ten)])


def seen(judge: TransformersJudge, rubric: Rubric, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of an edit as the vision encoder gets it."""
    one = replace(case(rubric), edited=draw("edit", size))
    height, width = judge._inputs([judge._messages(one, "?")])["image_grid_thw"][-1, 1:].tolist()
    patch = judge.processor.image_processor.patch_size
    return width * patch, height * patch


def test_large_pictures_are_scaled_down_once_for_the_judge(
    checkpoint: Path, rubric: Rubric, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = load(checkpoint, max_pixels=16_384)
    assert seen(judge, rubric, (4000, 3000)) == (128, 96)
    monkeypatch.setattr(transformers_judge, "_limit_pixels", lambda processor, most: False)
    shown = load(checkpoint, max_pixels=4096)._image(draw("big", (4000, 3000)))["image"]
    assert shown.width * shown.height <= 4096
    assert shown.width / shown.height == pytest.approx(4 / 3, rel=0.03)


@pytest.mark.parametrize("size", [(1184, 880), (1184, 896), (1376, 768), (768, 1376), (2880, 384)])
def test_an_edit_of_about_a_megapixel_reaches_the_judge_as_it_is(
    checkpoint: Path, rubric: Rubric, size: tuple[int, int]
) -> None:
    """Edit pipelines make these sizes of a megapixel at 4:3, 16:9 and more."""
    settings = TransformersJudgeSettings(judge="transformers", checkpoint=str(checkpoint))
    edit = draw("edit", size)
    judge = load(checkpoint, max_pixels=settings.max_pixels)
    assert judge._image(edit)["image"] is edit
    # The demo's own limit is smaller than that of any released model.
    judge.processor.image_processor.size = {"shortest_edge": 1024, "longest_edge": 2**24}
    assert transformers_judge._limit_pixels(judge.processor, settings.max_pixels)
    assert seen(judge, rubric, size) == (size[0], -(-size[1] // 32) * 32)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": ""}, "name"),
        ({"scale": {"labels": {"a": 11, "b": 1}, "not_applicable": "0"}}, "11 is greater than"),
        ({"scale": {"labels": {"1": 2, "2": 8}, "not_applicable": "1"}}, "'1' is a label of the"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_broken_rubric_is_refused(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    content = yaml.safe_load(REASONING.read_text(encoding="utf-8")) | change
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with pytest.raises(UserError, match=sentence):
        rubrics.load(path, "physical", "en")


def test_a_template_without_its_placeholder_is_refused(tmp_path: Path) -> None:
    content = yaml.safe_load(REASONING.read_text(encoding="utf-8"))
    content["texts"]["en"]["instruction"] = "Edit instruction: {instruction}"
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with pytest.raises(UserError, match=r"texts.en.instruction: its placeholders .* \$instruction"):
        rubrics.load(path, "physical", "en")


def test_a_rubrics_hash_is_that_of_its_content(tmp_path: Path) -> None:
    text = REASONING.read_text(encoding="utf-8")
    path = tmp_path / "r.yaml"
    path.write_text(f"# a comment\n{text}", encoding="utf-8")
    assert rubric_hash(path) == rubric_hash(REASONING)
    other = yaml.safe_load(text) | {"see_source": False}
    path.write_text(yaml.safe_dump(other, allow_unicode=True), encoding="utf-8")
    assert rubric_hash(path) != rubric_hash(REASONING)


def test_a_repeated_judge_is_asked_again_and_its_noise_told_apart(project: Project) -> None:
    with (project.root / "toys.py").open("a") as file:
        file.write(
            "\n\nclass Moody(Ruler):\n    def judge(self, cases):\n"
            "        return [Answer({key: 5 + os.urandom(1)[0] / 100 for key in answer.criteria})\n"
            "                for answer in super().judge(cases)]\n"
        )
    moody = {"judge": "class_path", "class_path": "toys.Moody"}
    one_category(project, 10, judges={"a": moody, "b": moody | {"repeat": 1}})
    project.run()
    first, again = (
        [row.score for row in project.scores("physical", judge=name).values()] for name in "ab"
    )
    assert first != again
    summary = json.loads((project.root / "results/report/summary.json").read_text())
    assert [entry["judges"] for entry in summary["repeats"]] == [["a", "b"]]
    assert summary["repeats"][0]["n"] == 10
    assert summary["repeats"][0]["noise_std"] > 0

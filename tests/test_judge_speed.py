"""The judge's speed: what is done once, at once or ahead changes no answer and hides no error."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

from conftest import draw
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging import shared_prefix
from edit_benchmark.judging.batching import answers_of, read_ahead
from edit_benchmark.judging.judge import Answer, Case, Judge
from edit_benchmark.judging.own_class import OwnJudge
from edit_benchmark.judging.reading import expected_value
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.judging.transformers_judge import TransformersJudge
from judge_fixtures import case, load, probabilities
from speed import checkpoints
from speed import judge as bench


def stock(path: Path, judge: TransformersJudge, one: Case) -> dict[str, list[float]]:
    """Each criterion's probabilities by transformers alone: a prompt, a forward, a softmax."""
    model = transformers.AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32)
    rows = {}
    for criterion in one.rubric.criteria:
        messages = judge._messages(one, one.rubric.expected_question(criterion))
        inputs = judge.processor.apply_chat_template(
            [messages], tokenize=True, add_generation_prompt=True, return_dict=True,
            return_tensors="pt",
        )  # fmt: skip
        with torch.no_grad():
            row = model.eval()(**inputs).logits[0, -1].softmax(-1)
        rows[criterion.key] = [
            float(row[judge.processor.tokenizer.convert_tokens_to_ids(label)])
            for label in (*one.rubric.labels, one.rubric.not_applicable)
        ]
    return rows


@pytest.mark.parametrize(("criteria", "see_source"), [(5, True), (1, True), (3, False)])
def test_criteria_asked_at_once_get_the_answers_of_one_at_a_time(
    judge_checkpoint: Path, rubric: Rubric, criteria: int, see_source: bool
) -> None:
    asked = replace(rubric, criteria=rubric.criteria[:criteria], see_source=see_source)
    one = replace(case(asked), edited=draw("wide", (150, 40)))
    judge = load(judge_checkpoint)
    answer = judge.judge([one])[0]
    ours = probabilities(answer)
    for key, expected in stock(judge_checkpoint, judge, one).items():
        assert ours[key] == pytest.approx(expected, abs=1e-5, rel=1e-3)
    assert isinstance(answer, Answer)
    assert answer.details["shared_prefix"] is True


def test_pictures_are_encoded_once_for_all_criteria(judge_checkpoint: Path, rubric: Rubric) -> None:
    judge = load(judge_checkpoint)
    calls: list[int] = []
    for part in (judge.model.model.visual, judge.model.model.language_model):
        part.register_forward_pre_hook(lambda module, _: calls.append(id(module)))
    judge.judge([case(rubric)])
    assert len(calls) == len(set(calls)) == 2


def test_the_order_of_criteria_does_not_matter(judge_checkpoint: Path, rubric: Rubric) -> None:
    judge = load(judge_checkpoint)
    turned = replace(rubric, criteria=rubric.criteria[::-1])
    first, second = judge.judge([case(rubric), case(turned)])
    assert probabilities(first) == probabilities(second)


def test_a_question_sees_nothing_of_its_neighbours(judge_checkpoint: Path, rubric: Rubric) -> None:
    judge = load(judge_checkpoint)
    shouted = replace(rubric.criteria[4], question="Answer 7. " * 30)
    other = replace(rubric, criteria=(*rubric.criteria[:4], shouted))
    first, second = (probabilities(answer) for answer in judge.judge([case(rubric), case(other)]))
    for criterion in rubric.criteria[:4]:
        assert first[criterion.key] == pytest.approx(second[criterion.key], abs=1e-6)
    assert first[shouted.key] != pytest.approx(second[shouted.key], abs=1e-6)


def test_another_architecture_is_asked_one_question_at_a_time(
    judge_checkpoint: Path, rubric: Rubric, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = load(judge_checkpoint).judge([case(rubric)])[0]
    monkeypatch.setattr(shared_prefix, "_ARCHITECTURES", frozenset())
    judge = load(judge_checkpoint, batch_size=2)
    alone = judge.judge([case(rubric)])[0]
    assert isinstance(alone, Answer)
    assert alone.details["shared_prefix"] is False
    for key, values in probabilities(alone).items():
        assert values == pytest.approx(probabilities(packed)[key], abs=1e-5)
    writer = load(judge_checkpoint, method="generated", answer="text")
    (batch,) = read_ahead("ab", 2, lambda name: case(rubric, name), writer)
    written = writer.judge(batch.cases)
    assert [getattr(answer, "kind", "") for answer in written] == ["unparsable_answer"] * 2


def test_written_answers_in_batches_are_those_of_one_at_a_time(
    judge_checkpoint: Path, rubric: Rubric
) -> None:
    judge = load(
        judge_checkpoint, method="generated", answer="text", batch_size=3, max_new_tokens=8
    )
    calls = []
    judge.model.model.visual.register_forward_pre_hook(lambda *_: calls.append(1))
    cases = [case(rubric, "x"), case(rubric, "y", instruction="long " * 20), case(rubric, "z")]
    together = [str(answer) for answer in judge.judge(cases)]
    assert len(calls) == 1
    assert together == [str(judge.judge([one])[0]) for one in cases]


class Recorder(Judge):
    """A judge that notes the order of what happens and waits for ``hold`` before it answers."""

    def __init__(self, hold: threading.Event | None = None) -> None:
        self.hold = hold
        self.seen: list[str] = []

    def prepare(self, case: Case) -> Case:
        self.seen.append(f"prepare {case.sample.id}")
        return case

    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        if self.hold is not None:
            assert self.hold.wait(20), "nothing was read meanwhile"
        self.seen += [f"judge {case.sample.id}" for case in cases]
        return [Answer({criterion.key: 5.0 for criterion in one.rubric.criteria}) for one in cases]


def test_the_next_batch_is_read_while_one_is_judged(rubric: Rubric) -> None:
    third_read = threading.Event()
    judge = Recorder(third_read)

    def read(name: str) -> Case:
        if name == "c":
            third_read.set()
        return case(rubric, id=name)

    for batch in read_ahead("abcde", 2, read, judge):
        answers_of(judge, batch.cases)
        assert batch.seconds > 0
    assert [line for line in judge.seen if line.startswith("judge")] == [
        f"judge {name}" for name in "abcde"
    ]
    assert all(judge.seen.index(f"prepare {n}") < judge.seen.index(f"judge {n}") for n in "abcde")


def test_a_picture_that_cannot_be_read_stops_the_job_when_its_turn_has_come(
    rubric: Rubric,
) -> None:
    judge = Recorder()

    def read(name: str) -> Case:
        if name == "c":
            raise UserError("c.png: not the image that was edited")
        return case(rubric, id=name)

    batches = read_ahead("abcd", 2, read, judge)
    answers_of(judge, next(batches).cases)
    assert judge.seen[-1] == "judge b"
    with pytest.raises(UserError, match=r"c\.png"):
        next(batches)


def test_a_sample_that_cannot_be_prepared_fails_alone(
    judge_checkpoint: Path, rubric: Rubric
) -> None:
    judge = load(judge_checkpoint)
    instructions = {"a": "move it", "b": "\U000f0000 is private", "c": "turn it"}

    def read(name: str) -> Case:
        return case(rubric, id=name, instruction=instructions[name])

    (batch,) = read_ahead("abc", 3, read, judge)
    first, second, third = answers_of(judge, batch.cases)
    assert isinstance(second, SampleError)
    assert second.kind == "private_use"
    assert [first, third] == [judge.judge([read(name)])[0] for name in "ac"]


def test_a_judge_whose_prepare_returns_nothing_judges_the_case_itself(rubric: Rubric) -> None:
    class Silent(Recorder):
        def prepare(self, case: Case) -> Case:
            return None  # type: ignore[return-value]

    (batch,) = read_ahead("ab", 2, lambda name: case(rubric, id=name), OwnJudge(Silent()))
    assert [one.sample.id for one in batch.cases] == ["a", "b"]


@pytest.mark.parametrize(
    "method",
    [{}, {"method": "generated", "answer": "labels"}, {"method": "generated", "answer": "text"}],
)
def test_what_is_prepared_ahead_is_what_is_asked(
    judge_checkpoint: Path, rubric: Rubric, method: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = load(judge_checkpoint, **method)
    names = ["x", "yy", "zzz"]
    cases = [
        one
        for batch in read_ahead(names, 2, lambda name: case(rubric, name), judge)
        for one in batch.cases
    ]
    expected = [str(judge.judge([case(rubric, name)])[0]) for name in names]
    monkeypatch.setattr(judge, "_inputs_on_host", None)  # nothing is prepared a second time
    assert [str(answer) for answer in judge.judge(cases)] == expected


def test_a_score_comes_from_the_packed_probabilities(
    judge_checkpoint: Path, rubric: Rubric
) -> None:
    answer = load(judge_checkpoint).judge([case(rubric)])[0]
    assert isinstance(answer, Answer)
    for key, value in answer.criteria.items():
        assert value == expected_value(answer.details[key]["probabilities"], rubric)


@pytest.mark.parametrize("full_size", [False, True])
def test_the_measurement_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_size: bool
) -> None:
    """The full-size code path too, with its sizes cut down."""
    small = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1,
             "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 4096}  # fmt: skip
    tower = {"depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2,
             "out_hidden_size": 64, "deepstack_visual_indexes": [0]}  # fmt: skip
    monkeypatch.setattr(checkpoints, "_JUDGE_TEXT", checkpoints._JUDGE_TEXT | small)
    monkeypatch.setattr(checkpoints, "_JUDGE_VISION", checkpoints._JUDGE_VISION | tower)
    monkeypatch.setattr(checkpoints, "_FULL_SIZE_DTYPE", "float32")
    monkeypatch.setattr(bench, "_FULL", bench._TINY)
    result = bench.measure(tmp_path, "cpu", full_size)
    assert json.loads(json.dumps(result)) == result
    assert list(result["expected"]) == ["1", "5"]
    assert list(result["generated"]) == ["1", "2"]
    for row in [*result["expected"].values(), *result["generated"].values()]:
        assert row["images_per_second"] > 0
        assert row["ratio_to_stock"] > 0
    assert result["error"]["ours"] < 1e-3

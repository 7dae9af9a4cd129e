"""The methods of the judge: what is asked of the model, and what is kept of its answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import draw
from edit_benchmark import images
from edit_benchmark.config.judges import TransformersJudgeSettings
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging import job as jobs
from edit_benchmark.judging import registry, shared_prefix
from edit_benchmark.judging.job import ScoreJob, score_edits
from edit_benchmark.judging.judge import Answer, Case, Judge
from edit_benchmark.judging.reading import label_details, read
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.records import Edit, Score
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.store import Store, key_of
from edit_benchmark.runtime.devices import DeviceRequest
from edit_benchmark.runtime.job import Loaded
from edit_benchmark.runtime.telemetry import Telemetry
from judge_fixtures import SAMPLE, case, load, probabilities

LABELS = "12345670"


def chosen(path: Path, **changes: Any) -> Any:
    return load(path, method="generated", **changes)


def test_the_judge_chooses_each_label_behind_those_that_it_chose(
    judge_checkpoint: Path,
    rubric: Rubric,
) -> None:
    """By hand: the prompt with the answer so far, read from its beginning for every label."""
    judge = chosen(judge_checkpoint)
    one = case(rubric)
    answer = judge.judge([one])[0]
    assert isinstance(answer, Answer)
    tokenizer = judge.processor.tokenizer
    inputs = dict(judge._inputs([judge._messages(one, rubric.generated_question())]))
    written, labels = "{", {}
    for criterion in rubric.criteria:
        written += f'"{criterion.key}": '
        added = torch.tensor([tokenizer.encode(written, add_special_tokens=False)])
        row = inputs | {
            "input_ids": torch.cat([inputs["input_ids"], added], dim=1),
            "attention_mask": torch.ones(1, inputs["input_ids"].shape[1] + added.shape[1]),
            "mm_token_type_ids": torch.cat(
                [inputs["mm_token_type_ids"], torch.zeros_like(added)], dim=1
            ),
        }
        with torch.no_grad():
            by_token = judge.model(**row).logits[0, -1].float().softmax(-1)
        expected = [float(by_token[tokenizer.convert_tokens_to_ids(label)]) for label in LABELS]
        assert probabilities(answer)[criterion.key] == pytest.approx(expected, abs=1e-5, rel=1e-3)
        labels[criterion.key] = LABELS[expected.index(max(expected))]
        written += labels[criterion.key] + ", "
    assert answer.text == written.removesuffix(", ") + "}"
    assert answer.criteria == {key: rubric.labels.get(label) for key, label in labels.items()}
    assert answer.reading == "labels"


def test_another_architecture_chooses_the_same_labels(
    judge_checkpoint: Path,
    rubric: Rubric,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It reads the whole answer again for each label; neighbours change nothing."""
    cases = [case(rubric, "x"), case(rubric, "y", instruction="long " * 40)]
    ours = chosen(judge_checkpoint).judge(cases)
    monkeypatch.setattr(shared_prefix, "_ARCHITECTURES", frozenset())
    for first, second in zip(ours, chosen(judge_checkpoint).judge(cases[::-1])[::-1], strict=True):
        assert first.text == second.text
        for key, values in probabilities(first).items():
            assert values == pytest.approx(probabilities(second)[key], abs=1e-5, rel=1e-3)


def test_labels_that_are_words_stand_in_quotes(
    judge_checkpoint: Path,
    rubric: Rubric,
) -> None:
    letters = replace(rubric, labels={"a": 2.0, "b": 8.0}, not_applicable="x")
    answer = chosen(judge_checkpoint).judge([case(letters)])[0]
    assert set(json.loads(answer.text).values()) <= {"a", "b", "x"}
    long = replace(rubric, labels={"bad": 2.0, "good": 8.0})
    with pytest.raises(UserError, match="rubric label 'bad' is 3 tokens of this judge"):
        chosen(judge_checkpoint).judge([case(long)])


def thinking(path: Path, folder: Path) -> Path:
    """The same checkpoint with a chat template that opens the judge's thinking."""
    for file in path.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    template = folder / "chat_template.jinja"
    text = template.read_text(encoding="utf-8")
    assert "assistant\n" in text
    template.write_text(text.replace("assistant\n", "assistant\n<think>\n"), encoding="utf-8")
    return folder


def test_a_judge_that_thinks_first_is_refused_unless_its_text_is_asked_for(
    judge_checkpoint: Path,
    rubric: Rubric,
    tmp_path: Path,
) -> None:
    path = thinking(judge_checkpoint, tmp_path)
    for method in ("expected", "generated"):
        with pytest.raises(UserError, match=r"its chat template ends in <think>, .* answer: text"):
            load(path, method=method)
    writer = load(path, method="generated", answer="text")
    answer = writer.judge([case(rubric)])[0]
    # It was still thinking at its last token, whatever it had in mind by then.
    assert isinstance(answer, SampleError)
    assert "the judge was still thinking at its last token; raise max_new_tokens" in str(answer)


def test_a_written_answer_is_greedy_and_kept_whole(
    judge_checkpoint: Path,
    rubric: Rubric,
) -> None:
    judge: Any = load(judge_checkpoint, method="generated", answer="text", max_new_tokens=12)
    judge.model.generation_config.do_sample = True
    texts = []
    for seed in range(3):
        torch.manual_seed(seed)
        answer: Any = judge.judge([case(rubric)])[0]
        assert answer.kind == "unparsable_answer"  # random weights write noise
        texts.append(answer.text)
    assert len(set(texts)) == 1
    ids = judge.processor.tokenizer.encode("{<|im_start|>}", add_special_tokens=False)
    end, *_ = judge._end_ids()
    assert judge._text_of(torch.tensor([*ids, end, 0, 0])) == "{<|im_start|>}"


def test_what_only_says_how_to_read_or_is_not_used_is_in_no_key() -> None:
    def key(**changes: Any) -> str:
        settings = TransformersJudgeSettings(judge="transformers", checkpoint="a/b", **changes)
        return key_of(registry.KINDS["transformers"].key_fields(settings, None))

    text = {"method": "generated", "answer": "text"}
    assert key() == key(min_mass=0, max_new_tokens=9, batch_size=2, answer="text")
    labels = key(method="generated")
    assert labels == key(method="generated", min_mass=0, max_new_tokens=9, batch_size=2)
    assert key(**text) == key(**text, min_mass=0)
    assert len({key(), labels, key(**text), key(**text, max_new_tokens=9),
                key(**text, batch_size=2), key(max_pixels=2048)}) == 6  # fmt: skip


class Unsure(Judge):
    """Puts ``mass`` on the label 7 of every criterion, and counts how often it was asked."""

    def __init__(self, settings: TransformersJudgeSettings) -> None:
        self.settings, self.mass, self.asked = settings, 0.3, 0

    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        self.asked += len(cases)
        return [read(self._content(one.rubric), one.rubric, self.settings) for one in cases]

    def _content(self, rubric: Rubric) -> dict[str, Any]:
        labels = dict.fromkeys([*rubric.labels, rubric.not_applicable], 0.0) | {"7": self.mass}
        places = {criterion.key: label_details(labels) for criterion in rubric.criteria}
        return {"text": "kept", "details": places}


@pytest.fixture
def unsure(monkeypatch: pytest.MonkeyPatch) -> Unsure:
    judge = Unsure(TransformersJudgeSettings(judge="transformers", checkpoint="a/b"))

    @contextmanager
    def loaded(*_: Any) -> Iterator[Loaded[Judge]]:
        yield Loaded(judge, "cpu", Telemetry(None))

    monkeypatch.setattr(jobs, "loaded", loaded)
    return judge


def job_of(folder: Path, rubric: Rubric, count: int, **changes: Any) -> ScoreJob:
    """A job to score ``count`` edits by a judge whose checkpoint is not there."""
    data = images.encode_png(draw("edit"), {})
    (folder / "edit.png").write_bytes(data)
    digest = images.sha256(data)
    sample = replace(SAMPLE, source="edit.png", source_sha256=digest)
    names = [f"s{number}" for number in range(count)]
    (folder / "checkpoint.json").write_text("null")
    return ScoreJob(
        name="j",
        settings=TransformersJudgeSettings(
            judge="transformers", checkpoint="a/b", batch_size=4, **changes
        ),
        checkpoint_record=folder / "checkpoint.json",
        results=folder,
        devices=DeviceRequest(["cpu"], 1, 1, "score"),
        edits=[Edit(id=name, category="physical", model="m", status="edited", image="edit.png",
                    image_sha256=digest) for name in names],
        samples=[replace(sample, id=name, instruction=name) for name in names],
        asked=rubric,
    )  # fmt: skip


def test_an_answer_that_is_no_score_is_kept_and_read_again(
    tmp_path: Path,
    rubric: Rubric,
    unsure: Unsure,
) -> None:
    def run(**changes: Any) -> list[Score]:
        return score_edits(job_of(tmp_path, rubric, 9, **changes))

    (refused, *_) = rows = run()
    assert {row.status for row in rows} == {"judge_failed"}
    assert "less than min_mass 0.5" in refused.reason
    assert (refused.text, refused.reading) == ("kept", "")
    assert run() == rows
    # As scripts/redo.py --scores --failed does it.
    assert Store(Layout(tmp_path).answer_store).remove(refused.answer_key)
    assert unsure.asked == 9
    assert run() == [replace(rows[0], judge_seconds=run()[0].judge_seconds), *rows[1:]]
    assert unsure.asked == 10
    scored = run(min_mass=0.2)
    assert unsure.asked == 10
    assert [(row.score, row.reading) for row in scored] == [(8.0, "probabilities")] * 9


def test_a_judge_without_one_score_stops_and_the_same_command_tries_again(
    tmp_path: Path,
    rubric: Rubric,
    unsure: Unsure,
) -> None:
    for asked in (12, 24):
        with pytest.raises(UserError, match="the first 12 answers of judge j cannot be used"):
            score_edits(job_of(tmp_path, rubric, 30))
        assert unsure.asked == asked
    # With another least probability those that are there are not asked for again.
    assert {row.status for row in score_edits(job_of(tmp_path, rubric, 30, min_mass=0.2))} == {
        "scored"
    }
    assert unsure.asked == 24 + 18

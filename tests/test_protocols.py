"""Protocols: what a judge is asked about a sample, and what becomes of its answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import public_layouts as layouts
from conftest import draw
from edit_benchmark.categories import of_format
from edit_benchmark.config.judges import OwnJudgeSettings, TransformersJudgeSettings
from edit_benchmark.config.protocols import PROTOCOLS, Images, read
from edit_benchmark.config.resolve import resolve
from edit_benchmark.dataset.samples import Import, prepare
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging import protocols
from edit_benchmark.judging.judge import Case
from edit_benchmark.judging.protocol_samples import EDITED, Shown
from edit_benchmark.judging.protocols import Protocol, Question
from edit_benchmark.judging.turns import case_of_question
from edit_benchmark.records import Edit, Sample, Score
from edit_benchmark.report.official_rows import BENCHMARKS
from judge_fixtures import SAMPLE
from protocol_fixtures import ANSWERS, checkout

EDIT = Edit("a", "physical", "m", "edited", image="e.png", image_sha256="e" * 64)
SHOWN = {EDITED: EDIT.image_sha256}


def settings(protocol: str, **more: Any) -> OwnJudgeSettings:
    return OwnJudgeSettings(judge="class_path", class_path="toys.Scribe", protocol=protocol, **more)


def samples(format: str, folder: Path) -> dict[str, Sample]:
    """The samples of a benchmark in its layout, by their ids."""
    path = layouts.MAKERS[format](folder / "data")
    found = Import(path, format, "en", of_format(format))
    return {row.id: row for row in prepare(found, folder / "results/sources", folder / "results")}


def load(format: str, folder: Path, category: str) -> Protocol:
    prompts = checkout(format, folder / "checkout", category)
    return protocols.load(settings(format, prompts=str(prompts)), category, "en")


def shown(question: Question, sample: Sample) -> str:
    """What a question shows, images by what they are of the sample."""
    names = {path: f"source{number or ''}" for number, path in enumerate(sample.sources)}
    names |= {path: name for name, path in sample.fields.items() if name.endswith("_image")}
    return " ".join(
        part if isinstance(part, str) else names.get(part.path, part.path)
        for part in question.content
    )


def judged(protocol: Protocol, sample: Sample, answers: dict[str, str]) -> Score:
    """The row of an edit whose judge answers so."""
    rows = {}
    edit = replace(EDIT, id=sample.id, category=sample.category)
    for question in protocol.questions(sample):
        assert question.rubric.parse is not None
        text = answers[question.name.split()[0]]
        answer: dict[str, Any]
        try:
            scores = question.rubric.parse(text)
            answer = {"status": "scored", "score": 0.0, "criteria": scores}
        except SampleError as problem:
            answer = {"status": "judge_failed", "reason": str(problem)}
        rows[question.name] = Score.of_edit(edit, "j", text=text, **answer)
    return protocol.joined(sample, edit, "j", rows)


def test_rise_asks_by_what_a_row_has(tmp_path: Path) -> None:
    asked = {}
    for key, sample in samples("rise", tmp_path).items():
        protocol = load("rise", tmp_path, sample.category)
        asked[key] = {q.name: shown(q, sample) for q in protocol.questions(sample)}
    assert asked["temporal_reasoning_1"] == {
        "consistency": "<prompt_consist> what comes 1 source edited",
        "reasoning": "<prompt_reasoning> what comes 1 older edited",
        "plausibility": "<prompt_generation> edited",
    }
    # The image that is the answer stands in the source's place.
    assert asked["spatial_reasoning_1"] == {
        "consistency": "<prompt_spatial_cons> what comes 1 reference_image edited",
        "reasoning": "<prompt_spatial_ref_img> what comes 1 reference_image edited",
        "plausibility": "<prompt_spatial_qual> edited",
    }
    assert asked["logical_reasoning_1"] == {
        "consistency": "<prompt_logical_cons_ans> what comes 1 7 source edited",
        "reasoning": "<prompt_logical_txt> 7 edited",
    }
    assert set(asked["causal_reasoning_1"]) == {"reasoning", "plausibility"}


def test_kris_shows_the_edit_among_its_frames(tmp_path: Path) -> None:
    sample = samples("kris", tmp_path)["temporal_prediction-1"]
    # Frames 2 and 3 are given: neither of 1 and 4 is the only one missing.
    protocol = load("kris", tmp_path, "temporal_prediction")
    with pytest.raises(SampleError, match="no_frames"):
        protocol.questions(sample)
    names = "1-4.jpg\n1-2.jpg\n1-3.jpg"
    three = replace(sample, more_sources=[*sample.more_sources, "f3.jpg"],
                    fields=sample.fields | {"ori_img": names})  # fmt: skip
    first = protocol.questions(three)[0]
    parts = [part if isinstance(part, str) else part.path for part in first.content[1:]]
    assert parts == [
        "Frame 1 (Generated):", "edited", "Frame 2 (Reference):", three.sources[1],
        "Frame 3 (Reference):", three.sources[2], "Frame 4 (Reference):", three.sources[0],
    ]  # fmt: skip
    assert first.images.jpeg_quality == 85


def test_complex_edit_is_measured_twenty_times_by_a_judge_that_samples(tmp_path: Path) -> None:
    sample = samples("complex_edit", tmp_path)["real-0001-C2"]
    protocol = load("complex_edit", tmp_path, "C2")
    questions = protocol.questions(sample)
    assert len(questions) == 40
    assert len({json.dumps(q.fields(sample, SHOWN)) for q in questions}) == 40
    row = judged(protocol, sample, ANSWERS["complex_edit"][0])
    assert row.criteria["instruction_following"] == 9
    local = TransformersJudgeSettings(
        judge="transformers", checkpoint="a/b", protocol="complex_edit",
        prompts=str(tmp_path / "checkout"),
    )  # fmt: skip
    assert len(protocols.load(local, "C2", "en").questions(sample)) == 2
    assert local.max_new_tokens == 512


def test_a_call_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    sample = samples("gedit", tmp_path)["subject-add-en-a1"]
    protocol = load("gedit", tmp_path, "subject-add")
    row = judged(protocol, sample, {"SC": "well done", "PQ": '{"score": [9, 4]}'})
    assert (row.status, row.score, row.criteria) == ("judge_failed", None, {})
    assert row.reason == "unparsable_answer: SC: no score in 'well done'"
    assert row.calls["PQ"]["scores"] == {"PQ": 4}
    off = judged(protocol, sample, {"SC": '{"score": [11, 6]}', "PQ": '{"score": [9, 4]}'})
    assert off.reason == "off_scale: SC: 11 is not within 0 to 10"


@pytest.mark.parametrize(
    ("said", "score"),
    [("7.250", 7.25), (" **10.000** ", 10), ("6", 6), ("Rating: 6", None), ("6 or 7", None),
     ("10.5", None), ("-1", None), ("<think>9</think>\n8.000", 8), ("<think>it is 9", None)],
)  # fmt: skip
def test_the_original_metric_is_one_number_or_none(said: str, score: float | None) -> None:
    protocol = protocols.load(settings("original"), "physical", "en")
    assert judged(protocol, SAMPLE, {"score": said}).score == score


def test_the_original_metric_is_asked_under_the_criteria_of_the_category() -> None:
    alone, both = (
        protocols.load(settings(name), "causal", "zh").questions(SAMPLE)[0].content
        for name in ("original", "original_both")
    )
    assert alone[:-1] == (Shown("edited"),)
    assert both == (Shown("s"), *alone)
    assert "动作" in str(alone[-1])
    assert "编辑指令是：move {it} for $5" in str(alone[-1])


def test_what_a_sample_holds_is_filled_in_nowhere(tmp_path: Path) -> None:
    protocol = load("rise", tmp_path, "temporal_reasoning")
    sample = replace(SAMPLE, category="temporal_reasoning", instruction="{reference} {{x}}",
                     fields={"reference": "{instruct}"})  # fmt: skip
    consistency, reasoning, _ = protocol.questions(sample)
    assert consistency.content[0] == "<prompt_consist> {reference} {{x}}"
    assert reasoning.content[0] == "<prompt_reasoning> {reference} {{x}} {instruct}"


def test_images_are_shown_as_the_benchmark_hands_them_on(tmp_path: Path) -> None:
    sample = samples("gedit", tmp_path)["subject-add-en-a1"]
    question = load("gedit", tmp_path, "subject-add").questions(sample)[0]
    source, edited = draw("source"), draw("edit", (32, 24))
    case = Case(sample, source, edited, question.rubric)
    assert question.images == Images(edit_as_source=True, jpeg_quality=75)
    turn = case_of_question(case, question, tmp_path / "results").turn
    assert turn is not None
    _, shown_source, shown_edit = turn.content
    assert not isinstance(shown_edit, str)
    assert not isinstance(shown_source, str)
    assert shown_edit.size == (64, 48)
    assert shown_source.tobytes() != source.tobytes()
    small = replace(question, images=Images(longest_side=16))
    turn = case_of_question(case, small, tmp_path / "results").turn
    assert turn is not None
    assert [part.size for part in turn.content if not isinstance(part, str)] == [(16, 12)] * 2


def test_what_changes_the_images_is_in_the_key(tmp_path: Path) -> None:
    sample = samples("gedit", tmp_path)["subject-add-en-a1"]
    question = load("gedit", tmp_path, "subject-add").questions(sample)[0]
    others = [
        replace(question, images=Images(jpeg_quality=75)),
        replace(question, images=Images(edit_as_source=True)),
        replace(question, measurement=1),
        replace(question, system="s"),
        replace(question, content=question.content[::-1]),
    ]
    keys = {json.dumps(one.fields(sample, SHOWN)) for one in [question, *others]}
    assert len(keys) == 6
    assert question.fields(sample, {EDITED: "f" * 64}) != question.fields(sample, SHOWN)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("_context = 'x'", "there is no text _context_no_delimit; give a checkout of stepfun-ai"),
        ("def broken(", "cannot be read"),
        ("_context_no_delimit = _prompts_0shot_two_image_edit_rule = _prompts_0shot_tie_rule_SC = "
         "_prompts_0shot_rule_PQ = 'x'", "has no <instruction>; give a checkout of stepfun-ai"),
    ],
)  # fmt: skip
def test_a_checkout_of_another_commit_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "GEdit-Bench/viescore/vie_prompts.py"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    protocol = protocols.load(settings("gedit", prompts=str(tmp_path)), "subject-add", "en")
    with pytest.raises(UserError, match=sentence):
        protocol.questions(SAMPLE)


def test_a_format_string_with_an_unknown_placeholder_is_refused(tmp_path: Path) -> None:
    path = checkout("rise", tmp_path) / "utils.py"
    path.write_text(path.read_text().replace("{instruct}", "{instruction}"))
    protocol = protocols.load(settings("rise", prompts=str(tmp_path)), "temporal_reasoning", "en")
    with pytest.raises(UserError, match=r"prompt_consist asks for \{instruction\}, which"):
        protocol.questions(replace(SAMPLE, category="temporal_reasoning"))


@pytest.mark.parametrize(
    ("judge", "sentence"),
    [
        ({"protocol": "gedits"}, "protocol gedits is neither a file nor one of: complex_edit, "),
        ({"protocol": "gedit"}, "from a checkout of stepfun-ai/Step1X-Edit; give its folder as p"),
        ({"protocol": "original", "prompts": "x"}, "protocol original needs no prompts"),
        ({"protocol": "gedit", "prompts": "nowhere"}, "which is not there; give the folder of a c"),
        ({"protocol": "original", "rubric": "mine.yaml"}, "in place of the rubric; remove one"),
        ({"protocol": "original", "method": "expected"}, "a judge writes its answer; remove meth"),
        ({"protocol": "original", "vary": "order", "repeat": 1}, "changes a rubric, and this"),
        ({"prompts": "x"}, "prompts is used with a protocol only"),
    ],
)
def test_a_judge_that_cannot_follow_a_protocol_is_refused(
    tmp_path: Path, judge: dict[str, str], sentence: str
) -> None:
    (tmp_path / "b.jsonl").write_text("{}")
    (tmp_path / "j").mkdir()
    config = {
        "benchmark": {"path": str(tmp_path / "b.jsonl")},
        "models": {"i": {"editor": "identity"}},
        "judges": {"j": {"judge": "transformers", "checkpoint": str(tmp_path / "j"), **judge}},
    }
    with pytest.raises(UserError, match=sentence):
        resolve(config)


def test_a_protocol_with_a_mistake_is_refused_by_its_key(tmp_path: Path) -> None:
    content = yaml.safe_load((PROTOCOLS / "gedit.yaml").read_text(encoding="utf-8"))
    content["calls"]["SC"]["parser"] = "guess"
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"mine.yaml: calls\.SC\.parser: Input should be 'number'"):
        read(path)


def test_settings_without_a_protocol_are_written_as_before() -> None:
    written = TransformersJudgeSettings(judge="transformers", checkpoint="a/b").model_dump()
    assert not {"protocol", "prompts"} & written.keys()


#: For each benchmark a sample and, of its official tables, some values by table, row and column.
TABLES: dict[str, tuple[str, dict[tuple[str, str, str], float]]] = {
    "gedit": ("subject-add-en-a1", {
        ("GEdit-Bench-EN (Full", "as published", "G_SC"): 6,
        ("GEdit-Bench-EN (Inter", "as published", "G_O"): 24**0.5,
    }),
    "imgedit": ("22", {("ImgEdit-Bench Basic", "as published", "Adjust"): 3.33,
                       ("ImgEdit-Bench Basic", "corrected", "Adjust"): 10 / 3}),
    "rise": ("temporal_reasoning_1", {
        ("RISEBench accuracy", "as published", "Temporal"): 0,
        # As shipped no row counts consistency once one is free of it: 0.8 R + 0.2 Q.
        ("RISEBench score (1", "as published", "Overall"): 4.6,
        ("RISEBench score (1", "corrected", "Overall"): 4.3,
    }),
    "kris": ("physics-2", {("KRIS-Bench (0", "as published", "Natural Science"): 62.5}),
    "complex_edit": ("real-0001-C2", {("Complex-Edit C2", "corrected", "Overall"): 6}),
    "unicbench": ("b2", {("UnicBench (0", "corrected", "Overall"): 4,
                         ("UnicBench (0", "as published", "RA"): 4}),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_answers_become_the_rows_of_the_official_table(tmp_path: Path, name: str) -> None:
    key, values = TABLES[name]
    sample = samples(name, tmp_path)[key]
    row = judged(load(name, tmp_path, sample.category), sample, ANSWERS[name][0])
    assert row.score == pytest.approx(ANSWERS[name][1])
    outcome = BENCHMARKS[name].aggregate(BENCHMARKS[name].rows(sample, row))
    for (table, line, column), value in values.items():
        assert outcome.table(table).value(line, column) == pytest.approx(value), (table, column)


def test_what_a_judge_thought_is_no_score_in_the_official_table(tmp_path: Path) -> None:
    sample = samples("imgedit", tmp_path)["22"]
    protocol, benchmark = load("imgedit", tmp_path, sample.category), BENCHMARKS["imgedit"]
    thought = "<think>\nCompliance: 1\n"
    for begun, line in ((f"{thought}</think>", (3.33, 10 / 3)), (thought, (None, None))):
        row = judged(protocol, sample, {"edit": begun + ANSWERS["imgedit"][0]["edit"]})
        table = benchmark.aggregate(benchmark.rows(sample, row)).tables[0]
        assert [table.value(mode, "Adjust") for mode in table.rows] == pytest.approx(line)


def test_re_edit_has_a_verdict_under_the_category_and_three_measures(tmp_path: Path) -> None:
    sample = replace(SAMPLE, category="social", description_en="a hall", rationale_en="")
    checkout("re_edit", tmp_path, "physical")
    protocol = protocols.load(settings("re_edit", prompts=str(tmp_path)), "social", "en")
    questions = protocol.questions(sample)
    filled = "move {it} for $5 a hall "
    assert shown(questions[0], sample) == (
        f"source edited <system_prompt> {filled}\n\n<user_prompt_template> {filled}"
    )
    row = judged(protocol, sample, ANSWERS["re_edit"][0])
    unread = judged(protocol, replace(sample, id="b"), {**ANSWERS["re_edit"][0], "verdict": "?"})
    assert (row.score, unread.status) == (100, "judge_failed")
    benchmark = BENCHMARKS["re_edit"]
    outcome = benchmark.aggregate([*benchmark.rows(sample, row), *benchmark.rows(sample, unread)])
    rates = outcome.table("RE-Edit yes-rate")
    assert rates.columns == ("cultural", "Overall")
    assert rates.value("as published", "Overall") == 50
    assert rates.value("corrected", "Overall") == 100
    assert outcome.table("RE-Edit SC").value("Overall", "SC") == 7
    assert outcome.table("RE-Edit IF").value("corrected", "Overall") == 7

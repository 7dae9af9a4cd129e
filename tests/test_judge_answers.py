"""What a judge answers is kept as it is, read if it has one plain meaning, and never made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edit_benchmark.config.judges import RUBRICS, TransformersJudgeSettings
from edit_benchmark.errors import SampleError
from edit_benchmark.judging import rubrics
from edit_benchmark.judging.judge import Answer, Unreadable
from edit_benchmark.judging.parsing import parse_generated
from edit_benchmark.judging.reading import content_of, label_details, masses, read

RUBRIC = rubrics.load(RUBRICS / "reasoning.yaml", "physical", "en")
KEYS = [criterion.key for criterion in RUBRIC.criteria]
# 6, 1, 4, 7 and "does not apply".
LABELS = dict(zip(KEYS, [6, 1, 4, 7, 0], strict=True))
SCORES = dict(zip(KEYS, [7.0, 2.0, 5.0, 8.0, None], strict=True))
# Eleven labels, of which one is the beginning of another.
TEN = replace(RUBRIC, labels={str(n): float(n) for n in range(1, 11)})


def written(**changes: Any) -> str:
    """An answer as asked for, but for ``changes``; ``...`` leaves a key out."""
    answer = LABELS | {"reason": "fine"} | changes
    return json.dumps({key: value for key, value in answer.items() if value is not ...})


def with_first(value: str) -> str:
    """An answer whose first label is written as ``value``."""
    return written().replace("6", value, 1)


PLAIN = written()
QUOTED = json.dumps({key: str(label) for key, label in LABELS.items()})
DRAFT = PLAIN.replace("6", "3", 1)
LAST = KEYS[-1]
READABLE = {
    "as asked for": (PLAIN, "strict"),
    "over lines": (json.dumps(LABELS, indent=2), "strict"),
    "labels in quotes": (QUOTED, "strict"),
    "fence": (f"```json\n{PLAIN}\n```", "fence"),
    "bare fence": (f"```\n{PLAIN}\n```", "fence"),
    "capitalised fence": (f"```JSON\n{PLAIN}\n```", "fence"),
    "fence without line breaks": (f"```json{PLAIN}```", "fence"),
    "fence that is not closed": (f"```json\n{PLAIN}", "fence"),
    "fence that is not opened": (f"{PLAIN}\n```", "fence"),
    "sentence before": (f"Here is my assessment:\n\n{PLAIN}", "sentences"),
    "sentence behind": (f"{PLAIN}\n\nThe cup's 4\" edge floats {{badly}}.", "sentences"),
    "sentences and a fence": (f"Sure!\n```json\n{PLAIN}\n```\nDone.", "fence+sentences"),
    "thinking": (f"<think>\nmaybe {DRAFT}\n</think>\n\n{PLAIN}", "think"),
    "thinking opened by the prompt": (f"It falls.</think>\n```json\n{PLAIN}\n```", "think+fence"),
    "trailing comma": (PLAIN.replace("}", ",}"), "syntax"),
    "trailing comma and line": (PLAIN.replace("}", ",\n}"), "syntax"),
    "line break in the reason": (PLAIN.replace("fine", "fine,\nall of it,}"), "syntax"),
    "other texts": (written(summary="good", reason=["a", "b"]), "keys"),
    "no reason": (written(reason=...), "strict"),
    "a reason for each": (written(reason=dict.fromkeys(KEYS, "good")), "strict"),
    "number with a point": (with_first("6.0"), "values"),
    "text with a point": (with_first('"6.0"'), "values"),
    "null": (written(**{LAST: None}), "values"),
    "N/A": (written(**{LAST: "N/A"}), "values"),
    "n/a": (written(**{LAST: " n/a "}), "values"),
    "不适用": (written(**{LAST: "不适用"}), "values"),
    "list of one": (f"[{PLAIN}]", "list"),
    "one level deep": (f'{{"scores": {PLAIN}}}', "nested"),
    "one level deep in a list": (f'{{"scores": [{PLAIN}], "note": "x"}}', "nested"),
    "an object for each": (
        json.dumps({key: {"score": label, "reason": "2 cups"} for key, label in LABELS.items()}),
        "values",
    ),
    "capital keys": (PLAIN.replace(KEYS[0], "Gravity_And_Support"), "case"),
    "keys in words": (PLAIN.replace(KEYS[0], "Gravity and support"), "case"),
    "keys in camel case": (PLAIN.replace(KEYS[0], "gravityAndSupport"), "case"),
    "full-width digit": (with_first("６"), "syntax"),
    "full-width digit in quotes": (with_first('"６"'), "values"),
    "the same twice": (f"{PLAIN}\n{PLAIN}", "repeated"),
    "a key twice with one label": (written(**{KEYS[0]: ...}).replace(
        "{", f'{{"{KEYS[0]}": 6, "{KEYS[0]}": 6, '), "strict"),
    "cut off in the reason": (PLAIN.replace('fine"}', "fine until it"), "cut"),
}  # fmt: skip
UNREADABLE = {
    "nothing": "",
    "a number": "6",
    "a sentence": "The score is 6.",
    "a refusal": "I'm sorry, but I cannot assess this picture.",
    "a list": "[6, 1, 4, 7, 0]",
    "a missing key": written(**{LAST: ...}),
    "an empty object": "{}",
    "a key that is no criterion": written(sharpness=5),
    "two labels for a key": PLAIN.replace("{", f'{{"{KEYS[0]}": 1, ', 1),
    "two labels for a key in two cases": PLAIN.replace("{", '{"Gravity and support": 1, ', 1),
    "above the scale": with_first("8"),
    "below the scale": with_first("-1"),
    "minus nought": with_first("-0.0"),
    "between labels": with_first("6.5"),
    "nearly a label": with_first("6.00000000000000000001"),
    "two labels": with_first('"6 or 7"'),
    "a range": with_first('"6-7"'),
    "a share": with_first('"6/7"'),
    "a word": with_first('"good"'),
    "truth": with_first("true"),
    "a label in a list": with_first("[6]"),
    "two labels in an object": with_first('{"score": 6, "value": 7}'),
    "another number beside it": with_first('{"score": 6, "confidence": 7}'),
    "NaN": with_first("NaN"),
    "very long": with_first("6" * 5000),
    "two objects": f"{PLAIN}\n{DRAFT}",
    "a list of two": f"[{PLAIN}, {DRAFT}]",
    "two objects one level deep": f'{{"first": {PLAIN}, "second": {DRAFT}}}',
    "a second object cut off": f"{DRAFT}\nBetter: {PLAIN[:40]}",
    "an object in one that is cut off": f'{{"draft": {DRAFT}, "final": {PLAIN[:60]}',
    "two levels deep": f'{{"a": {{"b": {PLAIN}}}}}',
    "cut off in a digit": PLAIN[: PLAIN.index('"reason"') - 2],
    "cut off in a label in quotes": QUOTED[: QUOTED.rindex('"')],
    "cut off behind a key": PLAIN[: PLAIN.index(LAST)],
    "thinking that did not end": f"<think>\nSo far {PLAIN}",
    "thinking again": f"<think>a</think><think>{PLAIN}",
    "an answer before the thinking alone": f"{PLAIN}</think>",
    "nesting without end": '{"a":' * 20_000,
}


@pytest.mark.parametrize("form", READABLE)
def test_an_answer_with_one_plain_meaning_is_read(form: str) -> None:
    text, rule = READABLE[form]
    answer = parse_generated(text, RUBRIC)
    assert answer.criteria == SCORES
    assert answer.reading == rule
    assert answer.text == text.strip()


@pytest.mark.parametrize("form", UNREADABLE)
def test_an_answer_without_one_plain_meaning_is_no_score(form: str) -> None:
    with pytest.raises(SampleError, match=r"^unparsable_answer: .*; the judge wrote: ['\"]"):
        parse_generated(UNREADABLE[form], RUBRIC)


WRAPPINGS: list[Callable[[str], str]] = [
    lambda text: f"```json\n{text}\n```",
    lambda text: f"My answer: {text} That is all.",
    lambda text: f"hm, {{6}}</think>{text}",
    lambda text: f"[{text}]",
    lambda text: text.replace("}", ",}"),
    lambda text: text.replace("_", " ").title(),
    lambda text: text.translate(str.maketrans("0123456789", "０１２３４５６７８９")),
]


@settings(deadline=None, max_examples=150)
@given(
    labels=st.lists(st.sampled_from([*TEN.labels, "0"]), min_size=5, max_size=5),
    wrappings=st.lists(st.sampled_from(WRAPPINGS), max_size=3, unique=True),
    as_text=st.booleans(),
    cut=st.integers(0, 400),
)
def test_an_answer_is_read_as_it_is_meant_or_not_at_all(
    labels: list[str], wrappings: list[Callable[[str], str]], as_text: bool, cut: int
) -> None:
    """However carelessly an answer is written, and wherever it is cut off."""
    meant = {key: TEN.labels.get(label) for key, label in zip(KEYS, labels, strict=True)}
    kind = str if as_text else int
    text = json.dumps({key: kind(label) for key, label in zip(KEYS, labels, strict=True)})
    for wrap in wrappings:
        text = wrap(text)
    assert parse_generated(text, TEN).criteria == meant
    try:
        assert parse_generated(text[:cut], TEN).criteria == meant
    except SampleError:
        assert cut < len(text)


def judge_settings(**changes: Any) -> TransformersJudgeSettings:
    return TransformersJudgeSettings(judge="transformers", checkpoint="a/b", **changes)


def probabilities(mass: float) -> dict[str, Any]:
    """What is kept of a judge that puts ``mass`` on the labels 7 and 3 of each criterion."""
    labels = dict.fromkeys("12456", 0.0) | {"7": 0.6 * mass, "3": 0.4 * mass, "0": 0.0}
    return {"text": "", "details": dict.fromkeys(KEYS, label_details(labels))}


def test_another_least_probability_reads_a_stored_answer_again() -> None:
    content = probabilities(0.3)
    refused = read(content, RUBRIC, judge_settings())
    assert isinstance(refused, Unreadable)
    assert str(refused).startswith("off_scale: the judge puts 0.300 of its probability on the")
    # All that the judge answered is kept, and from it the score comes.
    kept = json.loads(json.dumps(content_of(refused, judge_settings())))
    assert kept == content
    answer = read(kept, RUBRIC, judge_settings(min_mass=0.2))
    assert isinstance(answer, Answer)
    assert answer.criteria == dict.fromkeys(KEYS, pytest.approx(0.6 * 8 + 0.4 * 4))
    assert answer.reading == "probabilities"


def test_only_what_can_be_a_probability_is_taken_for_one() -> None:
    told = [0.5, 1, 0, 1.000001, True, None, "0.5", -0.1, 57, 10**400]
    details = {str(number): {"mass": mass} for number, mass in enumerate(told)}
    assert masses(details | {"mass": 0.5, "shared_prefix": True}) == [0.5, 1.0, 0.0, 1.000001]


def test_labels_that_were_chosen_are_the_scores() -> None:
    answer = read(probabilities(0.8), RUBRIC, judge_settings(method="generated"))
    assert isinstance(answer, Answer)
    assert answer.criteria == dict.fromkeys(KEYS, 8.0)
    assert answer.reading == "labels"
    nothing = {"text": "", "details": dict.fromkeys(KEYS, label_details({"0": 0.9, "4": 0.1}))}
    refused = read(nothing, RUBRIC, judge_settings(method="generated"))
    assert str(refused) == "nothing_applies: the judge found that no criterion applies"
    unlikely = read(probabilities(0.1), RUBRIC, judge_settings(method="generated"))
    assert isinstance(unlikely, Unreadable)
    assert unlikely.kind == "off_scale"


def test_a_text_is_kept_whole_whether_it_can_be_read_or_not() -> None:
    writes = judge_settings(method="generated", answer="text")
    for text in (PLAIN, "x" * 5000):
        answer = read({"text": text, "details": {}}, RUBRIC, writes)
        assert content_of(answer, writes) == {"text": text, "details": {}}

"""Pairs: what a judge is asked that compares two models' edits, and how its answers are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import draw
from edit_benchmark import images
from edit_benchmark.config.judges import TransformersJudgeSettings
from edit_benchmark.config.resolve import resolve
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging import protocols
from edit_benchmark.judging.pairs import Heard, Pair, Picture, case_of_pair, pair_fields, verdict
from edit_benchmark.judging.protocols import Question
from edit_benchmark.records import Sample
from judge_fixtures import SAMPLE


def settings(**more: Any) -> TransformersJudgeSettings:
    return TransformersJudgeSettings.model_validate(
        {"judge": "transformers", "checkpoint": "x", "method": "pairwise"} | more
    )


def question(sample: Sample = SAMPLE) -> Question:
    (asked,) = protocols.load(settings(), "physical", "en").questions(sample)
    return asked


PAIR = Pair(SAMPLE, Picture("a.png", "a" * 64), Picture("b.png", "b" * 64), "flux and qwen")


def test_both_edits_are_shown_in_both_orders(tmp_path: Path) -> None:
    pictures = {}
    for name, size in {"source": (90, 70), "a": (64, 32), "b": (32, 64)}.items():
        draw(name, size).save(tmp_path / f"{name}.png")
        pictures[name] = images.sha256((tmp_path / f"{name}.png").read_bytes())
    source = f"{pictures['source']}.png"
    (tmp_path / "source.png").rename(tmp_path / source)
    sample = replace(SAMPLE, source=source, source_sha256=pictures["source"])
    pair = Pair(sample, *(Picture(f"{name}.png", pictures[name]) for name in "ab"), "flux and qwen")
    shown = {}
    for is_swapped in (False, True):
        case = case_of_pair(pair, question(sample), is_swapped, tmp_path)
        assert case.turn is not None
        shown[is_swapped] = [
            part if isinstance(part, str) else part.size for part in case.turn.content
        ]
    assert shown[False][:-1] == [
        "Source picture:", (90, 70), "Image A:", (64, 32), "Image B:", (32, 64),
    ]  # fmt: skip
    assert shown[True][3:-1:2] == [(32, 64), (64, 32)]
    assert shown[True][-1] == shown[False][-1]
    assert "move {it} for $5" in shown[False][-1]
    assert "gravity" in shown[False][-1]


def test_a_pair_has_the_same_keys_whichever_model_is_named_first() -> None:
    as_named = pair_fields(question(), PAIR)
    turned = pair_fields(question(), replace(PAIR, first=PAIR.second, second=PAIR.first))
    assert as_named == turned[::-1]
    assert as_named[0] != as_named[1]


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ('{"winner": "Image A"}', 1.0),
        ('Thus:\n```json\n{"winner": "image b"}\n```', 0.0),
        ('<think>A?</think>{"winner": "Tie"}', 0.5),
        ("Image A is better.", None),
        ('{"winner": "Image C"}', None),
        ('{"winner": "both A and B"}', None),
    ],
)
def test_a_preference_is_read_or_is_none(said: str, share: float | None) -> None:
    parse = question().rubric.parse
    assert parse is not None
    if share is None:
        with pytest.raises(SampleError):
            parse(said)
    else:
        assert parse(said) == {"better": share}


def test_only_what_is_said_in_both_orders_is_a_win() -> None:
    def heard(preference: float | None) -> Heard:
        return Heard(preference, "k", "", "", None)

    assert verdict((heard(1), heard(1))) == 1
    assert verdict((heard(0), heard(0))) == 0
    assert verdict((heard(1), heard(0))) == 0.5
    assert verdict((heard(1), heard(0.5))) == 0.5
    assert verdict((heard(1), heard(None))) is None


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"protocol": "original"}, "method: pairwise needs a protocol that compares"),
        ({"method": "generated", "protocol": "pairwise"}, "set method: pairwise"),
        ({"answer": "labels"}, "remove method and answer"),
    ],
)
def test_a_method_and_a_protocol_that_do_not_fit_are_refused(
    more: dict[str, Any], sentence: str
) -> None:
    judge = settings().model_dump(mode="json") | {"protocol": None} | more
    with pytest.raises(UserError, match=sentence):
        resolve({"benchmark": {"path": "x"}, "models": {"m": {"editor": "identity"}},
                 "judges": {"j": judge}})  # fmt: skip


def test_a_protocol_that_compares_shows_both_edits_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    text = protocols.files.protocol_file("pairwise").read_text(encoding="utf-8")
    path.write_text(text.replace(" second,", " edited,"), encoding="utf-8")
    with pytest.raises(UserError, match="shows first and second once each"):
        protocols.files.read(path)

"""The words of the report: both languages say the same, and nothing is left without a word."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import yaml

from edit_benchmark.categories import CATEGORIES
from edit_benchmark.records import STATUSES
from edit_benchmark.report import formats, words
from edit_benchmark.report.analysis import analyse
from edit_benchmark.report.formats import SHOWN
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.provenance import readings
from edit_benchmark.report.rows import (
    DEVICES_MARK,
    EQUAL_MARK,
    FEW_MARK,
    MACRO,
    MICRO,
    NOT_RECORDED,
)
from edit_benchmark.report.score_tables import Survey
from edit_benchmark.report.write import write_report
from edit_benchmark.selftest.probes import BY_NAME
from report_fixtures import failed, sample, score, synthesise

LANGUAGES = ("en", "zh")


def texts(language: str) -> dict[str, str]:
    """Every text of a language by its path within the file."""

    def flat(path: str, value: Any) -> dict[str, str]:
        if isinstance(value, dict):
            return {
                k: v for key, part in value.items() for k, v in flat(f"{path}/{key}", part).items()
            }
        return {path: value}

    return flat("", asdict(words.load(language)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_is_there_twice(language: str) -> None:
    """Of two, the loader would take the last without a word."""

    def check(node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert sorted(keys) == sorted(set(keys))
            for _, value in node.value:
                check(value)

    path = Path(words.__file__).parent / "words" / f"{language}.yaml"
    check(yaml.compose(path.read_text(encoding="utf-8")))


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_words() -> None:
    english, chinese = texts("en"), texts("zh")
    assert list(english) == list(chinese)
    for path, text in english.items():
        assert isinstance(text, str), path
        assert isinstance(chinese[path], str), path
        assert text.strip(), path
        assert chinese[path].strip(), path
        assert placeholders(text) == placeholders(chinese[path]), path


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_best_is_not_called_the_highest(language: str) -> None:
    """Of distances to targets it is the lowest; the gallery's order says best and worst too."""
    spoken = words.load(language)
    for extreme in ("best", "worst"):
        assert spoken.cell(extreme) in spoken.page[f"order_{extreme}"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_probe_has_its_words(language: str) -> None:
    spoken = words.load(language)
    assert set(spoken.probes) == set(BY_NAME)
    for name in BY_NAME:
        assert set(spoken.probes[name]) == {"title", "failure"}
    assert {probe.measure for probe in BY_NAME.values()} <= set(spoken.measures)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_tables_show_has_a_word(language: str) -> None:
    spoken = words.load(language)
    assert {*SHOWN} <= set(spoken.columns)
    assert {*STATUSES, MICRO, MACRO, FEW_MARK, EQUAL_MARK} <= set(spoken.cells)
    assert {"edit", "score", "selftest", NOT_RECORDED} <= set(spoken.cells)  # of jobs
    assert spoken.cell("social") == ("social" if language == "en" else CATEGORIES["social"])
    assert spoken.cell("something else") == "something else"


def test_a_chinese_page_has_no_english_headings(tmp_path: Path) -> None:
    inputs = synthesise(tmp_path / "results", ("m1", "m2"), each=2)
    devices = [replace(row, device=f"GPU {number % 3}") for number, row in enumerate(inputs.scores)]
    write_report(replace(inputs, scores=devices), tmp_path / "report", language="zh")
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    headings = set(re.findall(r'<th scope="col"[^>]*><button type="button">(.*?)</button>', page))
    chinese = words.load("zh")
    assert headings <= {*chinese.columns.values(), *chinese.cells.values()}
    marks = set(re.findall(r'<abbr title="(.*?)">', page))
    assert marks == {chinese.cells[mark] for mark in (FEW_MARK, DEVICES_MARK)}


def test_the_report_counts_how_answers_were_read() -> None:
    english = words.load("en")
    row = sample(1, "physical", 0)
    plain = [score(row, judge="j", score=5.0, criteria={"a": 5.0}, reading="strict")]
    assert not readings(Survey.of(plain), english)
    odd = [*plain, *(replace(plain[0], reading=rule) for rule in ("think+fence", "think+fence"))]
    (told,) = readings(Survey.of(odd), english)
    assert told == "j: its answers were read by these rules: think+fence 2, strict 1."


def test_a_model_without_any_score_is_not_said_to_have_means() -> None:
    rows = [sample(number, "physical", number) for number in range(2)]
    scores = [*(failed(row, "edit_failed") for row in rows), score(rows[0], "n"),
              failed(rows[1], "edit_failed", "n")]  # fmt: skip
    found = analyse(Inputs(rows, scores, ["physical"], Path(), {}), words.load("en")).warnings
    assert "m by j: none of 2 samples has a score; there is no mean." in found
    assert any(text.startswith("n by j: 1 of 2 samples have no score; the m") for text in found)


def test_a_warning_that_several_share_is_said_once() -> None:
    """It names models and judges of which it is true, and no others."""
    rows = [sample(number, "physical", number) for number in range(2)]
    pairs = [(model, judge) for model in ("m", "n") for judge in ("j", "k")]
    scores = [score(row, model, judge) for row in rows for model, judge in pairs]
    inputs = Inputs(rows, scores, ["physical"], Path(), {})
    few = ": scored samples of fewer than 5 source images in physical; marked †."

    def said(inputs: Inputs, language: str = "en") -> list[str]:
        return analyse(inputs, words.load(language)).warnings

    assert said(inputs)[0] == f"all models by all judges (each){few}"
    assert sum(few in text for text in said(inputs)) == 1
    assert "全部模型（全部评审，各自）：物理 的已评分样本所用原图不足 5 张" in said(inputs, "zh")[0]
    # Without the one pair there is no product of models and judges.
    three = replace(inputs, scores=[s for s in scores if (s.model, s.judge) != ("n", "k")])
    assert [text for text in said(three) if few in text] == [
        f"m by all judges (each){few}",
        f"n by j{few}",
    ]
    lost = [
        failed(s, "edit_failed", s.model, s.judge) if s.id == rows[0].id and s.judge == "j" else s
        for s in scores
    ]
    told = "all models by j (each): 1 of 2 samples have no score; "
    assert [text.startswith(told) for text in said(replace(inputs, scores=lost))].count(True) == 1


def test_a_number_that_rounds_to_zero_has_no_sign() -> None:
    assert formats.span(-0.004, 0.004) == "[0.00, 0.00]"
    assert formats.number(-0.005001) == "-0.01"

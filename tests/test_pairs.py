"""Pairs: what a judge is asked that compares two models' edits, and how its answers are read."""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import report_fixtures
from conftest import draw
from demo.models import save_judge
from edit_benchmark import images
from edit_benchmark.config.judges import TransformersJudgeSettings
from edit_benchmark.config.resolve import resolve
from edit_benchmark.config.run import Config
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.estimate import estimates
from edit_benchmark.judging import protocols
from edit_benchmark.judging.judge import Answer, Case, Turn
from edit_benchmark.judging.pairs import Pair, Picture, case_of_pair, pair_fields, verdict
from edit_benchmark.judging.protocols import Question
from edit_benchmark.records import Preference, Sample
from edit_benchmark.report import words
from edit_benchmark.report.checks import check_pairs
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.official import official
from edit_benchmark.report.pairwise import pair_warnings, pairwise
from edit_benchmark.report.write import write_report
from edit_benchmark.results.spending import Spending
from edit_benchmark.stats.strengths import Compared, strengths
from judge_fixtures import SAMPLE, load
from protocol_fixtures import checkout


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
    assert verdict(1, 1) == 1
    assert verdict(0, 0) == 0
    assert verdict(1, 0) == 0.5
    assert verdict(1, 0.5) == 0.5
    assert verdict(1, None) is None
    assert verdict(None, None) is None


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


def test_gedit_v2_asks_about_three_dimensions_with_its_own_words(tmp_path: Path) -> None:
    named = settings(protocol="gedit_v2", prompts=str(checkout("gedit_v2", tmp_path)))
    shown = {
        asked.name: [part if isinstance(part, str) else part.path for part in asked.content]
        for asked in protocols.load(named, "gedit_v2", "en").questions(SAMPLE)
    }
    following = ["<text> move {it} for $5", "s", "<text>", "first", "<text>", "second"]
    assert shown == {
        "instruction_following": following,
        "visual_consistency": following,
        "visual_quality": ["<text>", "first", "<text>", "second"],
    }


def test_pairs_of_gedit_v2_become_its_official_table() -> None:
    def row(key: str, a: str, b: str, win: float | None) -> Preference:
        status = "judge_failed" if win is None else "compared"
        return Preference(key, "gedit_v2", "j", a, b, "visual_quality", status, "no", win)

    rows = [row("1", "x", "y", 1), row("1", "x", "z", 1), row("2", "y", "z", 0.5),
            row("2", "x", "y", None)]  # fmt: skip
    run = {"config": {"benchmark": {"format": "gedit_v2"}}}
    judges = {"j": settings(protocol="gedit_v2").model_dump(mode="json")}
    inputs = Inputs([], [], [], Path(), run, judges=judges, preferences=rows)
    (found,) = official(inputs, words.load("en"))
    (table,) = found.whole.tables
    assert next(iter(table.rows)) == "x"
    assert table.value("y", "Elo corrected") == pytest.approx(table.value("z", "Elo corrected"))
    assert "cannot stand beside those of papers" in found.notes[0]
    assert any("3 of 4" in note for note in found.whole.notes), found.whole.notes


def test_strengths_are_found_again_with_intervals_that_hold_them() -> None:
    draw_from, theta, nu = random.Random(4), {"a": 0.6, "b": 0.0, "c": -0.6}, 0.4
    pairs = []
    for number in range(300):
        for one, other in combinations(theta, 2):
            odds = [
                math.exp(theta[one]), math.exp(theta[other]),
                2 * nu * math.exp((theta[one] + theta[other]) / 2),
            ]  # fmt: skip
            (win,) = draw_from.choices([1.0, 0.0, 0.5], odds)
            pairs.append(Compared(one, other, win, str(number)))
    found = strengths({"better": pairs})
    for model, value in theta.items():
        low, high = found.intervals[model]
        assert low is not None
        assert high is not None
        assert low < value < high
        assert low < found.theta[model] < high
        assert high - low < 0.5
    assert found.ties["better"] == pytest.approx(nu, abs=0.1)


def test_intervals_are_of_the_same_fit_as_the_strengths() -> None:
    # One cluster twice over: each bootstrap sample is the whole, so that the interval is a point.
    pairs = [
        Compared(a, b, win, cluster)
        for cluster in "uv"
        for a, b, win in [("x", "y", 1.0), ("y", "z", 1.0), ("x", "z", 0.5), ("x", "z", 0.0)]
    ]
    found = strengths({"better": pairs, "again": pairs[:3] + pairs[4:7]})
    for model, interval in found.intervals.items():
        assert interval == pytest.approx((found.theta[model],) * 2, abs=1e-4)


def config(models: int = 2, **judges: Any) -> Config:
    floor = {"editor": "identity"}
    served = {"judge": "openai", "base_url": "http://x/v1", "model": "toy-2026-01-01"}
    judges = {"j": served | {"method": "pairwise"}} | judges
    floors = {f"m{number}": floor for number in range(models)}
    benchmark = {"path": __file__}
    return resolve({"benchmark": benchmark, "models": floors, "judges": judges})


def test_pairs_need_two_models_and_somebody_who_scores() -> None:
    near = {"judge": "pixels", "measures": ["l1"]}
    assert config(near=near).judges["j"].compares
    with pytest.raises(UserError, match=r"judges.j compares two models' edits, and there is one"):
        config(models=1, near=near)
    with pytest.raises(UserError, match="give no scores; add one that does"):
        config()


def test_the_estimate_counts_each_pair_in_both_orders() -> None:
    found = config(models=4, near={"judge": "pixels", "measures": ["l1"]})
    samples = [replace(SAMPLE, id=str(number)) for number in range(5)]
    (one,) = estimates(found, samples, [], Spending())
    assert one.requests == 5 * 6 * 2
    (tested,) = estimates(found, samples, ["m0"], Spending())
    assert tested.requests - one.requests == 5 * 3 * 2


def test_a_local_judge_writes_its_preference(tmp_path: Path) -> None:
    save_judge(tmp_path / "tiny")
    judge = load(tmp_path / "tiny", method="pairwise")
    content = ("Image A:", draw("a"), "Image B:", draw("b"), "which?")
    case = Case(SAMPLE, draw("s"), draw("a"), question().rubric, turn=Turn("better", content))
    (answer,) = judge.judge([case])
    assert isinstance(answer, Answer)
    assert answer.criteria == {}
    assert answer.text


def test_a_report_has_no_tables_of_what_was_not_compared(tmp_path: Path) -> None:
    """And none of an earlier report, whose pairs were compared."""
    models = ["first", "second"]
    whole = report_fixtures.synthesise(tmp_path, models, judges=["j"], each=1)
    sample = whole.samples[0]
    scores = [row for row in whole.scores if row.id == sample.id]
    inputs = replace(whole, samples=[sample], scores=scores, categories=[sample.category])
    compared = [
        Preference(row.id, row.category, "taste", *models, "better", "compared", win=1)
        for row in inputs.samples
    ]
    failed = [replace(row, status="judge_failed", win=None, reason="no") for row in compared]
    out = tmp_path / "report"
    found = {}
    for name, rows in (("compared", compared), ("failed", failed), ("none", [])):
        write_report(replace(inputs, preferences=rows), out, language="zh")
        found[name] = {path.name for path in out.iterdir()}
        if rows:
            page = (out / "index.html").read_text(encoding="utf-8")
            links = set(re.findall(r'<a href="([a-z_]+\.(?:csv|tex))">', page))
            assert links <= found[name]
            assert "评审: j, taste" in page
            assert "对数" in page
            latex = (out / "pairwise.tex").read_text(encoding="utf-8")
            assert latex.startswith("% Needs the packages booktabs, graphicx and ctex.")
            assert (
                latex.count(r"\begin{table}") == latex.count(r"\resizebox") == 2 - (rows is failed)
            )
    always = {"preferences.csv", "pairwise.csv", "pairwise.tex"}
    assert found["failed"] - found["none"] == always
    assert found["compared"] - found["none"] == always | {"strengths.csv", "position_bias.csv"}


def test_of_many_models_the_pairs_that_lack_most_are_warned_of() -> None:
    """And the others are summed up, however many models fail."""
    models = [f"m{number}" for number in range(7)]
    samples = [report_fixtures.sample(number, "physical", number) for number in range(3)]
    rows = [
        Preference(row.id, row.category, "taste", a, b, "better", "judge_failed")
        if b == "m6" or row is samples[0]
        else Preference(row.id, row.category, "taste", a, b, "better", "compared", win=1)
        for row in samples
        for a, b in combinations(models, 2)
    ]
    told = [
        line
        for line in pair_warnings(pairwise(samples, rows), words.load("en"))
        if "not compared" in line
    ]
    assert len(told) == 11
    assert all(" and m6 by taste (better): 3 of 3" in line for line in told[:6])
    assert all("1 of 3" in line for line in told[6:10])
    assert told[10].startswith("11 more rows of pairwise.csv")
    assert "lack 11 pairs" in told[10]


def test_a_models_win_rate_is_its_own_and_what_is_shown_first_is_counted_so() -> None:
    def said(key: str, a: str, b: str, *shares: float) -> Preference:
        answers = [{"preference": share, "key": "k", "problem": ""} for share in shares]
        win = shares[0] if len(set(shares)) == 1 else 0.5
        return Preference(key, "physical", "j", a, b, "better", "compared", "", win, answers)

    samples = [report_fixtures.sample(number, "physical", number) for number in range(2)]
    one, other = (row.id for row in samples)
    rows = [
        said(one, "x", "y", 1, 1), said(one, "x", "z", 1, 1), said(one, "y", "z", 1, 0),
        said(other, "x", "y", 1, 1), said(other, "x", "z", 1, 0), said(other, "y", "z", 0, 1),
    ]  # fmt: skip
    found = pairwise(samples, rows)
    rates = {row.model: row.win_rate for row in found.strengths}
    assert rates == {"x": 3.5 / 4, "y": 1 / 4, "z": 1.5 / 4}
    (bias,) = found.bias
    assert (bias.n, bias.changed, bias.first_twice, bias.second_twice) == (6, 3, 2, 1)


def test_two_models_have_a_row_of_every_sample_and_none_twice() -> None:
    samples = [report_fixtures.sample(number, "physical", number) for number in range(2)]
    rows = [
        Preference(row.id, row.category, "j", "x", "y", "better", "compared", win=1)
        for row in samples
    ]
    check_pairs(samples, rows)
    with pytest.raises(UserError, match=f"no row, or one too many, .* {samples[1].id}"):
        check_pairs(samples, rows[:1])
    with pytest.raises(UserError, match=f"sample {samples[0].id} was compared twice by judge j"):
        check_pairs(samples, [*rows, rows[0]])

"""Scores stand on the scale of their judge's rubric: words, axes, bounds, and what is missing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import report_fixtures as fixtures
from edit_benchmark.config.judges import RUBRICS
from edit_benchmark.judging.pixels.scales import scale_of
from edit_benchmark.judging.rubrics import Scale, rubric_hash, scale
from edit_benchmark.records import Score
from edit_benchmark.report import plots, words
from edit_benchmark.report.comparisons import Compared, comparison_rows
from edit_benchmark.report.inputs import Inputs, Sources, load
from edit_benchmark.report.per_sample import per_sample
from edit_benchmark.report.scales import scales_of
from edit_benchmark.report.score_tables import Survey
from edit_benchmark.report.tables import summary_rows
from edit_benchmark.report.write import write_report
from edit_benchmark.stats.comparison import compare
from test_report import embedded

REASONING = RUBRICS / "reasoning.yaml"


def on_the_scale(results: Path, **changes: object) -> Inputs:
    """Two models and a judge of the rubric reasoning, all scores within 2 to 8."""
    inputs = fixtures.synthesise(results, ("alpha", "beta"), ("judge",), each=4)
    run = inputs.run | {"rubrics": {str(REASONING): rubric_hash(REASONING)}} | changes
    scores = [
        replace(row, score=min(max(row.score, 2), 8), criteria={}) if row.score else row
        for row in inputs.scores
    ]
    return replace(inputs, run=run, scores=scores)


def loaded(inputs: Inputs) -> Inputs:
    tables = fixtures.write(inputs)
    folder = inputs.results
    return load(
        Sources(folder / "benchmark" / "samples.jsonl", tables, folder, folder / "run.json")
    )


def test_every_table_says_what_scores_can_be(tmp_path: Path) -> None:
    inputs = loaded(on_the_scale(tmp_path / "results"))
    assert inputs.scales == {"judge": Scale(2, 8, neutral=5, violation=3)}
    write_report(inputs, tmp_path / "report")
    for name in ("summary.md", "summary.tex", "index.html"):
        text = (tmp_path / "report" / name).read_text(encoding="utf-8")
        assert "2 to 8; 5 is neutral, 3 and below a violation" in text, name
        assert "0 to 10" not in text, name
    summary = pd.read_csv(tmp_path / "report" / "summary.csv").set_index(["model", "category"])
    row = summary.loc["alpha", "overall (micro)"]
    assert row["scored"] < row["n"]
    assert row["bound_high"] - row["bound_low"] == pytest.approx(6 * (1 - row["coverage"]))
    figure = plots.overview(summary_rows(inputs.samples, inputs.scores, inputs.categories), "judge",
                            words.load("en"), inputs.scales["judge"].ends)  # fmt: skip
    assert figure.axes[0].get_xlim() == (2, 8)


def test_a_mean_at_the_end_of_the_scale_is_drawn_whole(tmp_path: Path) -> None:
    inputs = on_the_scale(tmp_path / "results")
    scores = [
        replace(row, score=8.0) if row.status == "scored" else row for row in inputs.scores
    ]  # fmt: skip
    figure = plots.overview(summary_rows(inputs.samples, scores, inputs.categories), "judge",
                            words.load("en"), (2, 8))  # fmt: skip
    means = [line for line in figure.axes[0].lines if line.get_label() in ("alpha", "beta")]
    assert means
    for line in means:
        assert set(line.get_xdata()) == {8}
        # Its mark goes as far beyond the axis as before it.
        assert not line.get_clip_on()


def test_a_scale_that_is_not_known_is_the_widest(tmp_path: Path) -> None:
    """The rubric was changed since, is gone, or the judge's own class answers beyond it."""
    inputs = on_the_scale(tmp_path / "a", rubrics={"resources/rubrics/reasoning.yaml": "0" * 64})
    assert loaded(inputs).scales == {}
    settings = {"judge": {"rubric": "gone.yaml"}}
    assert scales_of(settings, {}, Survey.of(inputs.scores)) == {}
    beyond = replace(inputs.scores[0], status="scored", score=9.5, criteria={})
    assert scales_of({"judge": {"rubric": "reasoning"}}, {}, Survey.of([beyond])) == {}
    write_report(replace(inputs, run={}), tmp_path / "report")
    text = (tmp_path / "report" / "summary.md").read_text(encoding="utf-8")
    assert "Scores of judge: 0 to 10." in text


def test_words_for_the_report_do_not_make_another_rubric(tmp_path: Path) -> None:
    content = yaml.safe_load(REASONING.read_text(encoding="utf-8"))
    del content["scale"]["neutral"], content["scale"]["violation"]
    path = tmp_path / "reasoning.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    assert rubric_hash(path) == rubric_hash(REASONING)
    assert scale(path) == Scale(2, 8)


# ----- As many decimals as a scale needs -----


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A report of two models by a rubric and two measures, with other seeds; and its terminal."""
    folder = tmp_path_factory.mktemp("measured")
    scales = {"near-l1": scale_of("l1", "target"), "near-psnr": scale_of("psnr", "target")}
    samples = [fixtures.sample(number, "physical", number) for number in range(6)]
    near = {"a": 0.00523, "b": 0.01234}
    scores = []
    for row in samples:
        fixtures.draw(folder / row.source, 0, "source")
        for model, value in near.items():
            for repeat, by in enumerate((1, 1 + row.index / 10)):
                rest = {"model": model, "repeat": repeat, "image": row.source}
                l1, psnr = value * by, 20 / by
                scores += [
                    fixtures.score(row, judge="near-l1", score=l1, criteria={"l1": l1}, **rest),
                    fixtures.score(row, judge="near-psnr", score=psnr, criteria={}, **rest),
                    fixtures.score(row, judge="asked", score=4 + by, criteria={}, **rest),
                ]
    inputs = Inputs(samples, scores, ["physical"], folder, {}, scales=scales)
    return folder / "report", write_report(inputs, folder / "report")


def decimals_of(text: str) -> set[int]:
    return {len(part) for part in re.findall(r"\d\.(\d+)", text)}


def test_a_distance_has_four_decimals_and_a_rubric_two(measured: tuple[Path, str]) -> None:
    """Two models of 0.0065 and 0.0154 are not both "0.01 [0.01, 0.01]" to readers."""
    report, terminal = measured
    page = (report / "index.html").read_text(encoding="utf-8")
    tables = {"terminal": re.split(r"\n(?=\S)", terminal)}
    tables["markdown"] = (report / "summary.md").read_text(encoding="utf-8").split("###")
    tables["latex"] = (report / "summary.tex").read_text(encoding="utf-8").split(r"\midrule")
    for name, parts in tables.items():
        of = [part for part in parts if "·" in part]
        assert len(of) == 6, name
        for part in of:
            table = part.split("Scores by category")[0].split("warning")[0]
            assert decimals_of(table) == ({4} if "near-l1" in table else {2}), (name, part)
    # Of the page the rows of the summary and the breakdown.
    rows = re.findall(r"<tr[^>]*><td>[ab]</td><td>(near-l1|near-psnr|asked)</td>(.*?)</tr>", page)
    assert len(rows) >= 6 * 5
    for judge, cells in rows:
        text = re.sub(r"<[^>]*>", " ", cells)
        assert decimals_of(text) == ({4} if judge == "near-l1" else {2}), (judge, text)


def test_differences_tiles_and_the_gallery_have_the_decimals_of_their_judge(
    measured: tuple[Path, str],
) -> None:
    report, _ = measured
    page = (report / "index.html").read_text(encoding="utf-8")
    overview, compared = (
        {
            part.split("<")[0]: part
            for part in page.split(f'<section id="/{name}"')[1]
            .split("</section>")[0]
            .split('Judge <span class="name">')[1:]
        }
        for name in ("overview", "compare")
    )
    for judge, decimals in {"near-l1": {4}, "near-psnr": {2}, "asked": {2}}.items():
        tiles = " ".join(re.findall(r'<p class="big">.*?</p>|<dd>.*?</dd>', overview[judge]))
        assert decimals_of(tiles) == decimals, judge
        matrix = compared[judge].split("</table>")[0].split("<tbody>")[1]
        assert decimals_of(matrix) == decimals, judge
        differences = re.findall(r"\[-?\d\.(\d+), ", compared[judge].split("<details>")[1])
        assert {len(digits) for digits in differences} == decimals, judge
    data = embedded(report)
    assert dict(zip(data["judges"], data["decimals"], strict=True)) == {
        "near-l1": 4, "near-psnr": 2, "asked": 2,
    }  # fmt: skip
    row = next(row for row in data["samples"][1]["rows"] if row["model"] == 0)
    assert (row["score"], row["criteria"]) == (0.00523, {"l1": 0.00523})


# ----- What is missing from a comparison -----


def test_a_model_that_fails_on_the_hard_samples_gains_nothing_for_certain() -> None:
    """b equals a but fails on the half on which both are bad: the complete cases say that they are
    equal, the bounds what the failures may hide."""
    ids = [f"s{number}" for number in range(10)]
    a = {key: 8.0 if number < 5 else 2.0 for number, key in enumerate(ids)}
    b = {key: score for key, score in a.items() if score == 8}
    row, macro, only = compare({"a": a, "b": b}, dict.fromkeys(ids, "x"), {key: key for key in ids},
                               "all", "macro", (2, 8))  # fmt: skip
    assert row.difference == 0
    # The five of a are 2: b may have 2 (no difference), or 8.
    assert (row.bound_low, row.bound_high) == (-3, 0)
    assert (macro.bound_low, macro.bound_high) == (only.bound_low, only.bound_high) == (-3, 0)


@pytest.mark.parametrize("seed", range(20))
def test_the_bounds_hold_the_difference_that_all_samples_would_give(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = [f"s{number}" for number in range(12)]
    whole = {model: {key: rng.uniform(2, 8) for key in ids} for model in "ab"}
    seen = {
        model: {key: value for key, value in scores.items() if rng.random() < 0.6}
        for model, scores in whole.items()
    }
    categories = {key: "xyz"[number % 3] for number, key in enumerate(ids)}
    truth = compare(whole, categories, {key: key for key in ids}, "all", "macro", (2, 8))
    found = compare(seen, categories, {key: key for key in ids}, "all", "macro", (2, 8))
    for whole_row, row in zip(truth, found, strict=True):
        assert row.bound_low is not None
        assert row.bound_high is not None
        assert whole_row.difference is not None
        assert row.bound_low - 1e-9 <= whole_row.difference <= row.bound_high + 1e-9
        assert whole_row.bound_low == pytest.approx(whole_row.difference)


def test_models_scored_over_other_criteria_are_marked(tmp_path: Path) -> None:
    samples = [fixtures.sample(number, "physical", number) for number in range(6)]
    keys = fixtures.CRITERIA["physical"]

    def row(number: int, model: str, absent: str | None) -> Score:
        criteria: dict[str, float | None] = dict.fromkeys(keys, 5.0)
        if absent:
            criteria[absent] = None
        return fixtures.score(samples[number], model, criteria=criteria, mass=0.75)

    same = [row(number, model, keys[0]) for number in range(6) for model in ("a", "b")]
    assert {found.marks for found in comparison_rows(Compared(samples).add(per_sample(same)))} == {
        ""
    }
    other = [replace(same[0], criteria=dict.fromkeys(keys, 5.0)), *same[1:]]
    found = comparison_rows(Compared(samples).add(per_sample(other)))
    assert {(pair.marks, pair.other_criteria) for pair in found} == {("other_criteria", 1)}
    for sample in samples:
        fixtures.draw(tmp_path / sample.source, 0, "source")
    write_report(Inputs(samples, other, ["physical"], tmp_path, {}), tmp_path / "report")
    assert "other criteria apply" in (tmp_path / "report" / "index.html").read_text("utf-8")
    table = pd.read_csv(tmp_path / "report" / "scores.csv")
    assert table["not_applicable"].tolist() == [0, *[pytest.approx(1 / 3)] * 11]
    assert set(table["mass"]) == {0.75}


@pytest.mark.parametrize(("against", "best"), [("target", "social"), ("source", "physical")])
def test_the_best_category_of_a_distance_to_targets_is_the_nearest(against: str, best: str) -> None:
    values = {"physical": 0.4, "social": 0.1}
    samples = [fixtures.sample(number, name, 0) for number, name in enumerate(values)]
    scores = [fixtures.score(row, score=values[row.category], criteria={}) for row in samples]
    scales = {"j": scale_of("l1", against)}
    rows = summary_rows(samples, scores, list(values), scales=scales)
    assert [row.category for row in rows if row.extreme == "best"] == [best]

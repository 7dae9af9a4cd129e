"""Agreement of judges and people: coefficients, their intervals, and what may be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import report_fixtures as fixtures
from conftest import Project, five_each
from edit_benchmark.config.resolve import resolve
from edit_benchmark.config.run import HumanRatings
from edit_benchmark.dataset.human_ratings import Rating, read_ratings
from edit_benchmark.errors import UserError
from edit_benchmark.judging.rubrics import Scale
from edit_benchmark.report.agreements import ALL, HUMAN, JudgesRatings, agreement_rows
from edit_benchmark.report.analysis import analyse
from edit_benchmark.report.inputs import Human, Inputs
from edit_benchmark.report.words import load
from edit_benchmark.stats import agreement, resampled_agreement
from edit_benchmark.stats.agreement import Agreement, Key

RNG = np.random.default_rng(3)


def rated(values: np.ndarray, model: str = "m") -> dict[Key, float]:
    return {(model, str(number), 0): float(value) for number, value in enumerate(values)}


def agree(x: np.ndarray, y: np.ndarray, clusters: Mapping[str, str] | None = None) -> Agreement:
    images = clusters or {str(number): str(number) for number in range(len(x))}
    return agreement.agree("a", "b", rated(x), rated(y), images, one_scale=True)


def test_agreement_is_scipys_over_the_edits_that_both_scored() -> None:
    x = np.round(RNG.normal(5, 1.5, 40), 2)
    y = x + RNG.normal(0, 1, 40)
    images = {str(number): str(number) for number in range(40)}
    later = {key: value for key, value in rated(y).items() if int(key[1]) >= 5}
    row = agreement.agree("a", "b", rated(x), later, images, one_scale=True)
    assert (row.n, row.images) == (35, 35)
    assert row.spearman == pytest.approx(stats.spearmanr(x[5:], y[5:]).statistic, abs=1e-12)
    assert row.kendall == pytest.approx(stats.kendalltau(x[5:], y[5:]).statistic, abs=1e-12)
    assert row.difference == pytest.approx((x - y)[5:].mean(), abs=1e-12)


def test_a_judge_that_gives_everything_one_score_has_no_correlation() -> None:
    x, fives = np.arange(5.0), np.full(5, 5.0)
    row = agree(x, fives)
    assert (row.spearman, row.spearman_low, row.kendall) == (None, None, None)
    assert row.kappa is not None
    both = agreement.alpha_of_all(
        {"a": rated(fives), "b": rated(fives)}, {str(k): str(k) for k in range(5)}
    )
    assert both is not None
    assert (both.n, both.value, both.low) == (5, None, None)


@pytest.mark.parametrize("score", [0.1, 3.4, 5.0, 5.2])
@pytest.mark.parametrize("n", [3, 7, 12, 40])
def test_judges_that_give_everything_one_score_do_not_agree_by_rounding(
    score: float, n: int
) -> None:
    """The variance of equal scores is not always 0: of seven times 5.2 alpha was 1."""
    same = np.full(n, score)
    row = agree(same, same)
    assert (row.kappa, row.kappa_low, row.alpha, row.alpha_low) == (None,) * 4
    assert row.difference == 0
    repeated = agreement.repeats(dict.fromkeys("abc", rated(same)))
    assert repeated.reliability is None


def test_every_resampled_coefficient_is_that_of_the_drawn_edits() -> None:
    """A bootstrap sample written out, edit by edit, has the coefficient that was computed."""
    clusters = [str(number // 2) for number in range(30)]
    x = np.round(RNG.normal(5, 1, 30))  # with ties
    y = np.round(x + RNG.normal(0, 1, 30))
    gaps = np.array([x, y, np.where(np.arange(30) % 3, x + 1, np.nan)])
    drawn = resampled_agreement.Draws.of(clusters)
    spearman = resampled_agreement.spearman(x, y, drawn)
    kendall = resampled_agreement.kendall(x, y, drawn)
    kappa = resampled_agreement.kappa(x, y, drawn)
    alpha = resampled_agreement.alpha(gaps, drawn)
    for number in range(25):
        edits = np.repeat(np.arange(30), drawn.weights[number][drawn.member].astype(int))
        a, b = x[edits], y[edits]
        assert spearman[number] == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-9)
        assert kendall[number] == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-9)
        assert kappa[number] == pytest.approx(agreement.quadratic_kappa(a, b), abs=1e-9)
        assert alpha[number] == pytest.approx(agreement.alpha(gaps[:, edits]), abs=1e-9)


def test_intervals_of_agreement_cover_and_know_their_source_images() -> None:
    true, hits = 0.7, {"spearman": 0, "kendall": 0, "kappa": 0}
    wanted = {
        "spearman": 6 / np.pi * np.arcsin(true / 2),  # of normal data, as the next one
        "kendall": 2 / np.pi * np.arcsin(true),
        "kappa": true,
    }
    for _ in range(120):
        x = RNG.normal(0, 1, 15)
        row = agree(x, true * x + np.sqrt(1 - true**2) * RNG.normal(0, 1, 15))
        for name, value in wanted.items():
            hits[name] += getattr(row, f"{name}_low") <= value <= getattr(row, f"{name}_high")
    assert all(hit / 120 > 0.88 for hit in hits.values()), hits
    # Five edits each of eight images say no more than eight edits do, and one image nothing.
    once = agree(x[:8], x[:8] ** 2)
    copies = {str(number): str(number % 8) for number in range(40)}
    many = agree(np.tile(x[:8], 5), np.tile(x[:8] ** 2, 5), copies)
    assert (many.n, many.images) == (40, 8)
    width = [row.kappa_high - row.kappa_low for row in (once, many)]  # type: ignore[operator]
    assert width[1] == pytest.approx(width[0], rel=0.05)
    alone = agree(x, x**2, dict.fromkeys(map(str, range(15)), "one"))
    assert alone.spearman is not None
    assert alone.spearman_low is None


# ----- People -----

SCALE = {"lowest": 1.0, "highest": 5.0}


def two_models(tmp_path: Path, count: int = 12) -> Inputs:
    """Edits of two models, scored by one judge from 2 to 8."""
    rng = np.random.default_rng(5)
    samples = [fixtures.sample(number, "physical", number) for number in range(count)]
    scores = [
        fixtures.score(row, model, score=float(rng.uniform(2, 8)), criteria={})
        for row in samples
        for model in ("m", "n")
    ]
    return Inputs(samples, scores, ["physical"], tmp_path, {}, scales={"j": Scale(2, 8)})


def exact(inputs: Inputs, lowest: float, highest: float, raters: int = 1) -> Human:
    """People who rate every edit of model m as the judge does, on another scale."""
    step = (highest - lowest) / 6
    ratings = [
        Rating(row.id, row.model, f"rater {number}", lowest + (row.score - 2) * step)
        for row in inputs.scores
        if row.model == "m" and row.score is not None
        for number in range(raters)
    ]
    return Human(ratings, lowest, highest, of_benchmark=False)


@pytest.mark.parametrize(("lowest", "highest"), [(1, 5), (0, 100), (2, 8)])
def test_a_rating_is_of_one_models_edit_and_on_its_own_scale(
    tmp_path: Path, lowest: float, highest: float
) -> None:
    """In the judge's exact order and mapped onto its scale, agreement is whole; of n's edits
    nobody has said anything."""
    inputs = two_models(tmp_path)
    inputs = replace(inputs, human=exact(inputs, lowest, highest))
    rows = agreement_rows(inputs, JudgesRatings(inputs.scores))
    assert [(row.model, row.a, row.b, row.n) for row in rows] == [
        (ALL, "j", HUMAN, 12), ("m", "j", HUMAN, 12)
    ]  # fmt: skip
    for row in rows:
        assert (row.spearman, row.kendall) == pytest.approx((1, 1))
        assert (row.kappa, row.alpha, row.difference) == pytest.approx((1, 1, 0))


def test_without_the_judges_scale_only_ranks_are_compared(tmp_path: Path) -> None:
    inputs = two_models(tmp_path)
    inputs = replace(inputs, human=exact(inputs, 1, 5), scales={})
    row = agreement_rows(inputs, JudgesRatings(inputs.scores))[0]
    assert row.spearman == pytest.approx(1)
    assert (row.kappa, row.alpha, row.difference) == (None, None, None)


def test_people_are_compared_with_one_another(tmp_path: Path) -> None:
    inputs = two_models(tmp_path)
    human = exact(inputs, 1, 5, raters=3)
    odd = [
        replace(row, score=6 - row.score) if row.rater == "rater 2" else row
        for row in human.ratings
    ]
    inputs = replace(inputs, human=replace(human, ratings=odd))
    row = next(
        row for row in agreement_rows(inputs, JudgesRatings(inputs.scores)) if row.a == HUMAN
    )
    assert (row.b, row.raters, row.n) == (HUMAN, 3, 12)
    assert row.alpha is not None
    assert row.alpha_low is not None
    assert row.alpha_low <= row.alpha < 0.3


def test_a_rating_of_a_sample_is_not_taken_for_one_of_every_edit(tmp_path: Path) -> None:
    inputs = two_models(tmp_path)
    samples = [replace(row, human_score=3.0) for row in inputs.samples]
    inputs = replace(inputs, samples=samples)
    found = analyse(inputs, load("en"))
    assert found.agreement == []
    assert any(
        "12 samples of the benchmark file have a human_score" in row for row in found.warnings
    )
    settings = HumanRatings(model="m", **SCALE)
    ratings = read_ratings(settings, samples, ["m", "n"])
    assert {(row.model, row.score) for row in ratings} == {("m", 3.0)}
    found = analyse(replace(inputs, human=Human(ratings, 1, 5, of_benchmark=True)), load("en"))
    assert {row.model for row in found.agreement} == {ALL, "m"}
    assert not any("human_score" in row for row in found.warnings)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nobody,m,ann,3,", "line 3: the run has no sample 'nobody'; correct the id"),
        ("{id},x,ann,3,", "line 3: the run has no model 'x'; its models are m, n."),
        ("{id},m,ann,6,", "line 3: the rating 6 is not within 1 to 5, the scale that"),
        ("{id},m,ann,0.5,", "line 3: the rating 0.5 is not within 1 to 5"),
        ("{id},m,ann,nan,", "line 3: field score is not a number"),
        ("{id},m,ann,good,", "line 3: field score is not a number"),
        ("{id},m,ann,,", "line 3: field score is missing"),
        ("{id},m,,3,", "line 3: field rater is missing"),
        ("{id},m,bob,3,", "line 3: rater bob rated sample {id} of model m already in"),
        ("{id},m,ann,3,社会", "line 3: sample {id} is of category physical, not 社会"),
        ("{id},m,ann", "line 3: 3 cells, but the header has 5 columns"),
    ],
)
def test_a_wrong_rating_is_one_sentence(tmp_path: Path, line: str, sentence: str) -> None:
    inputs = two_models(tmp_path)
    identifier = inputs.samples[0].id
    path = tmp_path / "ratings.csv"
    first = f"{identifier},m,bob,3,物理"
    text = f"sample,model,rater,score,category\n{first}\n{line.format(id=identifier)}\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_ratings(HumanRatings(path=str(path), **SCALE), inputs.samples, ["m", "n"])
    assert str(caught.value).startswith(f"{path}, {sentence.format(id=identifier)}")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"path": "r.csv", "lowest": 5, "highest": 1}, "lowest 5 is not below highest 1"),
        ({"lowest": 1, "highest": 5}, "it needs either path or model"),
        ({"path": "r.csv", "model": "m", **SCALE}, "it needs either path or model"),
        ({"path": "gone.csv", **SCALE}, "human_ratings.path: gone.csv does not exist"),
        ({"model": "x", **SCALE}, "human_ratings.model x is not one of the models: m"),
        ({"path": "r.csv"}, "lowest"),
    ],
)
def test_a_wrong_declaration_of_ratings_is_one_sentence(
    tmp_path: Path, settings: dict[str, object], sentence: str
) -> None:
    (tmp_path / "b.jsonl").write_text("", encoding="utf-8")
    config = {
        "benchmark": {"path": str(tmp_path / "b.jsonl")},
        "models": {"m": {"editor": "identity"}},
        "judges": {"j": {"judge": "class_path", "class_path": "toys.Ruler"}},
        "human_ratings": settings,
    }
    with pytest.raises(UserError, match="human_ratings") as caught:
        resolve(config)
    assert sentence in str(caught.value)


@pytest.mark.slow
def test_ratings_reach_the_report_of_a_run(project: Project) -> None:
    categories = ["physical", "social"]
    project.benchmark([row for row in five_each() if row["category"] in categories])
    path = project.root / "data" / "ratings of people.csv"
    path.write_text("sample,model,rater,score\nphysical-0,painter,ann,3\nsocial-0,painter,ann,1\n")
    human = {"path": "data/ratings of people.csv", "lowest": 1, "highest": 5}
    benchmark = {"path": "data/benchmark.jsonl", "categories": categories}
    project.configure(benchmark=benchmark, human_ratings=human)
    project.run()
    table = pd.read_csv(project.root / "results" / "report" / "agreement.csv")
    assert table[["model", "a", "b", "n"]].values.tolist() == [["(all)", "ruler", "(human)", 2]]
    path.write_text("sample,model,rater,score\nphysical-0,painter,ann,7\n")
    output = project.run(code=1)
    assert "line 2: the rating 7 is not within 1 to 5" in output


def test_the_interval_of_many_edits_is_that_of_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pairs of edits are too many, a jackknife stands for the bootstrap, and agrees."""
    generator = np.random.default_rng(1)
    x = np.round(generator.normal(5, 1, 2000), 1)
    y = np.round(x + generator.normal(0, 1, 2000), 1)
    keys = [("model", str(number), 0) for number in range(2000)]
    images = {str(number): str(number % 700) for number in range(2000)}
    a, b = dict(zip(keys, x, strict=True)), dict(zip(keys, y, strict=True))
    few = agreement.agree("a", "b", a, b, images, one_scale=True)
    monkeypatch.setattr(resampled_agreement, "MANY_CLUSTERS", 100)
    many = agreement.agree("a", "b", a, b, images, one_scale=True)
    for name in ("spearman", "kendall", "kappa", "alpha"):
        value, low, high = (getattr(few, name + end) for end in ("", "_low", "_high"))
        assert getattr(many, name) == value
        assert getattr(many, f"{name}_low") == pytest.approx(low, abs=0.3 * (value - low))
        assert getattr(many, f"{name}_high") == pytest.approx(high, abs=0.3 * (high - value))


def test_many_edits_of_which_one_alone_differs_have_no_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without that one there is no coefficient, so that nothing says how far it may be off."""
    monkeypatch.setattr(resampled_agreement, "MANY_CLUSTERS", 100)
    x = np.array([*RNG.normal(5, 1, 199), 9.0])
    row = agree(x, np.array([5.0] * 199 + [9.0]))
    assert row.spearman is not None
    assert (row.spearman_low, row.spearman_high) == (None, None)
    assert (row.kendall_low, row.kendall_high) == (None, None)

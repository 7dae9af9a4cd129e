"""Several seeds for each sample: what is made, what a sample's score is, and what varies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import report_fixtures as fixtures
from conftest import Project, five_each
from edit_benchmark.dataset.samples import seed
from edit_benchmark.editing.collect import collect
from edit_benchmark.errors import UserError
from edit_benchmark.records import Edit, Sample, Score
from edit_benchmark.report.analysis import analyse
from edit_benchmark.report.comparisons import Compared, comparison_rows
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.per_sample import per_sample
from edit_benchmark.report.tables import summary_rows
from edit_benchmark.report.words import load
from edit_benchmark.report.write import write_report
from edit_benchmark.results.tables import read_rows
from edit_benchmark.stats.components import components, variances
from edit_benchmark.stats.estimates import estimate

SAMPLES = [fixtures.sample(number, "physical", number) for number in range(8)]


def repeated(values: list[list[float | None]], model: str = "m") -> list[Score]:
    """Rows of the first samples: a score for each repeat, None where the edit failed."""
    rows = []
    for sample, scores in zip(SAMPLES, values, strict=False):
        for repeat, score in enumerate(scores):
            made = fixtures.failed(sample, "edit_failed", model) if score is None else (
                fixtures.score(sample, model, score=score)
            )  # fmt: skip
            rows.append(replace(made, repeat=repeat))
    return rows


# ----- What a sample's score is -----


def test_a_sample_counts_once_with_the_mean_of_its_repeats() -> None:
    rng = np.random.default_rng(0)
    table = rng.uniform(2, 8, (8, 3))
    summary = summary_rows(SAMPLES, repeated(table.tolist()), ["physical"])[0]
    images = [row.source_sha256 for row in SAMPLES]
    expected = estimate(table.mean(axis=1).tolist(), images)
    assert (summary.n, summary.scored, summary.repeats) == (8, 8, 3)
    assert summary.mean == pytest.approx(expected.mean)
    assert summary.standard_error == pytest.approx(expected.standard_error)
    assert (summary.ci95_low, summary.ci95_high) == pytest.approx((expected.low, expected.high))
    pairs = comparison_rows(
        Compared(SAMPLES).add(per_sample([*repeated(table.tolist()), *repeated([[5.0]] * 8, "n")]))
    )
    assert pairs[0].difference == pytest.approx(table.mean() - 5)
    assert pairs[0].n == 8


def test_a_failed_repeat_is_left_out_and_held_by_the_bounds() -> None:
    rows = repeated([[4.0, 6.0, None], [5.0, 5.0, 5.0], [None, None, None]])
    row = summary_rows(SAMPLES[:3], rows, ["physical"])[0]
    assert (row.n, row.scored, row.edit_failed, row.repeats_missing) == (3, 2, 1, 1)
    assert row.mean == pytest.approx(5.0)
    # (4 + 6 + 0) / 3, 5, 0; and with tens.
    assert row.bound_low == pytest.approx((10 / 3 + 5 + 0) / 3)
    assert row.bound_high == pytest.approx((20 / 3 + 5 + 10) / 3)
    found = analyse(Inputs(SAMPLES[:3], rows, ["physical"], Path(), {}), load("en"))
    assert any("1 repeats of samples that have a score" in text for text in found.warnings)
    means = per_sample([*rows, *repeated([[5.0]] * 3, "n")])
    (pair, *_) = comparison_rows(Compared(SAMPLES[:3]).add(means))
    assert pair.n == 2
    assert pair.bound_low == pytest.approx((10 / 3 + 5 + 0) / 3 - 5)
    assert pair.bound_high == pytest.approx((20 / 3 + 5 + 10) / 3 - 5)


def test_what_varies_between_seeds_and_between_samples_is_told_apart() -> None:
    """By simulation: seeds 0.5, samples 1.2; and by the textbook's formula for equal groups."""
    rng = np.random.default_rng(1)
    table = rng.normal(5, 1.2, (4000, 1)) + rng.normal(0, 0.5, (4000, 3))
    gaps = [row[: 1 + number % 3].tolist() for number, row in enumerate(table)]
    for groups in (table.tolist(), gaps):
        seeds, samples = components(groups)
        assert seeds == pytest.approx(0.5, rel=0.04)
        assert samples == pytest.approx(1.2, rel=0.04)
    within = table.var(axis=1, ddof=1).mean()
    between = (3 * table.mean(axis=1).var(ddof=1) - within) / 3
    assert components(table.tolist()) == pytest.approx((within**0.5, between**0.5))
    # Of sizes 3, 1 and 2: MSW is 4/3, MSB 21.75, and n0 = (6 - 14/6) / 2.
    unequal = [[1.0, 2.0, 3.0], [5.0], [7.0, 9.0]]
    assert variances(unequal) == pytest.approx((4 / 3, (21.75 - 4 / 3) / (11 / 6)))
    assert components([[1.0], [2.0]]) == (None, None)
    assert components([[1.0, 2.0]]) == (pytest.approx(0.5**0.5), None)
    row = summary_rows(SAMPLES, repeated([[4.0, 5.0]] * 8), ["physical"])[0]
    assert (row.seed_std, row.sample_std) == (pytest.approx(0.5**0.5), 0.0)


def test_the_interval_holds_what_seeds_and_samples_vary() -> None:
    """A run anew, with other samples and other seeds, has its true mean in 95 % of intervals."""
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(150):
        table = rng.normal(5, 1, (8, 1)) + rng.normal(0, 1, (8, 2))
        row = summary_rows(SAMPLES, repeated(table.tolist()), ["physical"])[0]
        assert row.ci95_low is not None
        assert row.ci95_high is not None
        hits += row.ci95_low <= 5 <= row.ci95_high
    assert hits / 150 > 0.9


def test_old_tables_without_repeats_read_as_the_first(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text('{"id": "a", "category": "physical", "model": "m", "status": "edited"}\n')
    assert [row.repeat for row in read_rows(path, Edit)] == [0]


def test_the_page_has_the_first_repeat_and_the_scores_of_the_others(tmp_path: Path) -> None:
    rows = repeated([[4.0, 6.125, None], [5.0, 5.0, 5.0]])
    for row in rows:
        fixtures.draw(tmp_path / f"{row.id}-0.png", 1, "m")
    # Only the first repeats' images are needed.
    rows = [replace(row, image=f"{row.id}-{row.repeat}.png") if row.score else row for row in rows]
    for sample in SAMPLES[:2]:
        fixtures.draw(tmp_path / sample.source, 0, "source")
    write_report(Inputs(SAMPLES[:2], rows, ["physical"], tmp_path, {}), tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert '"repeats":[6.125,"edit_failed"]' in page
    assert "SD of seeds" in page
    assert "listed if any of its repeats has no score" in page
    table = pd.read_csv(tmp_path / "report" / "scores.csv")
    assert table["repeat"].tolist() == [0, 1, 2, 0, 1, 2]


# ----- Several kinds of devices -----


def test_a_mean_over_edits_of_two_kinds_of_gpu_is_marked() -> None:
    rows = repeated([[5.0]] * 8)
    alike = [replace(row, device="NVIDIA H100") for row in rows]
    other = [replace(alike[0], device="NVIDIA H200"), *alike[1:]]
    # A failed edit is behind no mean, and a run from before has no devices in its tables.
    failed = replace(repeated([[None]])[0], device="NVIDIA H200")
    for scores, marked in ((alike, False), (other, True), ([failed, *alike[1:]], False),
                           ([rows[0], *alike[1:]], False)):  # fmt: skip
        summary = summary_rows(SAMPLES, scores, ["physical"])
        assert {"several_devices" in row.marks for row in summary} == {marked}
    lost = replace(repeated([[None]], "m")[0], device="NVIDIA A100")
    found = analyse(Inputs(SAMPLES, [*other[:-1], replace(lost, id=other[-1].id)], ["physical"],
                           Path(), {}), load("en"))  # fmt: skip
    assert any("made on NVIDIA H100, NVIDIA H200, which" in text for text in found.warnings)


# ----- What is made -----


def edit(sample: str, repeat: int, **fields: Any) -> Edit:
    return Edit(sample, "physical", "m", "edited", image=f"store/{sample}{repeat}.png",
                repeat=repeat, **fields)  # fmt: skip


def named(identifier: str) -> Sample:
    return fixtures.sample(0, "physical", 0, id=identifier)


def test_images_of_repeats_never_take_one_anothers_name(tmp_path: Path) -> None:
    """Whatever the ids: a.2 is the second repeat of a in many naming schemes."""
    ids = ["a", "a.2", "a.png", "repeat-2", "repeat-2.png"]
    edits = [edit(name, repeat) for name in ids for repeat in range(3)]
    (tmp_path / "store").mkdir()
    for row in edits:
        (tmp_path / row.image).write_text(f"{row.id} {row.repeat}")
    rows = collect([named(name) for name in ids], edits, tmp_path / "images", tmp_path)
    assert len({row.image for row in rows}) == 15
    for row in rows:
        assert (tmp_path / row.image).read_text() == f"{row.id} {row.repeat}"
    assert rows[0].image == "images/a.png"
    with pytest.raises(UserError, match=r"sample a\.2 has no edit"):
        collect([named("a"), named("a.2")], [edit("a", 0), edit("a", 1), edit("a.2", 0)],
                tmp_path / "images", tmp_path)  # fmt: skip


@pytest.mark.slow
def test_more_repeats_make_only_those_that_are_missing(project: Project) -> None:
    project.benchmark(
        [row for row in five_each(2) if row["category"] == "physical"]
        + [{"id": "bad", "category": "physical", "instruction": "fail here"}]
    )
    benchmark = {"path": "data/benchmark.jsonl", "categories": ["physical"]}
    model = {"editor": "class_path", "class_path": "toys.Painter"}
    project.configure(benchmark=benchmark, models={"painter": model})
    project.run()
    first = project.images()
    project.forget_calls()
    project.configure(benchmark=benchmark, models={"painter": model | {"repeats": 3}})
    project.run()
    # The one that failed is tried again, in each repeat.
    made = [call for call in project.calls("edit") if "fail" not in call]
    assert sorted(made) == sorted(["change physical 0", "change physical 1"] * 2)
    assert sorted(project.calls("judge")) == sorted(["physical-0", "physical-1"] * 2)
    assert project.images() == first
    path = project.root / "results" / "edits" / "painter" / "physical" / "edits.jsonl"
    rows = read_rows(path, Edit)
    assert [(row.id, row.repeat) for row in rows[:3]] == [("physical-0", k) for k in range(3)]
    assert [row.seed for row in rows[:3]] == [seed(0, "physical-0", k) for k in range(3)]
    assert len({row.image_sha256 for row in rows[:3]}) == 3
    summary = pd.read_csv(project.root / "results" / "report" / "summary.csv")
    assert summary.loc[0, ["n", "scored", "edit_failed", "repeats"]].tolist() == [3, 2, 1, 3]
    project.forget_calls()
    project.configure(benchmark=benchmark, models={"painter": model | {"repeats": 2}})
    project.run()
    assert [call for call in project.calls("edit") if "fail" not in call] == []
    assert project.calls("judge") == []

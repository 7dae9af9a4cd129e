"""Judges against people: both sets called EditReward-Bench, in their own layouts."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

import public_layouts as layouts
from conftest import Project
from edit_benchmark.categories import OF_FORMAT
from edit_benchmark.config.resolve import resolve
from edit_benchmark.errors import UserError
from edit_benchmark.official.editreward import GROUP_SIZES, TASK_TYPES
from test_public_benchmarks import read
from test_public_runs import rubric


def table(project: Project, name: str) -> list[dict[str, str]]:
    path = project.root / "results" / "report" / name
    with path.open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def official(project: Project, judge: str, table_begins: str) -> dict[tuple[str, str], str]:
    return {
        (row["row"], row["column"]): row["value"]
        for row in table(project, "official.csv")
        if row["judge"] == judge and row["table"].startswith(table_begins)
    }


@pytest.mark.slow
def test_judges_are_held_against_peoples_rankings(project: Project) -> None:
    """The measure finds best what is most like the source, and the judge what is brightest."""
    layouts.editreward(project.root / "data" / "set")
    config: dict[str, Any] = {
        "benchmark": {
            "path": "data/set", "format": "editreward", "categories": ["2pair", "3pair"],
        },
        "judges": {
            "near": {"judge": "pixels", "measures": ["psnr"]},
            "taste": {"judge": "class_path", "class_path": "toys.Taste", "protocol": "pairwise"},
        },
        "shards": 1,
    }  # fmt: skip
    project.configure(**config, models=None)
    project.run()
    found = official(project, "near", "EditReward-Bench accuracy")
    for mode in ("as published", "corrected"):
        shown = [found[mode, column] for column in ("K=2", "K=3", "K=4", "Overall")]
        assert [float(value) if value else None for value in shown] == [100, 50, None, 75]
    # Equal pictures are a tie of whatever compares them, and the rest is all the other way round.
    found = official(project, "taste", "EditReward-Bench accuracy")
    assert [float(found["corrected", column]) for column in ("K=2", "K=3")] == [50, 0]

    ours = {(row["judge"], row["scope"], row["unit"]): row for row in table(project, "people.csv")}
    row = ours["near", "3pair", "comparison"]
    assert (row["n"], row["source_images"], row["left_out"]) == ("6", "1", "0")
    assert float(row["accuracy"]) == pytest.approx(100 * 5 / 6)
    assert float(ours["near", "3pair", "group"]["accuracy"]) == 50
    assert float(ours["taste", "all", "comparison"]["accuracy"]) == pytest.approx(100 * 2 / 8)
    assert ours["taste", "2pair", "comparison"]["ties"] == "1"
    page = (project.root / "results/report/index.html").read_text(encoding="utf-8")
    places = [page.index(f'id="/{name}"') for name in ("official", "people", "overview")]
    assert places == sorted(places)


@pytest.mark.slow
def test_of_editscores_set_the_preferred_edit_has_to_score_higher(project: Project) -> None:
    layouts.editscore(project.root / "data" / "set")
    project.configure(
        benchmark={
            "path": "data/set", "format": "editreward_editscore", "categories": ["extract"],
        },
        judges={
            "ruler": {
                "judge": "class_path", "class_path": "toys.Ruler", "rubric": rubric(project),
            }
        },
        models=None,
        shards=1,
    )  # fmt: skip
    project.run()
    # The same two pictures in either order: whatever the judge finds, one of both is right.
    found = official(project, "ruler", "EditReward-Bench (EditScore) accuracy")
    assert float(found["as published", "Overall"]) == 0.5
    assert float(found["as published", "Consistency"]) in (0, 1)
    assert not found["as published", "Prompt Following"]
    ours = {row["scope"]: row for row in table(project, "people.csv")}
    assert (ours["overall"]["n"], float(ours["overall"]["accuracy"])) == ("2", 50)
    assert ours["prompt_following"]["accuracy"] == ""
    # Six edits are two pictures, which are asked about once each.
    assert len(project.calls("judge")) == 2


def test_both_sets_are_read_as_they_are_laid_out(tmp_path: Path) -> None:
    samples = read(layouts.editreward(tmp_path / "tiger"), "editreward")
    assert [sample.id for sample in samples[:3]] == [
        "2pair-p1_AvsB-AvsB", "2pair-p2_AvsB-AvsB", "3pair-g1_AvsB-AvsB",
    ]  # fmt: skip
    assert samples[1].fields["candidate_first"] == samples[1].fields["candidate_second"]
    assert (samples[-1].fields["ranking"], samples[-1].fields["comparison"]) == ("C>B", "BvsC")
    samples = read(layouts.editscore(tmp_path / "score"), "editreward_editscore")
    assert [(sample.id, sample.category) for sample in samples] == [
        ("extract-consistency-a1-a2", "extract"), ("extract-overall-a1-a2", "extract"),
        ("extract-overall-a2-a1", "extract"),
    ]  # fmt: skip
    # The categories are what the aggregators count.
    assert OF_FORMAT["editreward"] == tuple(GROUP_SIZES)
    assert OF_FORMAT["editreward_editscore"] == TASK_TYPES


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"ranking": "A>C"}, r"row 1: ranking 'A>C' does not say which of both is better"),
        (
            {"comparison_type": "AvsA", "ranking": "A>A"},
            r"row 1: ranking 'A>A' does not say which of both is better",
        ),
        ({"dataset": None}, r"row 1: field dataset is missing"),
        ({"dataset": "5pair"}, r"row 1: dataset '5pair' is not 2pair, 3pair or 4pair"),
    ],
)
def test_a_comparison_that_says_nothing_is_refused(
    row: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    rows = [layouts.comparison("2pair", "p1", 1, 2, "A>B") | row]
    layouts.write_parquet(tmp_path / "set" / "train-00000-of-00001.parquet", rows)
    with pytest.raises(UserError, match=sentence):
        read(tmp_path / "set", "editreward")


def test_the_one_set_is_not_taken_for_the_other(tmp_path: Path) -> None:
    path = layouts.editreward(tmp_path / "tiger")
    with pytest.raises(UserError, match=r"no column key; .* it is of another data set"):
        read(path, "editreward_editscore")


def test_a_set_with_its_own_edits_takes_no_models(tmp_path: Path) -> None:
    config = {
        "benchmark": {"path": str(tmp_path), "format": "editreward"},
        "judges": {"near": {"judge": "pixels", "measures": ["psnr"]}},
    }
    settings = resolve(config)
    assert list(settings.models) == ["first", "second"]
    assert resolve(settings.model_dump(mode="json")) == settings
    with pytest.raises(UserError, match="asks the judges about its own edits"):
        resolve(config | {"models": {"floor": {"editor": "identity"}}})
    other = {"models": {"first": {"editor": "candidate", "candidate": "first"}}}
    benchmark = tmp_path / "b.jsonl"
    benchmark.touch()
    with pytest.raises(UserError, match="candidate is for editreward and editreward_editscore"):
        resolve(config | other | {"benchmark": {"path": str(benchmark)}})

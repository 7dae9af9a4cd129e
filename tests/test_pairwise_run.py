"""Models compared pair by pair, through the command line to the report."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

from conftest import Project, clone
from edit_benchmark.records import Preference
from edit_benchmark.results.tables import read_rows

TASTE = {"judge": "class_path", "class_path": "toys.Taste", "protocol": "pairwise"}
RULER = {"judge": "class_path", "class_path": "toys.Ruler"}


def shade(value: int) -> dict[str, Any]:
    return {"editor": "class_path", "class_path": "toys.Shade", "params": {"value": value}}


MODELS = {"dark": shade(20), "light": shade(230), "floor": {"editor": "identity"}}
INSTRUCTIONS = {"a": "paint it", "b": "paint it again", "c": "the first, please",
                "d": "unreadable", "e": "fail"}  # fmt: skip


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished run: a judge of brightness compares three models, of which two may fail."""
    project = clone(tmp_path_factory.mktemp("pairs") / "clone")
    project.benchmark(
        [
            {"id": key, "category": "physical", "instruction": text}
            for key, text in INSTRUCTIONS.items()
        ]
    )
    project.configure(
        benchmark={"path": "data/benchmark.jsonl", "categories": ["physical"]},
        models=MODELS,
        judges={"ruler": RULER, "taste": TASTE},
        shards=1,
    )
    project.run()
    return project


def preferences(project: Project, first: str, second: str) -> dict[str, Preference]:
    path = project.root / f"results/preferences/taste/{first}/{second}/physical.jsonl"
    return {row.id: row for row in read_rows(path, Preference)}


def test_the_better_edit_wins_in_both_orders_and_else_nobody(compared: Project) -> None:
    rows = preferences(compared, "dark", "light")
    assert {key: (row.status, row.win) for key, row in rows.items()} == {
        "a": ("compared", 0), "b": ("compared", 0), "c": ("compared", 0.5),
        "d": ("judge_failed", None), "e": ("edit_failed", None),
    }  # fmt: skip
    assert [answer["preference"] for answer in rows["c"].answers] == [1, 0]
    assert rows["d"].reason.startswith("unparsable_answer: ")
    assert rows["e"].reason.startswith("dark: ")
    assert len(compared.calls("pair")) == 4 * 2 * 3


def table(project: Project, name: str) -> list[dict[str, str]]:
    with (project.root / "results/report" / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_report_has_win_rates_strengths_and_position_bias(compared: Project) -> None:
    (row,) = [
        row for row in table(compared, "pairwise.csv") if (row["a"], row["b"]) == ("dark", "light")
    ]
    counted = ("n", "compared", "edit_failed", "judge_failed", "wins", "ties", "losses", "changed")
    assert [row[name] for name in counted] == ["5", "3", "1", "1", "0", "0", "2", "1"]
    assert float(row["win_rate"]) == pytest.approx(0.5 / 3)
    assert (float(row["bound_low"]), float(row["bound_high"])) == pytest.approx((0.1, 0.5))
    assert float(row["ci95_low"]) <= 0.5 / 3 <= float(row["ci95_high"])
    order = [row["model"] for row in table(compared, "strengths.csv")]
    assert (order[0], order[-1]) == ("light", "dark")
    (bias,) = table(compared, "position_bias.csv")
    assert (bias["n"], bias["changed"], bias["first_twice"]) == ("9", "3", "3")
    page = (compared.root / "results/report/index.html").read_text(encoding="utf-8")
    assert "dark and light by taste (better): 2 of 5 pairs were not compared" in page
    assert "says something else of 3 of 9 pairs" in page
    latex = (compared.root / "results/report/pairwise.tex").read_text(encoding="utf-8")
    assert "{taste} & {better} & {dark} & {light} & {3} & {0} & {0} & {2} & {1}" in latex


@pytest.mark.parametrize(("model", "preferred"), [("light", True), ("dark", False)])
def test_a_judge_that_compares_is_put_to_the_test(
    compared: Project, model: str, preferred: bool
) -> None:
    compared.python(
        "scripts/selftest.py", "--samples", "results/benchmark/samples.jsonl",
        "--edits", f"results/edits/{model}/physical/edits.jsonl", "--count", "5",
        "--part", "1-of-1", "--model", model, "--judge", "taste", "--settings", json.dumps(TASTE),
        "--checkpoint", "results/checkpoints/judges/taste.json", "--language", "en",
        "--results", "results", "--out", f"{model}.json", "--gpu", "1", "--device-ids", "cpu",
        "--load-slots", "1",
    )  # fmt: skip
    part = json.loads((compared.root / f"{model}.json").read_text(encoding="utf-8"))
    rows = {row["id"]: row for row in part["rows"]}
    assert rows["d"]["score"] is None
    for row in (rows["a"], rows["b"]):
        # Brighter than black both are; than noise only one is.
        assert row["probes"]["pair_black"] == {"score": 0, "differs": True, "against": 1}
        assert (row["probes"]["pair_noise"]["against"] == 1) is preferred


def test_a_model_that_is_added_costs_its_own_pairs_alone(compared: Project) -> None:
    compared.forget_calls()
    compared.configure(
        benchmark={"path": "data/benchmark.jsonl", "categories": ["physical"]},
        # Named in another order, and one anew.
        models={"twin": shade(230), **dict(reversed(MODELS.items()))},
        judges={"taste": TASTE, "ruler": RULER},
        shards=1,
    )
    compared.run()
    calls = compared.calls("pair")
    # Its edits are those of light, byte for byte: a tie that nobody is asked about, and answers
    # about its pairs with others that are there.
    assert calls == []
    assert all(row.identical for key, row in preferences(compared, "light", "twin").items()
               if key != "e")  # fmt: skip
    assert preferences(compared, "dark", "twin")["a"].win == 0


def test_only_the_answers_that_say_nothing_are_asked_for_again(compared: Project) -> None:
    kept = "results/store/answers"
    before = len(list((compared.root / kept).glob("??/*.json")))
    compared.python("scripts/redo.py", "--scores", "--failed", "--results", "results")
    left = compared.root / "results/preferences/taste"
    assert not list(left.glob("dark/*/physical.jsonl"))
    after = len(list((compared.root / kept).glob("??/*.json")))
    # About d one of two answers could not be read, of each two pictures.
    assert before - after == 3
    told = compared.python("scripts/accept_versions.py", "--configfile", "config/test.yaml")
    assert "answers of taste about dark and light: 7 found by the next run, 1 never made" in told

"""What is made of thousands of scored scenes: promises put to the test, agreement with truth."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from demo.train import measure, promises
from demo.world.scene import CATEGORIES


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Two editors, right in nine of ten scenes and in half; English scores follow the error."""
    rng = np.random.default_rng(0)
    scenes = np.arange(2000)
    parts = []
    for name, share in (("good", 0.9), ("bad", 0.5)):
        error = np.where(rng.random(len(scenes)) < share, 0.1, 0.6) * rng.uniform(0.5, 1.5, 2000)
        noise = rng.normal(0, 0.4, 2000)
        parts.append(
            pd.DataFrame(
                {
                    "scene": scenes,
                    "category": [[*CATEGORIES][scene % len(CATEGORIES)] for scene in scenes],
                    "editor": name,
                    "right": (error < 0.2).astype(int),
                    "changed_error": error,
                    "score_en": (7 - 5 * error + noise).clip(2, 8),
                    "score_zh": rng.uniform(2, 8, 2000),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def report(table: pd.DataFrame) -> dict[str, list[float]]:
    """The numbers of each row by its first cell."""
    rows = {}
    for line in promises.report(table, 80).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) >= 3 and re.match(r"(good|bad|all)\b", cells[0]):
            rows[f"{cells[0]} {len(cells)}"] = [
                float(number) for cell in cells[1:] for number in re.findall(r"[\d.]+", cell)
            ]
    return rows


def test_intervals_hold_the_truth_as_often_as_they_say(report: dict[str, list[float]]) -> None:
    for name in ("good, en 6", "bad, en 6", "good, zh 6", "bad, zh 6"):
        assert all(0.83 <= share <= 1 for share in report[name][2:]), (name, report[name])


def test_a_difference_is_found_as_often_as_is_predicted(
    table: pd.DataFrame, report: dict[str, list[float]]
) -> None:
    wide = table.pivot(index="scene", columns="editor", values="score_en")
    true, _, _, *shares = report["good - bad, en 7"]
    assert true == pytest.approx((wide["good"] - wide["bad"]).mean(), abs=1e-3)
    third = report["good - one as good, but for 25% by bad, en 7"]
    assert third[0] < true / 2
    for found, predicted in zip(shares[::2], shares[1::2], strict=True):
        assert found == pytest.approx(predicted, abs=0.15)
    for found, predicted in zip(third[3::2], third[4::2], strict=True):
        assert found == pytest.approx(predicted, abs=0.22)


def test_scores_that_follow_the_truth_agree_with_it_and_others_do_not(
    report: dict[str, list[float]],
) -> None:
    right, *pairs = report["all editors, en 8"]
    assert right == pytest.approx(0.7, abs=0.03)
    assert all(0.6 < rank < 1 for rank in pairs[::2])
    assert all(area > 0.9 for area in pairs[1::2])
    _, *pairs = report["all editors, zh 8"]
    assert all(abs(rank) < 0.2 for rank in pairs[::2])
    assert all(0.4 < area < 0.6 for area in pairs[1::2])


def test_edits_above_the_middle_are_counted_with_the_right_and_with_the_others(
    table: pd.DataFrame, report: dict[str, list[float]]
) -> None:
    good = table[table["editor"] == "good"]
    right = good["right"] == 1
    above = good["score_en"] > 5
    assert report["good, en 3"] == [
        (above & right).sum(), right.sum(), (above & ~right).sum(), (~right).sum()
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table[table["scene"] < 50], "too few scenes for benchmarks of 100"),
        (
            lambda table: table[(table["editor"] == "good") | (table["scene"] > 0)],
            "each scene once",
        ),
        (lambda table: pd.concat([table, table]), "each scene once"),
    ],
)
def test_a_table_that_says_too_little_is_refused_in_one_sentence(
    table: pd.DataFrame,
    change: object,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert callable(change)
    path = tmp_path / "measured.csv"
    change(table).to_csv(path, index=False)
    monkeypatch.setattr(sys, "argv", ["promises.py", str(path)])
    with pytest.raises(SystemExit) as end:
        promises.main()
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_editors_are_named_with_their_steps(tmp_path: Path) -> None:
    folder = tmp_path / "editor@home"
    folder.mkdir()
    assert measure._named(f"a={folder}") == ("a", folder, 4)
    assert measure._named(f"b={folder}@20") == ("b", folder, 20)
    for wrong in (str(folder), f"a={folder}@1", f"a={folder}@x", f"={folder}"):
        with pytest.raises(argparse.ArgumentTypeError):
            measure._named(wrong)


def test_power_near_one_is_a_number() -> None:
    rng = np.random.default_rng(0)
    for shift in (0.1, 1.0, 1.614, 3.0, 30.0):
        differences = rng.normal(shift, 1, 1000)
        powers = [promises.predicted(differences, size) for size in promises.SIZES]
        assert powers == sorted(powers)
        assert all(0.05 < power <= 1 for power in powers)

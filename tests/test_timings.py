"""The report says where the time went, and counts nobody's time for another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import report_fixtures as fixtures
from edit_benchmark.report import timings
from edit_benchmark.report.write import write_report
from test_report import aggregate, small


def job(name: str, kind: str = "edit", **fields: Any) -> dict[str, Any]:
    """A line of timings.jsonl about a job of two images in ten seconds."""
    line = {
        "kind": kind, "name": name, "gpu": "", "images": 2, "failed": 0, "seconds": 10.0,
        "failed_seconds": 0.0, "load_seconds": 1.0, "compile_seconds": 0.0,
        "stages": {"editing": 8.0}, "busy": None, "peak_gib": None,
    }  # fmt: skip
    return line | fields


def made_by(key_fields: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    editor = {"editor": "class_path", "class_path": "own.Editor", "seed": 0}
    return {"made_by": {"settings": editor | settings, "key_fields": key_fields or {}}}


def test_jobs_under_other_settings_have_a_row_of_their_own() -> None:
    rows = timings.timings(
        [
            # Of an earlier version, which counted failures as images.
            {key: value for key, value in job("painter").items() if key != "failed"},
            job("painter", **made_by({"versions": {"torch": "2.10"}})),
            job("painter", **made_by({"versions": {"torch": "2.11"}}, seed=1)),
            job("painter", **made_by({"versions": {"torch": "2.10"}})),
            # The same settings as a version wrote them that had one key less.
            job("other", **made_by()),
            job("other", **made_by(params={})),
        ]
    ).rows
    assert [row.failed for row in rows] == [0, None, 0, 0]
    assert [(row.name, row.settings, row.jobs, row.images) for row in rows] == [
        ("other", "", 2, 4),
        ("painter", "not recorded", 1, 2),
        ("painter", "seed=0; versions.torch=2.10", 2, 4),
        ("painter", "seed=1; versions.torch=2.11", 1, 2),
    ]


def test_what_failed_is_no_image() -> None:
    (row,) = timings.timings([job("m", failed=3, failed_seconds=4.0), job("m", images=0, failed=1,
                              failed_seconds=10.0)]).rows  # fmt: skip
    assert (row.images, row.failed, row.seconds_per_image) == (2, 4, 3.0)
    (row,) = timings.timings([job("m", images=0, failed=2, stages={})]).rows
    assert (row.images, row.failed, row.seconds_per_image) == (0, 2, None)


def test_jobs_of_a_name_that_is_no_more_keep_their_row(tmp_path: Path) -> None:
    inputs = small(tmp_path / "results")
    jobs = [job("before", **made_by()), job("alpha", **made_by()),
            job("alpha", "edit", **made_by({}, editor="diffusers", fp8=True))]  # fmt: skip
    faster = [
        replace(row, approximations=["fp8"]) if row.model == "alpha" else row
        for row in inputs.scores
    ]
    aggregate(replace(inputs, scores=faster, timings=jobs), tmp_path / "report")
    table = pd.read_csv(tmp_path / "report" / "timings.csv")
    # What alpha did before it was made faster is not counted for the faster one.
    assert list(table["name"]) == ["alpha", "alpha+fp8", "before"]
    assert list(table["images"]) == [2, 2, 2]


def test_the_report_says_where_the_time_went(tmp_path: Path) -> None:
    inputs = small(tmp_path / "results")
    fixtures.write(inputs)
    with (inputs.results / "timings.jsonl").open("a") as file:
        file.write('{"kind": "edit", "na')  # a job that was killed
    write_report(
        replace(inputs, timings=timings.read(inputs.results)), tmp_path / "report", [], "en"
    )
    table = pd.read_csv(tmp_path / "report" / "timings.csv").set_index("name")
    alpha = table.loc["alpha"]
    assert (alpha["jobs"], alpha["images"]) == (2, 40)
    assert alpha["seconds_per_image"] == 160 / 40
    assert alpha["denoising_seconds"] == 120 / 40
    # 0.9 of 160 s of work, in 160 s and twice 30 s of loading and compiling.
    assert alpha["idle"] == pytest.approx(1 - 0.9 * 160 / 220)
    assert table.loc[["judge"]]["denoising_seconds"].isna().all()
    # The self-test of a judge is a job of its own.
    assert list(table.loc[["judge"]]["kind"]) == ["score", "selftest"]
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "<td>self-test</td>" in page
    assert "Where the time went" in page
    assert "35 %" in page

"""Chains of edits through the command line: ImgEdit-Bench's multi-turn part, whole and killed."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import public_layouts as layouts
from conftest import Project, clone
from edit_benchmark.dataset.samples import seed
from edit_benchmark.records import Edit, Sample, Score
from edit_benchmark.results.tables import read_rows
from plugins.toys import Painter
from runs import start, stored, tables, wait_for_edits
from test_public_runs import rubric

CHAIN = [f"content_memory-11-turn{turn}" for turn in (1, 2, 3)]
#: With this seed Honest, a judge, knows which edit is right of the source that it is shown.
PAINTER = {"editor": "class_path", "class_path": "toys.Painter", "seed": 0, "repeats": 2,
           "params": {"delay": 0.15}}  # fmt: skip


def honest(project: Project) -> dict[str, str]:
    return {"judge": "class_path", "class_path": "toys.Honest", "rubric": rubric(project)}


def configure(project: Project, **changes: Any) -> None:
    project.configure(**{
        "benchmark": {"path": "data/imgedit", "format": "imgedit", "subset": "multiturn",
                      "categories": ["content_memory"]},
        "models": {"painter": PAINTER, "floor": {"editor": "identity"}},
        "judges": {
            "honest": honest(project),
            "distance": {"judge": "pixels", "measures": ["l1"]},
            "taste": {"judge": "class_path", "class_path": "toys.Taste", "protocol": "pairwise"},
        },
        "selftest_samples": 6,
        "device_ids": ["cpu", "cpu"],
    } | changes)  # fmt: skip


def made(root: Path) -> Project:
    project = clone(root)
    layouts.imgedit_multiturn(project.root / "data" / "imgedit")
    configure(project)
    return project


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished run; no test may change it."""
    project = made(tmp_path_factory.mktemp("chains") / "clone")
    project.run()
    return project


def rows(project: Project, pattern: str, kind: Any) -> list[Any]:
    paths = sorted((project.root / "results").glob(pattern))
    return [row for path in paths for row in read_rows(path, kind)]


def pixels(project: Project, path: str) -> Image.Image:
    with Image.open(project.root / "results" / path) as image:
        return image.convert("RGB")


def test_a_turn_edits_what_the_model_made_of_the_turn_before(whole: Project) -> None:
    samples = {row.id: row for row in rows(whole, "benchmark/samples.jsonl", Sample)}
    edits = {(row.id, row.repeat): row for row in rows(whole, "edits/painter/*/edits.jsonl", Edit)}
    assert len(edits) == 2 * len(samples) == 2 * (3 + 2)
    painter = Painter(None, "", "")
    for (name, repeat), row in edits.items():
        sample = samples[name]
        source = edits[sample.after, repeat].image if sample.after else sample.source
        wanted = painter.edit(pixels(whole, source), sample.instruction, seed(0, name, repeat))
        assert pixels(whole, row.image).tobytes() == wanted.tobytes()
    floor = {row.id: row for row in rows(whole, "edits/floor/*/edits.jsonl", Edit)}
    first, last = (pixels(whole, floor[name].image) for name in (CHAIN[0], CHAIN[2]))
    assert first.tobytes() == last.tobytes()


def test_judges_are_shown_what_was_really_edited(whole: Project) -> None:
    scores = [row for row in rows(whole, "scores/honest/painter/*.jsonl", Score) if not row.repeat]
    assert len(scores) == 5
    assert {row.score for row in scores} == {8.0}
    # A second repeat follows the second one of the turn before, which the judge takes for wrong.
    edits = {(row.id, row.repeat): row for row in rows(whole, "edits/painter/*/edits.jsonl", Edit)}
    for row in rows(whole, "scores/distance/painter/content_memory.jsonl", Score):
        if row.id == CHAIN[1]:
            both = [np.asarray(pixels(whole, one), np.float64)
                    for one in (row.image, edits[CHAIN[0], row.repeat].image)]  # fmt: skip
            assert row.score == pytest.approx(np.abs(both[0] - both[1]).mean() / 255)
    # The source unchanged has no distance to itself, in any turn.
    assert {row.score for row in rows(whole, "scores/distance/floor/*.jsonl", Score)} == {0.0}
    # And a judge's own test shows it the same.
    verdict = json.loads((whole.root / "results/selftest/honest/painter.json").read_text())
    probes = {check["name"]: check for check in verdict["checks"]}
    assert probes["source"]["value"] == 1.0


def test_a_contact_sheet_has_what_the_model_edited_beside_its_edit(whole: Project) -> None:
    sheet = pixels(whole, "report/contact_sheets/content_memory/floor.jpg")
    for column in range(4):  # the turns of one chain, and of the next the first
        left = 10 + column * 320
        source, edit = (sheet.crop((at, 10, at + 140, 110)) for at in (left, left + 150))
        assert source.getextrema() != ((255, 255),) * 3
        assert np.abs(np.asarray(source, int) - np.asarray(edit, int)).mean() < 5


def test_models_are_not_compared_where_they_edited_different_images(whole: Project) -> None:
    path = whole.root / "results/preferences/taste/floor/painter/content_memory.jsonl"
    compared = {row["id"]: row for row in map(json.loads, path.read_text().splitlines())}
    assert compared[CHAIN[0]]["status"] == "compared"
    assert compared[CHAIN[1]]["status"] == "skipped"
    assert compared[CHAIN[1]]["reason"].startswith("different_sources: ")


def test_the_report_has_a_mean_for_each_turn_and_says_what_it_is(whole: Project) -> None:
    report = whole.root / "results/report"
    with (report / "breakdown.csv").open(encoding="utf-8-sig") as file:
        turns = [
            row for row in csv.DictReader(file)
            if (row["model"], row["judge"], row["dimension"]) == ("painter", "honest", "turn")
        ]  # fmt: skip
    assert [(row["value"], row["n"], row["scored"]) for row in turns] == [
        ("1", "2", "2"), ("2", "2", "2"), ("3", "1", "1"),
    ]  # fmt: skip
    with (report / "scores.csv").open(encoding="utf-8-sig") as file:
        sources = {row["id"]: row["source_sha256"] for row in csv.DictReader(file)}
    assert len(set(sources.values())) == 2  # a chain is one cluster
    assert len({sources[name] for name in CHAIN}) == 1
    page = (report / "index.html").read_text(encoding="utf-8")
    assert "By turn of a chain of edits" in page
    assert "publishes neither a protocol nor" in page


def test_one_job_edits_all_turns_of_a_chain(whole: Project) -> None:
    for path in (whole.root / "results/edits/painter/content_memory").glob("*-of-2.jsonl"):
        chains = {row.id.rpartition("-")[0] for row in read_rows(path, Edit)}
        assert len(chains) == 1


def test_what_is_there_of_a_chain_is_found_again(whole: Project) -> None:
    told = whole.python("scripts/accept_versions.py", "--configfile", "config/test.yaml")
    assert "edits of painter: 10 found by the next run, 0 never made" in told
    assert "answers of honest about painter: 10 found by the next run, 0 never made" in told
    assert "answers of taste about floor and painter: 4 found by the next run, 0" in told


def test_a_killed_run_goes_on_in_the_middle_of_a_chain(whole: Project, tmp_path: Path) -> None:
    project = made(tmp_path / "clone")
    # One shard, so that the kill is between the turns; other shards change no image.
    configure(project, shards=1, device_ids=["cpu"], models={"painter": PAINTER},
              selftest_samples=0, judges={"honest": honest(project)})  # fmt: skip
    run = start(project)
    wait_for_edits(project, 5)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    kept = len(stored(project))
    assert 5 <= kept < 10
    project.run()
    images = whole.images()
    assert project.images() == {
        path: images[path] for path in images if path.startswith("painter/content_memory/")
    }
    mine, theirs = tables(project), tables(whole)
    assert len(mine) == 2 * 10  # of the jobs, and of the category
    # Honest paints once for each edit; and one may have been under way at the kill.
    assert 10 <= len(project.calls("edit")) - 10 <= 10 + 1
    assert all(row in theirs for row in mine)


def test_another_first_instruction_makes_its_chain_anew_and_no_other(
    whole: Project, tmp_path: Path
) -> None:
    shutil.copytree(whole.root, tmp_path / "clone")
    project = Project(tmp_path / "clone")
    project.forget_calls()
    path = project.root / "data/imgedit/Benchmark/multiturn/content_memory/annotation.json"
    path.write_text(path.read_text().replace("only green from now on", "only blue"))
    project.run("results/edits/painter/content_memory/edits.jsonl")
    turns = ["only blue", "add a boat", "change the sea"]
    assert sorted(project.calls("edit")) == sorted(turns * 2)

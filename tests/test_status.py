"""How far a run is can be told from outside, and never more than is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from conftest import ROOT, Project
from edit_benchmark.errors import UserError
from edit_benchmark.records import Edit, Sample
from edit_benchmark.results import plan
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.plan import Maker, Plan, Table
from edit_benchmark.results.store import Store
from edit_benchmark.results.tables import write_rows
from edit_benchmark.runtime.status import as_json, lines, look
from runs import SLOW, one_category, start, stored, wait_for_edits


def status(project: Project) -> dict[str, Any]:
    """What status.py --json says, with the rows by name."""
    said: dict[str, Any] = json.loads(project.python("scripts/status.py", "--json"))
    return said | {row["name"]: row for row in said["stations"]}


def test_a_run_is_followed_from_before_its_first_edit_to_its_end(project: Project) -> None:
    slow = SLOW | {"params": {"delay": 1}}
    one_category(project, 8, shards=2, models={"painter": slow})
    rows = [json.loads(line) for line in (project.root / "data/benchmark.jsonl").open()]
    rows[0]["instruction"], rows[1]["instruction"] = "fail", "unreadable"
    project.benchmark(rows)
    run = start(project)
    wait_for_edits(project, 3)
    during = status(project)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    assert during["under_way"]
    assert 3 <= during["painter"]["done"] <= len(stored(project))
    assert during["painter"]["wanted"] == 8
    assert during["painter"]["per_hour"] > 0
    assert any(job.startswith("edit painter physical") for job in during["at_work"])
    assert during["unmeasured"] == ["ruler"]
    # What was under way may still be written.
    before, killed = len(stored(project)), status(project)
    assert not killed["under_way"]
    assert before <= killed["painter"]["done"] <= len(stored(project))
    assert "the same command goes on" in project.python("scripts/status.py")

    project.run()
    after = status(project)
    assert (after["painter"]["done"], after["painter"]["failed"]) == (7, 1)
    assert (after["ruler"]["wanted"], after["ruler"]["done"], after["ruler"]["failed"]) == (7, 6, 1)
    assert after["seconds_left"] == 0
    assert not after["at_work"]

    # Of a run with other settings nothing is done, though the former tables are still there.
    one_category(project, 8, shards=2, models={"painter": slow | {"seed": 1}})
    project.benchmark(rows)
    former = len(stored(project))
    run = start(project)
    wait_for_edits(project, former + 1)
    other = status(project)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    assert 1 <= other["painter"]["done"] <= len(stored(project)) - former
    assert other["ruler"]["done"] == 0


def test_edits_by_former_weights_are_not_counted(project: Project) -> None:
    weights = project.root / "weights"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    painter = {"editor": "class_path", "class_path": "toys.Painter", "checkpoint": "weights"}
    one_category(project, 2, models={"painter": painter})
    layout = Layout(project.root / "results")
    plans = []
    for value in range(2):
        save_file({"a": np.full(64, value, np.float32)}, weights / "model.safetensors")
        project.run()
        plans.append(plan.read(layout))
    assert [one.models["painter"].since for one in plans] == [one.begun for one in plans]
    # The same judge goes on.
    assert {one.judges["ruler"].since for one in plans} == {plans[0].begun}


class Folder:
    """A results folder with a plan of one model and one judge, and what is put into it."""

    def __init__(self, root: Path, samples: int) -> None:
        self.layout = Layout(root)
        self.begun = time.time() - 3600
        self.samples = [
            Sample(f"s{k}", "physical", k, f"wish {k}", "", f"hash {k}", 8, 8)
            for k in range(samples)
        ]
        write_rows(self.layout.samples, self.samples)
        plan.write(
            self.layout,
            Plan(
                self.begun,
                {"painter": Maker("settings")},
                {"ruler": Maker("settings")},
                [Table(("painter", "physical", f"{k}-of-2"), to_make=True) for k in (1, 2)],
                [Table(("ruler", "painter", "physical", "1"), to_make=True)],
                [Table(("arena", "painter", "sketcher", "physical", "1"), to_make=True)],
                [Table(("ruler", "painter"), to_make=True)],
            ),
        )

    def edit(self, number: int, age: float, seconds: float = 2.0, **fields: str) -> str:
        """An edit of a sample in the store, made ``age`` seconds ago; its key."""
        sample = self.samples[number]
        key_fields = {"instruction": sample.instruction, "source_sha256": sample.source_sha256}
        made_for = {"model": "painter", "sample": sample.id, "repeat": 0}
        content = {"seconds": seconds, "key_fields": key_fields | fields, "made_for": made_for}
        return self._put(Store(self.layout.edit_store), f"{number:040x}", content, age)

    def answer(self, edit: str, number: int, questions: int) -> None:
        """One of so many answers about an edit."""
        made_for = {"judge": "ruler", "model": "painter", "sample": f"s{int(edit, 16)}",
                    "repeat": 0, "edit": edit, "questions": questions}  # fmt: skip
        content = {"seconds": 1.0, "made_for": made_for}
        self._put(Store(self.layout.answer_store), f"{number:040x}", content, 0)

    def _put(self, store: Store, key: str, content: dict[str, Any], age: float) -> str:
        store.put(key, content)
        when = time.time() - age
        os.utime(store.record_path(key), (when, when))
        return key

    def station(self, name: str) -> dict[str, Any]:
        rows: list[dict[str, Any]] = as_json(look(self.layout.root))["stations"]
        return next(row for row in rows if row["name"] == name)


def test_a_rate_is_that_of_what_came_lately(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 100)
    for number in range(10):
        folder.edit(number, age=3000)  # before a pause
    for number in range(10, 40):
        folder.edit(number, age=10 * (number - 10))  # six a minute, for five minutes
    row = folder.station("painter")
    assert row["done"] == 40
    assert row["per_hour"] == pytest.approx(360, rel=0.1)
    assert row["seconds_left"] == pytest.approx(600, rel=0.1)


def test_the_rate_of_what_is_done_does_not_fall_with_time(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 31)
    for number in range(31):
        folder.edit(number, age=300 + 10 * number)
    row = folder.station("painter")
    assert row["per_hour"] == pytest.approx(360, rel=0.1)
    assert row["seconds_left"] == 0


def test_work_of_other_settings_or_another_wish_is_not_counted(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 4)
    folder.edit(0, age=7200)  # by a run with other settings, before this one
    folder.edit(1, age=0, instruction="a former wish")
    edit = folder.edit(2, age=0)
    assert folder.station("painter")["done"] == 1
    folder.answer(edit, 0, questions=2)
    assert folder.station("ruler")["done"] == 0  # half an edit's questions
    folder.answer(edit, 1, questions=2)
    folder.answer("f" * 40, 2, questions=1)  # about an edit that was made anew since
    assert folder.station("ruler")["done"] == 1
    assert folder.station("ruler")["wanted"] == 4


def test_edits_in_a_table_and_in_the_store_are_counted_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 4)
    keys = [folder.edit(number, age=5) for number in range(4)]
    rows = [
        Edit("s0", "physical", "painter", "edited", key=keys[0], seconds=2.0),
        Edit("s2", "physical", "painter", "edit_failed", reason='it said "status": "edited"'),
    ]
    write_rows(folder.layout.shard_table("painter", "physical", "1-of-2"), rows)
    row = folder.station("painter")
    assert (row["done"], row["failed"], row["seconds_left"]) == (3, 1, 0)
    folder.answer(keys[0], 0, questions=1)
    assert folder.station("ruler")["done"] == 1


def test_a_table_that_its_job_has_yet_to_replace_is_not_counted(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 4)
    table = folder.layout.shard_table("painter", "physical", "1-of-2")
    write_rows(table, [Edit("s0", "physical", "painter", "edited", key="0" * 40, seconds=2.0)])
    assert folder.station("painter")["done"] == 1
    os.utime(table, (folder.begun - 60, folder.begun - 60))
    assert folder.station("painter")["done"] == 0


def test_jobs_of_all_kinds_are_at_work_until_their_tables_are_there(tmp_path: Path) -> None:
    layout = Folder(tmp_path, 1).layout
    jobs = {
        ("edit", "painter", "physical", "1-of-2"): layout.shard_table,
        ("score", "ruler", "painter", "physical", "part-2"): layout.score_part,
        ("compare", "arena", "painter", "sketcher", "physical", "part-2"): layout.preference_part,
        ("selftest_part", "ruler", "painter", "1-of-1"): layout.selftest_part,
    }
    logs = [layout.job_log(*job) for job in jobs]
    logs.append(layout.job_log("edit", "painter", "physical", "2-of-2"))
    for log in logs:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        age = 1000 if log == logs[-1] else 10
        os.utime(log, (time.time() - age, time.time() - age))
    assert look(tmp_path).at_work == [" ".join(job) for job in jobs]
    for (_, *place, part), table_of in jobs.items():
        table = table_of(*place, part.removeprefix("part-"))
        table.parent.mkdir(parents=True, exist_ok=True)
        table.touch()
    assert not look(tmp_path).at_work


def test_where_no_run_has_begun_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not the results folder of a run that has begun"):
        look(tmp_path)
    Folder(tmp_path, 1).layout.samples.unlink()
    assert any("has not been read yet" in line for line in lines(look(tmp_path)))


@pytest.mark.parametrize("line", [b"[]", b"null", b"{}", b'{"id": "a', b"\xff\xfe\x00zz"])
@pytest.mark.parametrize("of", ["samples", "edits", "scores"])
def test_a_damaged_table_is_one_sentence(tmp_path: Path, of: str, line: bytes) -> None:
    folder = Folder(tmp_path, 4)
    table = folder.layout.shard_table("painter", "physical", "1-of-2")
    write_rows(table, [Edit("s0", "physical", "painter", "edited", key="0" * 40, seconds=2.0)])
    scores = folder.layout.score_part("ruler", "painter", "physical", "1")
    scores.parent.mkdir(parents=True)
    scores.write_bytes(b"")
    damaged = {"samples": folder.layout.samples, "edits": table, "scores": scores}[of]
    number = damaged.read_bytes().count(b"\n") + 1
    with damaged.open("ab") as file:
        file.write(line + b"\n")
    kind = of.removesuffix("s").capitalize()
    with pytest.raises(UserError, match=f"{damaged}, line {number}: not an? {kind} record"):
        look(tmp_path)


def test_nothing_heavy_is_imported_to_look(tmp_path: Path) -> None:
    Folder(tmp_path, 1)
    result = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "scripts/status.py", tmp_path],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert not imported & {"torch", "pandas", "numpy", "PIL", "snakemake", "transformers"}


def test_a_watch_ends_without_a_word(tmp_path: Path) -> None:
    Folder(tmp_path, 1)
    command = [sys.executable, ROOT / "scripts/status.py", tmp_path, "--json", "--watch"]
    watch = subprocess.Popen(
        [*command, "inf"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watch.stdout is not None
    assert json.loads(watch.stdout.readline())["results"] == str(tmp_path)
    watch.send_signal(signal.SIGINT)
    assert watch.communicate(timeout=60) == ("", "")
    watch = subprocess.Popen(
        [*command, "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watch.stdout is not None
    assert watch.stderr is not None
    watch.stdout.close()
    assert watch.stderr.read() == ""
    assert watch.wait(60) == -signal.SIGPIPE

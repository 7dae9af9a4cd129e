"""After any fault the same command goes on, repeats nothing and ends with the same tables."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

import fault_run
from conftest import Project, five_each
from runs import SLOW, asked, one_category, shards, start, stored, tables, wait_for_edits


@pytest.mark.parametrize("how", ["kill the editor", "kill snakemake", "kill all", "ctrl-c", "term"])
def test_nothing_finished_is_edited_twice(project: Project, how: str) -> None:
    one_category(project, 8, models={"painter": SLOW})
    run = start(project)
    wait_for_edits(project, 2)
    if how == "kill the editor":
        subprocess.run(["pkill", "-9", "-g", str(os.getpgid(run.pid)), "-f", "scripts/edit.py"])
    elif how == "kill snakemake":
        run.kill()
    elif how == "kill all":
        os.killpg(run.pid, signal.SIGKILL)
    elif how == "ctrl-c":
        os.killpg(run.pid, signal.SIGINT)
    else:
        run.terminate()
    run.communicate(timeout=60)
    # What a killed Snakemake leaves behind ends by itself.
    assert not fault_run.left_over(project.root / "leases")
    finished = stored(project)
    calls = len(asked(project))
    assert 2 <= len(finished) < 9
    output = project.run()
    keys = [row.key for row in shards(project)]
    assert len(set(keys)) == 8
    assert finished <= set(keys)
    assert len(asked(project)) - calls == 8 - len(finished), output[-3000:]


def test_a_killed_judge_is_not_asked_again(project: Project) -> None:
    one_category(project, 8, judges={"ruler": {"judge": "class_path", "class_path": "toys.Slow",
                                               "batch_size": 1}})  # fmt: skip
    with (project.root / "toys.py").open("a") as file:
        file.write(
            "\n\nclass Slow(Ruler):\n    def judge(self, cases):\n        time.sleep(0.3)\n"
            "        return super().judge(cases)\n"
        )
    run = start(project)
    deadline = time.monotonic() + 60
    answers = project.root / "results/store/answers"
    while len(list(answers.glob("*/*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    subprocess.run(["pkill", "-9", "-g", str(os.getpgid(run.pid)), "-f", "scripts/score.py"])
    run.communicate(timeout=60)
    finished = len(list(answers.glob("*/*.json")))
    assert 2 <= finished < 8
    project.forget_calls()
    project.run()
    assert len(project.calls("judge")) == 8 - finished


def test_a_damaged_picture_in_the_store_is_made_again(project: Project) -> None:
    one_category(project, 4)
    project.run()
    before = project.images()
    project.forget_calls()
    truncated, altered, swapped, whole = (project.root / "results/store/edits").glob("*/*.png")
    for path, data in (
        (truncated, truncated.read_bytes()[:100]),
        (altered, altered.read_bytes()[:-1] + b"x"),
        (swapped, whole.read_bytes()),
    ):
        path.unlink()  # the collected image is another name of the same file
        path.write_bytes(data)
    project.run("--forcerun", "edit")
    logs = "".join(path.read_text() for path in (project.root / "results/logs/edit").rglob("*.log"))
    for path in (truncated, altered, swapped):
        assert f"{path.name}: not the image that was written (another hash): made again" in logs
    assert len(asked(project)) == 3
    assert project.images() == before


def test_an_altered_collected_picture_is_never_scored(project: Project) -> None:
    one_category(project, 3)
    project.run("results/edits/painter/physical/edits.jsonl")
    path = project.root / "results/edits/painter/physical/images/physical-1.png"
    path.unlink()
    path.write_bytes(b"something else")
    output = project.run(code=1)
    assert "physical-1.png: not the image that was edited (another hash); run again" in output
    project.run("--forcerun", "edit")
    assert project.scores("physical")["physical-1"].status == "scored"


def test_failures_of_one_sample_have_their_reason_and_the_rest_goes_on(project: Project) -> None:
    wishes = ["fail", "oom once", "oom always", "black", "text", "fine"]
    project.benchmark(
        [{"id": wish.replace(" ", "-"), "category": "physical", "instruction": wish}
         for wish in wishes]
    )  # fmt: skip
    benchmark = {"path": "data/benchmark.jsonl", "categories": ["physical"]}
    project.configure(benchmark=benchmark, shards=1)
    project.run()
    rows = project.scores("physical")
    reasons = {name: (row.status, row.reason.partition(":")[0]) for name, row in rows.items()}
    assert reasons == {
        "fail": ("edit_failed", "ValueError"),
        "oom-once": ("scored", ""),
        "oom-always": ("edit_failed", "out_of_memory"),
        "black": ("edit_failed", "black_image"),
        "text": ("edit_failed", "no_image"),
        "fine": ("scored", ""),
    }
    log = (project.root / "results/logs/edit/painter/physical/1-of-1.log").read_text()
    assert "the toy was told to fail" in log
    assert "Traceback" in log
    summary = (project.root / "results/report/summary.csv").read_text("utf-8-sig")
    assert "painter,ruler,physical,6,2,4,0,0," in summary
    times = (project.root / "results/report/timings.csv").read_text("utf-8-sig")
    assert "edit,painter,,,1,2,4," in times  # two images, four failed


def test_a_lost_device_stops_its_job_and_keeps_what_was_finished(project: Project) -> None:
    categories = ["physical", "causal"]
    rows = [row for row in five_each(2) if row["category"] in categories]
    rows[1]["instruction"] = "lost device"
    project.benchmark(rows)
    benchmark = {"path": "data/benchmark.jsonl", "categories": categories}
    project.configure(benchmark=benchmark, shards=1)
    output = project.run(code=1)
    assert "error: the device stopped working at sample physical-1 (CUDA error" in output
    assert "run the same command again" in output
    assert "change physical 0" in project.calls("edit")
    assert project.scores("causal")["causal-0"].status == "scored"  # other categories went on
    project.forget_calls()
    rows[1]["instruction"] = "mended"
    project.benchmark(rows)
    project.run()
    assert asked(project) == ["mended"]


def test_a_full_disk_stops_the_job_with_one_sentence(project: Project) -> None:
    one_category(project, 3, shards=1)
    (project.root / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if any(name in ' '.join(sys.orig_argv) for name in ('edit.py', 'model_process.py')):\n"
        "    def full(fd): raise OSError(28, 'No space left on device')\n"
        "    os.fsync = full\n"
    )
    output = project.run(code=1, PYTHONPATH=str(project.root))
    assert "error: cannot write results: No space left on device" in output
    (project.root / "sitecustomize.py").unlink()
    project.run()
    assert len(project.scores("physical")) == 3


def test_a_neighbours_broken_table_does_not_fail_a_finished_job(project: Project) -> None:
    one_category(project, 4)
    folder = project.root / "results/edits/painter/physical"
    project.run("results/edits/painter/physical/2-of-2.jsonl")
    (folder / "1-of-2.jsonl").write_text("{broken\n")
    (folder / "2-of-2.jsonl").unlink()
    (project.root / "results/timings.jsonl").unlink()
    (project.root / "results/timings.jsonl").mkdir()
    shutil.rmtree(project.root / "results/store")
    output = project.run("results/edits/painter/physical/2-of-2.jsonl")
    assert "2 of 4 edited" in output
    assert len((folder / "2-of-2.jsonl").read_text().splitlines()) == 2


def test_a_shard_in_which_everything_failed_fails(project: Project) -> None:
    project.benchmark([{"id": f"s{k}", "category": "physical", "instruction": f"fail {k}"}
                       for k in range(3)])  # fmt: skip
    benchmark = {"path": "data/benchmark.jsonl", "categories": ["physical"]}
    project.configure(benchmark=benchmark, shards=1)
    output = project.run(code=1)
    assert "error: all 3 samples of this shard failed, the first, s0, with: ValueError" in output


def test_a_judge_that_answers_nonsense_to_everything_stops(project: Project) -> None:
    nonsense = {"judge": "class_path", "class_path": "toys.Ruler", "params": {"nonsense": True}}
    one_category(project, 12, judges={"ruler": nonsense | {"batch_size": 5}})
    output = project.run(code=1)
    assert "error: the first 10 answers of judge ruler cannot be used" in output


def test_two_runs_in_one_folder_do_not_mix(project: Project) -> None:
    one_category(project, 6, models={"painter": SLOW})
    run = start(project)
    wait_for_edits(project, 1)
    second = project.run(code=1)
    assert f"results is in use by the run of pid {run.pid} on" in second
    run.communicate(timeout=120)
    assert run.returncode == 0
    assert len(project.scores("physical")) == 6


def test_two_clones_on_one_host_never_share_a_device(project: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other")
    shutil.copytree(project.root, other.root)
    leases = {"EDIT_BENCHMARK_LEASES": str(tmp_path / "leases")}
    runs = []
    for clone in (project, other):
        # Each job by itself: tests/test_keeping.py has runs whose models outlive their jobs.
        one_category(
            clone, 4, models={"painter": SLOW}, device_ids=["cpu"], shards=2, keep_loaded=0
        )
        runs.append(start(clone, **leases))
    for run in runs:
        output, _ = run.communicate(timeout=200)
        assert run.returncode == 0, output[-3000:]
    spans = []
    for clone in (project, other):
        for path in sorted((clone.root / "results/logs").rglob("*.log")):
            text = path.read_text()
            taken = re.findall(r"^(\S+ \S+) INFO device cpu-0 taken", text, re.MULTILINE)
            back = re.findall(r"^(\S+ \S+) INFO device cpu-0 given back", text, re.MULTILINE)
            spans += list(zip(taken, back, strict=True))
    assert len(spans) == 6  # two shards and one score job each
    assert all(first[1] <= second[0] for first, second in pairwise(sorted(spans)))
    assert tables(project) == tables(other)


def test_host_memory_that_runs_out_stops_the_job_with_one_sentence(project: Project) -> None:
    one_category(project, 3, shards=1)
    with (project.root / "toys.py").open("a") as file:
        file.write(
            "\n\nclass Hungry(Painter):\n    def edit(self, source, instruction, seed):\n"
            "        if instruction.endswith('1'):\n            raise MemoryError\n"
            "        return super().edit(source, instruction, seed)\n"
        )
    hungry = {"editor": "class_path", "class_path": "toys.Hungry"}
    one_category(project, 3, shards=1, models={"painter": hungry})
    output = project.run(code=1)
    assert "error: the host's memory ran out at sample physical-1; what was finished" in output
    assert len(stored(project)) == 1


def test_kills_at_random_moments_lose_and_repeat_nothing(project: Project) -> None:
    """The fault run of ``make faults``, with toys."""
    one_category(project, 8, models={"painter": SLOW})
    run = fault_run.Run(
        project.root, "config/test.yaml", project.root / "results", project.environment()
    )
    run.finish(fault_run.Tally())
    reference = run.outcome()
    shutil.rmtree(run.results)
    tally = fault_run.disturb(run, reference, kills=4, longest=8, rng=random.Random(2))
    assert sum(tally.kills.values()) == 4
    assert tally.is_clean, tally

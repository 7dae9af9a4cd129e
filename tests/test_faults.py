"""After any fault the same command goes on, repeats nothing and ends with the same tables."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

import fault_run
from conftest import Project, five_each
from edit_benchmark.records import Edit, Sample
from edit_benchmark.results.tables import read_rows, write_rows

SLOW = {"editor": "class_path", "class_path": "toys.Painter", "params": {"delay": 0.4}}


def one_category(project: Project, count: int = 6, **changes: object) -> None:
    project.benchmark([row for row in five_each(count) if row["category"] == "physical"])
    benchmark = {"path": "data/benchmark.jsonl", "categories": ["physical"]}
    project.configure(**({"benchmark": benchmark} | changes))


def start(project: Project, **env: str) -> subprocess.Popen[str]:
    """The workflow in a process group of its own, as a terminal starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "config/test.yaml"],
        cwd=project.root,
        env=project.environment() | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_edits(project: Project, count: int) -> None:
    """Until so many edits are in the store: those are the finished ones."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if len(stored(project)) >= count:
            return
        time.sleep(0.02)
    raise AssertionError("no edits were made")


def stored(project: Project) -> set[str]:
    return {path.stem for path in (project.root / "results/store/edits").glob("*/*.json")}


def asked(project: Project) -> list[str]:
    return sorted(project.calls("edit"))


def shards(project: Project) -> list[Edit]:
    folder = project.root / "results/edits/painter/physical"
    return [row for path in sorted(folder.glob("*-of-*.jsonl")) for row in read_rows(path, Edit)]


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
    if how == "kill snakemake":  # its jobs live on; they too have to end
        os.killpg(run.pid, signal.SIGKILL)
        time.sleep(0.2)
    finished = stored(project)
    calls = len(asked(project))
    assert 2 <= len(finished) < 9
    # The same command; Snakemake itself asks for --unlock where it was killed outright.
    output = project.run(code=None)
    if "--unlock" in output:
        project.snakemake("--configfile", "config/test.yaml", "--unlock")
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


def tables(project: Project) -> list[dict[str, object]]:
    """Score rows without what is measured anew each time."""
    rows = []
    for path in sorted((project.root / "results/scores").rglob("*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            rows.append({k: v for k, v in row.items() if not k.endswith("seconds")})
    return rows


def test_resuming_with_other_shards_and_devices_edits_nothing_again(project: Project) -> None:
    one_category(project)
    project.run()
    before = {row["id"]: row for row in tables(project)}
    project.forget_calls()
    one_category(project, shards=5, device_ids=["cpu"])
    project.run()
    assert not project.calls("edit")
    assert not project.calls("load")
    assert not project.calls("judge")
    assert {row["id"]: row for row in tables(project)} == before


def test_only_what_changed_in_the_benchmark_is_edited(project: Project) -> None:
    project.benchmark(five_each(2))
    project.configure()
    project.run()
    project.forget_calls()
    rows = five_each(2)
    rows[0]["instruction"] = "another wish"  # changed
    del rows[3]  # removed
    rows.append({"id": "new", "category": "社会", "instruction": "a new one"})  # added
    rows.reverse()  # another order
    for row in rows:
        row["description"] = "a comment"
    project.benchmark(rows)
    project.run()
    assert asked(project) == ["a new one", "another wish"]
    assert set(project.scores("environmental")) == {"environmental-0"}
    assert "new" in project.scores("social")


def test_a_changed_setting_is_another_edit_and_a_changed_path_is_not(project: Project) -> None:
    one_category(project, 2)
    project.run()
    project.forget_calls()
    painter = {"editor": "class_path", "class_path": "toys.Painter"}
    one_category(project, 2, models={"painter": painter | {"seed": 1}})
    project.run()
    assert len(asked(project)) == 2
    project.forget_calls()
    (project.root / "data").rename(project.root / "moved")
    benchmark = {"path": "moved/benchmark.jsonl", "categories": ["physical"]}
    project.configure(benchmark=benchmark, models={"painter": painter | {"seed": 1}})
    project.run()
    assert not asked(project)


@pytest.mark.parametrize("damage", ["truncated", "altered", "swapped"])
def test_a_damaged_picture_in_the_store_is_made_again(project: Project, damage: str) -> None:
    one_category(project, 3)
    project.run()
    before = project.pictures()
    project.forget_calls()
    first, second = sorted((project.root / "results/store/edits").glob("*/*.png"))[:2]
    data = first.read_bytes()
    first.unlink()  # the collected picture is another name of the same file
    if damage == "swapped":
        first.write_bytes(second.read_bytes())
    else:
        first.write_bytes(data[:100] if damage == "truncated" else data[:-1] + b"x")
    project.run("--forcerun", "edit")
    logs = "".join(path.read_text() for path in (project.root / "results/logs/edit").rglob("*.log"))
    assert f"{first.name}: not the picture that was written (another hash): made again" in logs
    assert len(asked(project)) == 1
    assert project.pictures() == before


def test_an_altered_collected_picture_is_never_scored(project: Project) -> None:
    one_category(project, 3)
    project.run("results/edits/painter/physical/edits.jsonl")
    path = project.root / "results/edits/painter/physical/pictures/physical-1.png"
    path.unlink()
    path.write_bytes(b"something else")
    output = project.run(code=1)
    assert "physical-1.png: not the picture that was edited (another hash); run again" in output
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
        "black": ("edit_failed", "black_picture"),
        "text": ("edit_failed", "no_picture"),
        "fine": ("scored", ""),
    }
    log = (project.root / "results/logs/edit/painter/physical/1-of-1.log").read_text()
    assert "the toy was told to fail" in log
    assert "Traceback" in log
    summary = (project.root / "results/report/summary.csv").read_text("utf-8-sig")
    assert "painter,ruler,physical,6,2,4,0,0," in summary


def test_an_edit_identical_to_its_source_is_flagged_and_scored(project: Project) -> None:
    one_category(project, 1, models={"floor": {"editor": "identity"}})
    project.run()
    row = project.scores("physical", "floor")["physical-0"]
    assert (row.status, row.flags) == ("scored", ["identical_to_source"])


def test_a_lost_device_stops_its_job_and_keeps_what_was_finished(project: Project) -> None:
    rows = five_each(2)
    rows[1]["instruction"] = "lost device"
    project.benchmark(rows)
    project.configure(shards=1)
    output = project.run(code=1)
    assert "error: the device stopped working (CUDA error" in output
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
        "if any('edit.py' in word for word in sys.argv) or 'edit.py' in ' '.join(sys.orig_argv):\n"
        "    def full(fd): raise OSError(28, 'No space left on device')\n"
        "    os.fsync = full\n"
    )
    output = project.run(code=1, PYTHONPATH=str(project.root))
    assert "error: cannot write results: No space left on device" in output
    (project.root / "sitecustomize.py").unlink()
    project.run()
    assert len(project.scores("physical")) == 3


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
    assert "Directory cannot be locked" in second
    run.communicate(timeout=120)
    assert run.returncode == 0
    assert len(project.scores("physical")) == 6


def test_redo_what_failed_with_one_command(project: Project) -> None:
    project.benchmark([{"id": f"s{k}", "category": "physical", "instruction": wish}
                       for k, wish in enumerate(["a", "fail", "b"])])  # fmt: skip
    benchmark = {"path": "data/benchmark.jsonl", "categories": ["physical"]}
    project.configure(benchmark=benchmark, shards=1)
    project.run()
    # The cause goes away: here, the toy no longer fails, with the same class file.
    project.forget_calls()
    project.run("--forcerun", "edit")
    assert asked(project) == ["fail"]


def test_results_can_be_moved(project: Project, tmp_path: Path) -> None:
    one_category(project, 2)
    project.run()
    (project.root / "results").rename(project.root / "results-2")
    project.forget_calls()
    one_category(project, 2, results="results-2")
    project.run("--forcerun", "edit")
    assert not project.calls("edit")


def redo(project: Project, *arguments: str, code: int = 0) -> str:
    """scripts/redo.py with the workflow behind it."""
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "2"]
    result = subprocess.run(
        [sys.executable, "scripts/redo.py", *arguments, "--", *snakemake,
         "--configfile", "config/test.yaml"],
        cwd=project.root, env=project.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_redo_on_purpose_with_one_command_each(project: Project) -> None:
    rows = five_each(2)
    rows[0]["instruction"] = "fail"
    rows[2]["instruction"] = "unreadable"
    project.benchmark(rows)
    project.configure(shards=2)
    project.run()
    before = {row["id"]: row for row in tables(project)}

    def redone(*arguments: str) -> tuple[list[str], list[str]]:
        """What is edited and what is judged by a redo."""
        project.forget_calls()
        redo(project, *arguments)
        return asked(project), sorted(project.calls("judge"))

    one = redone("--sample", "social-1")
    category = redone("--category", "指代")
    failed = redone("--failed")
    scores = redone("--scores")
    failed_scores = redone("--scores", "--failed")
    assert one == (["change social 1"], ["social-1"])
    assert category == (
        ["change referential 0", "change referential 1"],
        ["referential-0", "referential-1"],
    )
    assert failed == (["fail"], ["environmental-0"])
    assert scores == ([], sorted(row["id"] for row in rows if row["id"] != "physical-0"))
    assert failed_scores == ([], ["environmental-0"])
    assert {row["id"]: row for row in tables(project)} == before
    assert (project.root / "results/report/index.html").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "say what to redo: --sample"),
        (["--sample", "nobody"], "--sample nobody: no sample of results/benchmark/samples.jsonl"),
        (["--category", "nothing"], "--category nothing: no sample of"),
        (["--failed", "--results", "elsewhere"], "nothing was run in elsewhere"),
    ],
)
def test_a_redo_of_nothing_is_refused(
    project: Project, arguments: list[str], sentence: str
) -> None:
    sample = {
        "id": "a", "category": "physical", "index": 0, "instruction": "x", "source": "s",
        "source_sha256": "0", "width": 1, "height": 1,
    }  # fmt: skip
    table = project.root / "results/benchmark/samples.jsonl"
    write_rows(table, [Sample(**sample)])
    output = redo(project, *arguments, code=2)
    assert sentence in output
    assert "Traceback" not in output


def test_two_clones_on_one_host_never_share_a_device(project: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other")
    shutil.copytree(project.root, other.root)
    leases = {"EDIT_BENCHMARK_LEASES": str(tmp_path / "leases")}
    runs = []
    for clone in (project, other):
        one_category(clone, 4, models={"painter": SLOW}, device_ids=["cpu"], shards=2)
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
    assert "error: the host's memory ran out; what was finished is kept: run fewer jobs" in output
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
    assert (tally.edits_repeated, tally.answers_repeated, tally.differences) == (0, 0, [])

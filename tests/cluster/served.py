"""A judge whose server the run starts: one job of Slurm's, which starts it once."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
from cluster_run import LIMIT_SECONDS, differences, finish, job_logs, of_project, say, wait
from slurm import Slurm

from conftest import ROOT, clone, five_each
from fault_run import Run, Tally

_CATEGORIES = ["physical", "causal"]
# Twelve edits, five criteria.
_QUESTIONS = 60
# Of them under way at once.
_CONCURRENCY = 2
# Edits are one job: they are not what this is about.
_ARGUMENTS = (
    "--groups", "edit=edit_{model}_{scatteritem}",
    "--group-components", "edit_{model}_{scatteritem}=1000", "--slurm-keep-successful-logs",
)  # fmt: skip


def show_a_served_judge(folder: Path, slurm: Slurm) -> list[str]:
    """Its jobs are one, with one start; cancelled, killed or without its head, another goes on."""
    here, there = _toys(folder / "asked-here", None), _toys(folder / "asked", slurm)
    finish(here)
    tally, process = Tally(), there.start()
    before = _after(8, "scancel of the judge's job", there, process)
    slurm.run("scancel", *slurm.running(there.root))
    _wait_for_the_end(there, process)
    there.count(before, tally)
    before = _after(22, "kill -9 of the judge's job", there, process)
    for one in _of_jobs(there):
        one.kill()
    _wait_for_the_end(there, process)
    there.count(before, tally)
    before = _after(38, "kill -9 of the head", there, process)
    process.kill()
    process.wait()
    process = there.start()
    _wait_for_the_end(there, process)
    process.wait(LIMIT_SECONDS)
    there.check(process)
    there.count(before, tally)
    return _told(here, there, tally)


def _after(count: int, what: str, run: Run, process: subprocess.Popen[bytes]) -> dict[Path, int]:
    """Wait until so many questions were asked; what is finished then."""
    wait(lambda: len(_diary(run, "asked")) >= count, f"{count} questions", process)
    say(f"{what}, when {len(_diary(run, 'asked'))} questions were asked")
    return run.finished()


def _wait_for_the_end(run: Run, process: subprocess.Popen[bytes]) -> None:
    """Of the processes of the server that was started last."""
    pids = [int(pid) for pid in _diary(run, "began")[-1][:2]]
    wait(lambda: not any(map(psutil.pid_exists, pids)), "the server's end", process)


def _of_jobs(run: Run) -> list[psutil.Process]:
    """The Snakemakes of a run that Slurm's jobs are."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            of_run = process.environ().get("TOY_CALLS") == run.environment["TOY_CALLS"]
            if of_run and "--target-jobs" in process.cmdline():
                found.append(process)
    return found


def _told(here: Run, there: Run, tally: Tally) -> list[str]:
    questions = [words[0] for words in _diary(there, "asked")]
    again = len(questions) - _QUESTIONS
    starts, jobs = len(_diary(there, "began")), len(job_logs(there, "judges_server"))
    left = [pid for words in _diary(there, "began") for pid in words[:2] if
            psutil.pid_exists(int(pid))]  # fmt: skip
    differ = differences(here, there)
    say(f"served: 4 score jobs were one of Slurm, and one more after each of 3 kills: {jobs} jobs, "
        f"{starts} starts of the server; {tally.answers_repeated} answers made again, {again} "
        f"questions that were under way; {len(differ)} images and tables differ; {len(left)} "
        "processes of servers are left")  # fmt: skip
    problems = differ + [f"process {pid} of a server is left" for pid in left]
    if (jobs, starts, len(_diary(here, "began"))) != (4, 4, 1):
        problems.append("the server was not started once a job")
    if not tally.is_clean or len(set(questions)) != _QUESTIONS or again > 3 * _CONCURRENCY:
        problems.append("questions that were answered were asked again")
    return problems


def _diary(run: Run, kind: str) -> list[list[str]]:
    """What the servers of a run wrote of one kind: lists of words."""
    path = run.root / "diary.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [words[1:] for words in map(str.split, lines) if words[0] == kind]


def _toys(root: Path, slurm: Slurm | None) -> Run:
    project = clone(root)
    rows = [row for row in five_each(6) if row["category"] in _CATEGORIES]
    project.benchmark([row | {"instruction": f"paint {row['id']}"} for row in rows])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    words = [sys.executable, str(ROOT / "tests/stand_in_server.py"), "{port}", "diary.txt", "1"]
    judge = {
        "judge": "openai",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "model": "toy-2026-01-01",
        "concurrency": _CONCURRENCY,
        "extra": {"pause": 0.3},
        "serve": {"command": shlex.join(words), "ready_seconds": 60},
    }
    floor = {"editor": "identity"}
    project.configure(
        benchmark={"path": "data/benchmark.jsonl", "categories": _CATEGORIES},
        models={"floor": floor},
        judges={"big": judge},
        shards=1,
        score_chunk=3,
        device_ids=[0, 1],
    )
    return of_project(project, slurm, *_ARGUMENTS)

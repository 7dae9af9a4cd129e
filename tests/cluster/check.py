"""Run the workflow on a real Slurm of two nodes with six GPUs that are none, and disturb it.

    make cluster-test

Slurm is Debian's; it is started under a folder of its own and ended with this program. Its GPUs
are files, so that what computes does so on the CPU: models of random weights on the demo's
benchmark, with device_ids: [cpu, cpu], and
toys, which take the number of the GPU that they are handed and never use it. What is shown is what
Slurm and the workflow do with one another, and nothing of CUDA.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml
from cluster_run import LIMIT_SECONDS, calls, differences, finish, of_project, say, wait
from grouped import Groups
from served import show_a_served_judge
from slurm import GPUS_PER_NODE, NODES, Slurm, own_folder

from conftest import ROOT, clone, five_each
from fault_run import Run, Tally

_JOBS = ("edit.py", "score.py", "selftest.py")
_SAMPLES = 24
# How Slurm ends a job that asked for too little memory depends on who notices it.
_OUT_OF_MEMORY = ("OUT_OF_MEMORY", "FAILED", "CANCELLED")


@dataclass
class Watch:
    """What was seen of Slurm's jobs while they ran: how many at once, and on which GPUs."""

    slurm: Slurm
    most: int = 0
    gpus: set[tuple[str, str]] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look twice a second for the time of the ``with`` block."""
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(0.5):
                with suppress(subprocess.CalledProcessError):  # a controller that is busy
                    self._look()

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _look(self) -> None:
        running = self.slurm.jobs_with_gpus()
        self.most = max(self.most, len(running))
        holders: dict[tuple[str, str], str] = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error, IndexError, KeyError):
                if Path(process.cmdline()[1]).name not in _JOBS:
                    continue
                env = process.environ()
                job = env["SLURM_JOB_ID"]
                gpu = env["SLURMD_NODENAME"], env["CUDA_VISIBLE_DEVICES"]
                if job not in running:
                    continue  # left over of a node that was killed
                self.gpus.add(gpu)
                if holders.setdefault(gpu, job) != job:
                    self.shared.add(f"{gpu} has jobs {holders[gpu]} and {job}")


def toys(folder: Path, slurm: Slurm | None, *arguments: str, **changes: object) -> Run:
    """A clone with toys, on Slurm or, for comparison, on this host alone."""
    project = clone(folder)
    shutil.copy(ROOT / "tests/cluster/hungry.py", folder)
    project.benchmark([row for row in five_each(_SAMPLES) if row["category"] == "physical"])
    benchmark = {"path": "data/benchmark.jsonl", "categories": ["physical"]}
    project.configure(benchmark=benchmark, **changes)
    return of_project(project, slurm, *arguments)


def demo(folder: Path, slurm: Slurm | None, *arguments: str) -> Run:
    """Models of random weights on two samples of the demo."""
    project = clone(folder)
    shutil.copytree(
        ROOT / "resources/demo", folder / "resources/demo", ignore=shutil.ignore_patterns("models")
    )
    shutil.copytree(ROOT / "build/random-models", folder / "build/random-models")
    config = yaml.safe_load((ROOT / "tests/random_models.yaml").read_text(encoding="utf-8"))
    config["benchmark"] |= {"limit": 2, "categories": ["physical"]}
    config["shards"] = 1
    (folder / "config/test.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return of_project(project, slurm, *arguments, results="results/random")


def show_the_demo(folder: Path, slurm: Slurm) -> list[str]:
    """The demo's tables are those of a run on one host; jobs are as many as --resources says."""
    here, there = demo(folder / "here", None), demo(folder / "there", slurm, "--resources", "gpu=2")
    here.finish(Tally())
    watch = Watch(slurm)
    with watch.looking():
        finish(there)
    differ = differences(here, there)
    say(f"demo: {len(there.outcome())} images and tables, {len(differ)} differ from a run on one "
        f"host")  # fmt: skip
    return differ


class Faults:
    """A run that is disturbed again and again, and what that costs."""

    def __init__(self, folder: Path, slurm: Slurm) -> None:
        slow = {"editor": "class_path", "class_path": "toys.Painter", "params": {"delay": 1.5}}
        settings: dict[str, object] = {"models": {"painter": slow}, "shards": 8}
        self._slurm = slurm
        settings["device_ids"] = [0, 1, 2, 3, 4, 5]
        self._here = toys(folder / "one-host", None, **settings)
        self._there = toys(folder / "faults", slurm, **settings)
        self._here.finish(Tally())
        self._tally = Tally()
        self._finished: Mapping[Path, int] = {}
        self._process = self._there.start()

    def show(self) -> list[str]:
        """A cancelled job, a killed head, a drained node, a killed slurmd: nothing is lost."""
        self._after(2, "scancel of a job")
        self._slurm.run("scancel", self._slurm.running(self._there.root)[0])
        self._after(6, "kill -9 of the head")
        self._process.kill()
        self._process.wait()
        self._process = self._there.start()
        self._after(10, f"{NODES[1]} drained")
        self._slurm.drain(NODES[1])
        self._after(14, f"kill -9 of the slurmd of {NODES[0]}")
        self._slurm.kill_node(NODES[0])
        self._slurm.resume(NODES[1])
        self._process.wait(LIMIT_SECONDS)
        self._slurm.start_node(NODES[0])
        self._there.check(self._process)
        self._count()
        return self._told()

    def _after(self, finished: int, what: str) -> None:
        enough = f"{finished} finished edits"
        wait(lambda: len(self._there.finished()) >= finished, enough, self._process)
        self._count()
        say(f"{what}, when {len(self._finished)} edits and answers were finished")

    def _count(self) -> None:
        self._there.count(self._finished, self._tally)
        self._finished = self._there.finished()

    def _told(self) -> list[str]:
        differ = differences(self._here, self._there)
        logs = [path.read_text() for path in self._there.results.glob("logs/edit/*/*/*.log")]
        logs = [log for log in logs if "device slurm-" in log]  # that needed one in the end
        gave_way = sum("device_ids give way to what Slurm" in log for log in logs)
        tally, again = self._tally, calls(self._there) - _SAMPLES
        say(f"faults: {tally.edits_repeated} finished edits and {tally.answers_repeated} answers "
            f"made again, {again} edits that were under way; {len(differ)} of "
            f"{len(self._there.outcome())} images and tables differ; device_ids gave way in "
            f"{gave_way} of {len(logs)} logs")  # fmt: skip
        problems = differ + (["device_ids did not give way"] if gave_way < len(logs) else [])
        return problems + ([] if tally.is_clean else ["finished work was made again"])


def show_limits(folder: Path, slurm: Slurm) -> list[str]:
    """A job that met its time limit goes on where it was; one that met its memory gets more."""
    models = {
        "slow": {"editor": "class_path", "class_path": "toys.Painter", "params": {"delay": 4}},
        "hungry": {"editor": "class_path", "class_path": "hungry.Hungry"},
    }
    limits = ("--set-resources", "edit:runtime=1", "edit:mem_mb=attempt*1600")
    run = toys(folder / "limits", slurm, *limits, models=models, shards=1, device_ids=["cpu"])
    finish(run)
    output = (run.root / "output.txt").read_text(encoding="utf-8", errors="replace")
    ended = {state: output.count(f"status is: '{state}'") for state in ("TIMEOUT", *_OUT_OF_MEMORY)}
    again = calls(run) - 2 * _SAMPLES
    told = ", ".join(f"{count} {state}" for state, count in ended.items() if count)
    say(f"limits: jobs ended as {told}, and went on; {again} edits that were under way made again")
    problems = [] if ended["TIMEOUT"] else ["no job met its time limit"]
    if not sum(ended[state] for state in _OUT_OF_MEMORY):
        problems.append("no job met its memory limit")
    return problems + (["finished edits were made again"] if again > sum(ended.values()) else [])


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    began = time.monotonic()
    problems: list[str] = []
    with own_folder() as folder, Slurm(folder / "slurm") as slurm:
        say(f"Slurm has {len(NODES)} nodes of {GPUS_PER_NODE} GPUs")

        def beside(show: Callable[[Path, Slurm], list[str]]) -> threading.Thread:
            def run() -> None:
                try:
                    problems.extend(show(folder, slurm))
                except BaseException as error:  # nobody else would hear of it
                    problems.append(repr(error))

            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            return thread

        watch = Watch(slurm)
        with watch.looking():
            limits, server = beside(show_limits), beside(show_a_served_judge)
            problems += show_the_demo(folder, slurm)
            groups = Groups(folder, slurm)
            problems += groups.show()
            server.join()  # from here on nodes are killed
            problems += groups.show_killed()
            problems += Faults(folder, slurm).show()
            limits.join()
    say(f"GPUs: {len(watch.gpus)} were handed out, {len(watch.shared)} to two jobs at once; at "
        f"most {watch.most} jobs ran at once")  # fmt: skip
    problems += watch.shared
    if watch.most > len(NODES) * GPUS_PER_NODE:
        problems.append("there were more jobs than GPUs")
    for problem in problems:
        say(f"not so: {problem}")
    say(f"{'failed' if problems else 'all as it should be'}, {time.monotonic() - began:.0f} s")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()

"""Jobs that are one job of Slurm's, as the profile's lines on groups make them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cluster_run import LIMIT_SECONDS, calls, differences, finish, job_logs, of_project, say, wait
from slurm import GPUS_PER_NODE, NODES, Slurm

from conftest import clone, five_each
from fault_run import Run, Tally

# As workflow/profiles/slurm says behind a #. Logs of jobs are looked at afterwards.
_ARGUMENTS = (
    "--groups", "edit=edit_{model}_{scatteritem}",
    "--group-components", "edit_{model}_{scatteritem}=1000",
    "--set-resource-scopes", "gpu=local", "--resources", "gpu=1", "--jobs", "6",
    "--slurm-keep-successful-logs",
)  # fmt: skip
# Of five categories, each in four shards.
_EDITS = 20


class Groups:
    """Runs in which a shard of all categories is one job of Slurm's."""

    def __init__(self, folder: Path, slurm: Slurm) -> None:
        self._folder = folder
        self._slurm = slurm
        self._here = _toys(folder / "singly", None)

    def show(self) -> list[str]:
        """A group is one job with one load, and the tables are the same."""
        there = _toys(self._folder / "grouped", self._slurm)
        finish(self._here)
        finish(there)
        made, loads = calls(there), (there.root / "calls.txt").read_text().count("load ")
        differ = differences(self._here, there)
        jobs = len(job_logs(there, "edit"))
        say(f"groups: 20 edit jobs were {jobs} of Slurm with {loads} loads, {made - _EDITS} edits "
            f"were repeated, {len(differ)} images and tables differ")  # fmt: skip
        return differ + ([] if (jobs, loads, made) == (4, 4, _EDITS) else ["groups are not 4 jobs"])

    def show_killed(self) -> list[str]:
        """A group that is cancelled, and one whose node is lost, go on where they were."""
        there = _toys(self._folder / "killed", self._slurm)
        tally, process = Tally(), there.start()
        before = _after(3, "scancel of a group", there, process)
        self._slurm.run("scancel", self._slurm.running(there.root)[0])
        lost = _after(9, f"kill -9 of the slurmd of {NODES[0]}", there, process)
        there.count(before, tally)
        self._slurm.kill_node(NODES[0])
        process.wait(LIMIT_SECONDS)
        self._slurm.start_node(NODES[0])
        there.check(process)
        there.count(lost, tally)
        differ, again = differences(self._here, there), calls(there) - _EDITS
        jobs = len(job_logs(there, "edit"))
        say(f"killed groups: {jobs} jobs for 4 groups, {tally.edits_repeated} finished edits and "
            f"{tally.answers_repeated} answers made again, {again} edits that were under way; "
            f"{len(differ)} images and tables differ")  # fmt: skip
        problems = differ + ([] if jobs >= 6 else ["no group was cancelled, or none lost its node"])
        # One edit of the job that was cancelled, and one of each that its node had.
        few = again <= 1 + GPUS_PER_NODE
        return problems + ([] if tally.is_clean and few else ["finished edits were made again"])


def _after(count: int, what: str, run: Run, process: subprocess.Popen[bytes]) -> dict[Path, int]:
    """Wait for so many finished edits; what is finished then."""
    wait(lambda: len(run.finished()) >= count, f"{count} finished edits", process)
    say(f"{what}, when {len(run.finished())} edits were finished")
    return run.finished()


def _toys(root: Path, slurm: Slurm | None) -> Run:
    project = clone(root)
    project.benchmark(five_each(4))
    painter = {"editor": "class_path", "class_path": "toys.Painter", "params": {"delay": 1.5}}
    project.configure(models={"painter": painter}, shards=4, device_ids=[0, 1, 2, 3, 4, 5])
    return of_project(project, slurm, *_ARGUMENTS)

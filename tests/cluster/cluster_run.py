"""Runs of the workflow whose jobs Slurm starts, and what the checks of them share."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slurm import Slurm

from conftest import Project
from fault_run import Run

# What a cluster without accounting needs, and a look at its jobs more often than at a real one.
_SLURM = (
    "--slurm-no-account", "--slurm-status-command", "squeue",
    "--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "3",
)  # fmt: skip
LIMIT_SECONDS = 400.0


@dataclass(frozen=True, kw_only=True)
class ClusterRun(Run):
    """A run whose jobs Slurm starts."""

    arguments: tuple[str, ...] = ()

    def start(self) -> subprocess.Popen[bytes]:
        with (self.root / "output.txt").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/slurm", *_SLURM,
                 "--configfile", self.configfile, *self.arguments],
                cwd=self.root, env=dict(self.environment), stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip


def wait(until: Callable[[], object], what: str, run: subprocess.Popen[bytes]) -> None:
    """Until something is so, which has to be before the run ends."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not until():
        if time.monotonic() > deadline or run.poll() is not None:
            raise SystemExit(f"waited for {what} in vain")
        time.sleep(0.2)


def say(text: str) -> None:
    print(text, flush=True)


def of_project(
    project: Project, slurm: Slurm | None, *arguments: str, results: str = "results"
) -> Run:
    """A run of config/test.yaml on Slurm or, for comparison, on this host alone."""
    root, env = project.root, project.environment()
    if slurm is None:
        # Begun in an allocation: an image says what kind of device it was made on.
        env |= {"SLURM_JOB_ID": "1", "CUDA_VISIBLE_DEVICES": "0,1"}
        return Run(root, "config/test.yaml", root / results, env)
    env |= slurm.environment
    return ClusterRun(root, "config/test.yaml", root / results, env, arguments=arguments)


def finish(run: Run) -> None:
    """A run that nobody disturbs, to its end."""
    process = run.start()
    process.wait(LIMIT_SECONDS)
    run.check(process)


def calls(run: Run) -> int:
    """Edits that toys began."""
    return (run.root / "calls.txt").read_text(encoding="utf-8").count("edit change")


def differences(here: Run, there: Run) -> list[str]:
    """Images and tables that are not the same byte for byte."""
    one, other = here.outcome(), there.outcome()
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]


def job_logs(run: Run, group: str) -> list[Path]:
    """What Slurm's jobs of a group wrote, a file a job."""
    return list((run.root / ".snakemake/slurm_logs").glob(f"group_{group}*/*.log"))

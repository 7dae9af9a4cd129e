"""Which scheduler runs this job, and which devices it handed out."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
# The variable that a scheduler sets in a job, and no other program, and the one with the job's
# name; the first that is there counts: batch jobs may run in pods.
_KNOWN = (
    ("Slurm", "SLURM_JOB_ID", "SLURM_JOB_ID"),
    ("PBS", "PBS_JOBID", "PBS_JOBID"),
    ("LSF", "LSB_JOBID", "LSB_JOBID"),
    ("SGE", "SGE_TASK_ID", "JOB_ID"),
    ("HTCondor", "_CONDOR_SCRATCH_DIR", "_CONDOR_SCRATCH_DIR"),
    ("Kubernetes", "KUBERNETES_SERVICE_HOST", ""),
)
_GRID_ENGINE = "SGE_HGR_gpu"
#: What makes a process take itself for a scheduler's job.
MARKS = tuple(mark for _, mark, _ in _KNOWN)


@dataclass(frozen=True)
class Scheduler:
    """The scheduler of this job.

    Attributes
    ----------
    name
        As its users call it.
    job
        The job, or pod, as it is known there.
    """

    name: str
    job: str

    def __str__(self) -> str:
        return f"{self.name} ({self.job})"

    @property
    def lock_prefix(self) -> str:
        """What the names of locks begin with that only processes of this job share."""
        return re.sub(r"[^\w.-]", "_", f"{self.name.lower()}-{Path(self.job).name}-")


def current() -> Scheduler | None:
    """The scheduler of which this process is a job, or in an allocation; None if of none."""
    for name, mark, job in _KNOWN:
        if mark in os.environ:
            return Scheduler(name, os.environ.get(job) or socket.gethostname())
    return None


def named_devices() -> tuple[str, list[str]] | None:
    """The devices that the scheduler named, and the variable that it did so by.

    ``CUDA_VISIBLE_DEVICES``; else Torque's ``PBS_GPUFILE``, a line such as ``host-gpu0`` for each
    device, and what Grid Engine has for a mapped resource called gpu.

    Returns
    -------
    tuple of a str and a list of str, or None
        None if no device is named: then those that the driver shows are meant.
    """
    if VISIBLE in os.environ:
        return VISIBLE, [entry.strip() for entry in os.environ[VISIBLE].split(",")]
    if path := os.environ.get("PBS_GPUFILE"):
        try:
            lines = Path(path).read_text(encoding="utf-8").split()
        except OSError:
            return None
        return "PBS_GPUFILE", [line.rpartition("-gpu")[2] for line in lines]
    if _GRID_ENGINE in os.environ:
        return _GRID_ENGINE, os.environ[_GRID_ENGINE].split()
    return None


def given_jobs(words: Sequence[str]) -> list[str]:
    """The jobs that a Snakemake which a scheduler started was given on its command line.

    As the workflow is parsed they stand nowhere else.
    """
    behind = list(words[words.index("--target-jobs") + 1 :]) if "--target-jobs" in words else []
    return list(takewhile(lambda word: not word.startswith("-"), behind))

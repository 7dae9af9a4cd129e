"""What the logs of a run's jobs say of its time: when each worked, where, and what it loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

_TIME = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) ", re.MULTILINE)
_DEVICE = re.compile(r" INFO device (.*)$", re.MULTILINE)
_STAGES = {"edit": "edit", "score": "score", "selftest": "selftest_part"}


@dataclass(frozen=True)
class JobLog:
    """One job that used a device.

    Attributes
    ----------
    stage
        ``edit``, ``score`` or ``selftest``.
    device
        As its log names it.
    began, ended
        Times of its first and last line, in seconds since the epoch.
    loaded
        Whether it loaded the model, or found it loaded.
    images
        Edits or answers that it made.
    """

    stage: str
    device: str
    began: float
    ended: float
    loaded: bool
    images: int

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def read(results: Path) -> list[JobLog]:
    """All jobs below ``results`` that used a device, in the order of their beginning."""
    return sorted(_read(results), key=lambda job: job.began)


def _read(results: Path) -> Iterator[JobLog]:
    for stage, folder in _STAGES.items():
        for path in (results / "logs" / folder).rglob("*.log"):
            text = path.read_text(encoding="utf-8", errors="replace")
            times = [datetime.strptime(found, "%Y-%m-%d %H:%M:%S,%f").timestamp()
                     for found in _TIME.findall(text)]  # fmt: skip
            device = _DEVICE.search(text)
            if times and device:
                images = re.search(r" INFO (\d+) images in ", text)
                yield JobLog(
                    stage, device.group(1), times[0], times[-1],
                    "was found loaded" not in text, int(images.group(1)) if images else 0,
                )  # fmt: skip


def constants(jobs: list[JobLog], began: float, ended: float) -> dict[str, Any]:
    """What a run's time is made of beside its images.

    Parameters
    ----------
    began, ended
        Of the whole command, in seconds since the epoch.

    Returns
    -------
    dict
        ``before_seconds`` and ``after_seconds``: of the command without a job on a device;
        ``gap_seconds``: between two edit jobs of one device, which wait for no other job;
        ``collect_seconds``: from the last edit to the next job that judges; ``jobs``: the fields of
        each.
    """
    gaps = []
    for device in {job.device for job in jobs}:
        own = [job for job in jobs if job.device == device]
        gaps += [max(0.0, after.began - before.ended)
                 for before, after in pairwise(own)
                 if before.stage == after.stage == "edit"]  # fmt: skip
    edited = max(job.ended for job in jobs if job.stage == "edit")
    judged = [job.began - edited for job in jobs if job.began > edited]
    return {
        "before_seconds": jobs[0].began - began,
        "after_seconds": ended - max(job.ended for job in jobs),
        "gap_seconds": fmean(gaps) if gaps else 0.0,
        "collect_seconds": min(judged, default=0.0),
        "jobs": [asdict(job) for job in jobs],
    }

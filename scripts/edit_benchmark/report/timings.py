"""Where the time went: what the jobs of a run wrote into its ``timings.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edit_benchmark.report.rows import TimingRow
from edit_benchmark.results.layout import Layout

# What a job writes, see Telemetry.append_to.
_FIELDS = {
    "kind", "name", "gpu", "images", "seconds", "load_seconds", "compile_seconds", "stages",
    "busy", "peak_gib",
}  # fmt: skip


@dataclass(frozen=True)
class Timings:
    """The table of the timings; ``stages`` are the stages of all jobs, each a column of it."""

    stages: list[str]
    rows: list[TimingRow]


def column(stage: str) -> str:
    """The column of a stage."""
    return f"{stage}_seconds"


def read(results: Path) -> list[dict[str, Any]]:
    """The jobs of a results folder; lines that are not a whole job's are left out."""
    path = Layout(results).timings
    jobs = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            job = json.loads(line)
        except ValueError:  # a killed job left it half written
            continue
        if isinstance(job, dict) and job.keys() >= _FIELDS:
            jobs.append(job)
    return jobs


def timings(jobs: Sequence[Mapping[str, Any]], names: Collection[str]) -> Timings:
    """One row for each kind of job, model or judge of ``names``, and kind of GPU.

    Times of stages may overlap: ``reading`` runs beside the others.
    """
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for job in jobs:
        if job["name"] in names and job["images"]:
            groups.setdefault((job["kind"], job["name"], job["gpu"]), []).append(job)
    stages = list(dict.fromkeys(stage for job in jobs for stage in job["stages"]))
    return Timings(stages, [_row(*group, stages) for group in sorted(groups.items())])


def _row(
    of: tuple[str, str, str], jobs: Sequence[Mapping[str, Any]], stages: Sequence[str]
) -> TimingRow:
    kind, name, gpu = of
    images = sum(job["images"] for job in jobs)
    spent = {
        stage: [job["stages"][stage] for job in jobs if stage in job["stages"]] for stage in stages
    }
    return TimingRow(
        kind=kind,
        name=name,
        gpu=gpu,
        jobs=len(jobs),
        images=images,
        load_seconds=sum(job["load_seconds"] for job in jobs) / len(jobs),
        compile_seconds=sum(job["compile_seconds"] for job in jobs) / len(jobs),
        seconds_per_image=sum(job["seconds"] for job in jobs) / images,
        idle=_idle(jobs),
        peak_gib=max((job["peak_gib"] for job in jobs if job["peak_gib"]), default=None),
        stages={
            column(stage): sum(seconds) / images if seconds else None
            for stage, seconds in spent.items()
        },
    )


def _idle(jobs: Sequence[Mapping[str, Any]]) -> float | None:
    known = [job for job in jobs if job["busy"] is not None]
    total = sum(job["seconds"] + job["load_seconds"] + job["compile_seconds"] for job in known)
    busy = sum(job["busy"] * job["seconds"] for job in known)
    return 1 - busy / total if total else None

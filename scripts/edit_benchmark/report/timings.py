"""Where the time went: what the jobs of a run wrote into its ``timings.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edit_benchmark.config.editors import APPROXIMATIONS
from edit_benchmark.records import dumps
from edit_benchmark.report.recorded_settings import normalised
from edit_benchmark.report.rows import NOT_RECORDED, TimingRow
from edit_benchmark.results.layout import Layout

# What a job of any version writes, see Telemetry.append_to.
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
            jobs.append(_named(job))
    return jobs


def _named(job: dict[str, Any]) -> dict[str, Any]:
    """The job under the name that its model has in tables if that was another, faster one."""
    if job["kind"] != "edit" or "made_by" not in job:
        return job
    settings = job["made_by"]["settings"]
    used = [name for name in APPROXIMATIONS if settings.get(name)]
    return job | {"name": "+".join([job["name"], *used])}


def timings(jobs: Sequence[Mapping[str, Any]]) -> Timings:
    """One row for each kind of job, model or judge, its settings, and kind of GPU.

    Every job is in a row under the name and the settings that it had, whatever the configuration
    has now. Times of stages may overlap: ``reading`` runs beside the others.
    """
    made_by = [_made_by(job) for job in jobs]
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for number, job in enumerate(jobs):
        key = job["kind"], job["name"], job["gpu"], dumps(made_by[number])
        groups.setdefault(key, []).append(number)
    stages = list(dict.fromkeys(stage for job in jobs for stage in job["stages"]))
    rows = []
    # The jobs of a name in the order in which they ran.
    for (kind, name, *_), members in sorted(groups.items(), key=lambda group: group[0][:3]):
        alike = [
            made_by[number]
            for number, job in enumerate(jobs)
            if (job["kind"], job["name"]) == (kind, name)
        ]
        label = _label(made_by[members[0]], alike)
        rows.append(_row(label, [jobs[number] for number in members], stages))
    return Timings(stages, rows)


def _made_by(job: Mapping[str, Any]) -> dict[str, str] | None:
    """All that determined a job's work, as texts; None of a job that did not record it."""
    if "made_by" not in job:
        return None
    section = "models" if job["kind"] == "edit" else "judges"
    # Settings that a later version has are at their defaults in an earlier one's jobs.
    settings = normalised(job["made_by"]["settings"], section)
    return _texts(settings | job["made_by"]["key_fields"])


def _texts(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """``values`` as texts; one in a mapping is named ``outer.inner``."""
    texts: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            texts |= _texts(value, f"{prefix}{name}.")
        else:
            texts[prefix + name] = value if isinstance(value, str) else dumps(value)
    return texts


def _label(made_by: Mapping[str, str] | None, alike: Sequence[Mapping[str, str] | None]) -> str:
    """What tells ``made_by`` from the others of ``alike``."""
    if made_by is None:
        return NOT_RECORDED
    known = [other for other in alike if other is not None]
    names = dict.fromkeys(name for other in known for name in other)
    return "; ".join(
        f"{name}={made_by.get(name, 'null')}"
        for name in names
        if len({other.get(name, "null") for other in known}) > 1
    )


def _row(settings: str, jobs: Sequence[Mapping[str, Any]], stages: Sequence[str]) -> TimingRow:
    images = sum(job["images"] for job in jobs)
    seconds = sum(job["seconds"] - job.get("failed_seconds", 0.0) for job in jobs)
    spent = {
        stage: [job["stages"][stage] for job in jobs if stage in job["stages"]] for stage in stages
    }
    return TimingRow(
        kind=jobs[0]["kind"],
        name=jobs[0]["name"],
        settings=settings,
        gpu=jobs[0]["gpu"],
        jobs=len(jobs),
        images=images,
        failed=sum(job["failed"] for job in jobs) if all("failed" in job for job in jobs) else None,
        load_seconds=sum(job["load_seconds"] for job in jobs) / len(jobs),
        compile_seconds=sum(job["compile_seconds"] for job in jobs) / len(jobs),
        seconds_per_image=seconds / images if images else None,
        idle=_idle(jobs),
        peak_gib=max((job["peak_gib"] for job in jobs if job["peak_gib"]), default=None),
        stages={
            column(stage): sum(parts) / images if parts and images else None
            for stage, parts in spent.items()
        },
    )


def _idle(jobs: Sequence[Mapping[str, Any]]) -> float | None:
    known = [job for job in jobs if job["busy"] is not None]
    total = sum(job["seconds"] + job["load_seconds"] + job["compile_seconds"] for job in known)
    busy = sum(job["busy"] * job["seconds"] for job in known)
    return 1 - busy / total if total else None

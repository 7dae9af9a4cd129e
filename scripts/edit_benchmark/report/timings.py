"""Where the time went: what the jobs of a run wrote into its ``timings.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

#: Columns that every table has; one ``<stage>_seconds`` an image follows for each stage.
COLUMNS = ["kind", "name", "gpu", "jobs", "images", "load_seconds", "compile_seconds",
           "seconds_per_image", "idle", "peak_gib"]  # fmt: skip


def read(results: Path) -> list[dict[str, Any]]:
    """The jobs of a results folder; a line that a killed job left half written is left out."""
    path = results / "timings.jsonl"
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def timings_frame(jobs: Sequence[Mapping[str, Any]], names: Collection[str]) -> pd.DataFrame:
    """One row for each model or judge of ``names`` and kind of GPU, over all of its jobs.

    ``load_seconds`` and ``compile_seconds`` are means a job; ``seconds_per_image`` is the time
    after loading, ``<stage>_seconds`` that of its stages (``reading`` runs beside the others);
    ``idle`` is the share of the time from the beginning of loading in which the GPU had no
    kernel running, missing on a CPU; ``peak_gib`` is the largest of any job.
    """
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for job in jobs:
        if job["name"] in names and job["images"]:
            groups.setdefault((job["kind"], job["name"], job["gpu"]), []).append(job)
    stages = dict.fromkeys(stage for job in jobs for stage in job["stages"])
    rows = []
    for (kind, name, gpu), mine in sorted(groups.items()):
        images = sum(job["images"] for job in mine)
        row = {
            "kind": kind,
            "name": name,
            "gpu": gpu,
            "jobs": len(mine),
            "images": images,
            "load_seconds": sum(job["load_seconds"] for job in mine) / len(mine),
            "compile_seconds": sum(job["compile_seconds"] for job in mine) / len(mine),
            "seconds_per_image": sum(job["seconds"] for job in mine) / images,
            "idle": _idle(mine),
            "peak_gib": max((job["peak_gib"] for job in mine if job["peak_gib"]), default=None),
        }
        for stage in stages:
            spent = [job["stages"][stage] for job in mine if stage in job["stages"]]
            row[f"{stage}_seconds"] = sum(spent) / images if spent else None
        rows.append(row)
    columns = [*COLUMNS, *(f"{stage}_seconds" for stage in stages)]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _idle(jobs: Sequence[Mapping[str, Any]]) -> float | None:
    known = [job for job in jobs if job["busy"] is not None]
    held = sum(job["seconds"] + job["load_seconds"] + job["compile_seconds"] for job in known)
    busy = sum(job["busy"] * job["seconds"] for job in known)
    return 1 - busy / held if held else None

"""Both shapes extended to more images and GPUs, by arithmetic with measured constants alone."""

from __future__ import annotations

import heapq
import json
import math
from pathlib import Path
from statistics import fmean
from typing import Any

from shapes.earlier import JUDGE_BATCH

_IMAGES = 270
_GPUS = [1, 2, 4, 6, 8]


def predict_earlier(measured: dict[str, Any], samples: int, devices: int) -> float:
    """Seconds of the earlier shape: loads one after another, rounds, then the judge alone."""
    part = measured["old"]
    rounds = math.ceil(samples / devices)
    batches = math.ceil(samples / JUDGE_BATCH)
    full = part["judge_batch_seconds"][: max(1, measured["samples"] // JUDGE_BATCH)]
    return (
        part["import_seconds"]
        + devices * fmean(part["load_seconds"])
        + rounds * fmean(part["edit_seconds"])
        + part["judge_load_seconds"]
        + batches * fmean(full)
    )


def predict_workflow(measured: dict[str, Any], samples: int, devices: int) -> float:
    """Seconds of the workflow.

    Each job of category and shard runs on the first free device, and the scoring of a category
    before further edits.
    """
    part = measured["ours"]
    edit, start = fmean(part["edit_seconds"]), part["edit_start_seconds"]
    judge, judge_start = fmean(part["judge_seconds"]), part["score_start_seconds"]
    sizes = [len(range(category, samples, 5)) for category in range(5)]
    shards = [(category, len(range(shard, size, devices)))
              for category, size in enumerate(sizes) for shard in range(devices)]  # fmt: skip
    # Scoring, of priority 0, sorts before the edits, of priority 1.
    waiting = [(1, order, category, start + count * edit)
               for order, (category, count) in enumerate(shards)]  # fmt: skip
    heapq.heapify(waiting)
    edits_left = [devices] * 5
    running: list[tuple[float, int, int]] = []
    now = 0.0
    while waiting or running:
        while waiting and len(running) < devices:
            priority, _, category, seconds = heapq.heappop(waiting)
            heapq.heappush(running, (now + seconds, priority, category))
        now, priority, category = heapq.heappop(running)
        edits_left[category] -= priority
        if priority == 1 and not edits_left[category]:
            seconds = judge_start + sizes[category] * judge
            heapq.heappush(waiting, (0, category, category, seconds))
    return now + _seconds_without_jobs(measured)


def _seconds_without_jobs(measured: dict[str, Any]) -> float:
    """What Snakemake itself takes, and the jobs that take no device."""
    part = measured["ours"]
    jobs = sum(part["edit_job_seconds"]) + sum(part["score_job_seconds"])
    return max(0.0, part["seconds"] - jobs / measured["devices"])


def extend(measured_file: Path, out: Path) -> None:
    """Write ``model.json`` and ``model.svg`` into ``out``: hours for 270 images on 1 to 8 GPUs."""
    measured = json.loads(measured_file.read_text())
    ratios = {
        name: predict(measured, measured["samples"], measured["devices"])
        / measured[name]["seconds"]
        for name, predict in (("old", predict_earlier), ("ours", predict_workflow))
    }
    rows = [
        {"gpus": count, "old_hours": predict_earlier(measured, _IMAGES, count) / 3600,
         "ours_hours": predict_workflow(measured, _IMAGES, count) / 3600}
        for count in _GPUS
    ]  # fmt: skip
    content = {"predicted_over_measured": ratios, "steps": measured["steps"], "rows": rows}
    (out / "model.json").write_text(json.dumps(content, indent=1) + "\n")
    _plot(rows, measured["steps"], out / "model.svg")
    print(json.dumps(content, indent=1))


def _plot(rows: list[dict[str, float]], steps: int, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    labels = (("old", "s", "earlier program's shape"), ("ours", "o", "this workflow"))
    for name, marker, label in labels:
        axes.plot(_GPUS, [row[f"{name}_hours"] for row in rows], marker=marker, label=label)
    ylabel = f"hours for {_IMAGES} images of {steps} steps"
    axes.set(xlabel="GPUs", ylabel=ylabel, ylim=(0, None), xticks=_GPUS)
    axes.legend(frameon=False)
    figure.savefig(path)

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

    Each device takes the next job as soon as it is free: edits first, then scores and the parts of
    the self-test. It loads a model with the first job that needs it.
    """
    part = measured["ours"]
    sizes = [len(range(category, samples, 5)) for category in range(5)]
    edits = [len(range(shard, size, devices)) for size in sizes for shard in range(devices)]
    edit = _Stage(part, "edit", fmean(part["edit_seconds"]))
    judge = _Stage(part, "score", fmean(part["judge_seconds"]))
    free = [0.0] * devices
    free = edit.after(free, edits)
    work = list(sizes)
    selftest = _Stage(part, "selftest", judge.seconds)
    free = judge.after(free, work)
    if selftest.jobs:
        asked = sum(job["images"] for job in selftest.jobs)
        free = selftest.after(free, [asked / devices] * devices, is_loaded=True)
    return float(part["before_seconds"] + max(free) + part["after_seconds"])


class _Stage:
    """Jobs of one stage, by what they were measured to take."""

    def __init__(self, part: dict[str, Any], stage: str, seconds: float) -> None:
        self.jobs = [job for job in part["jobs"] if job["stage"] == stage]
        self.seconds = seconds
        self._gap = part["gap_seconds"]
        if stage == "selftest" and self.jobs:
            self.seconds = fmean((job["ended"] - job["began"]) / job["images"] for job in self.jobs)
        self._loading, self._found = (self._start(loaded=loaded) for loaded in (True, False))

    def _start(self, *, loaded: bool) -> float:
        """What a job takes beside its images, if it loads the model or finds it loaded."""
        starts = [job["ended"] - job["began"] - job["images"] * self.seconds
                  for job in self.jobs if job["loaded"] == loaded]  # fmt: skip
        return max(0.0, fmean(starts)) if starts else 0.0

    def after(
        self, free: list[float], counts: list[float], *, is_loaded: bool = False
    ) -> list[float]:
        """When each device is free again, of those that are free at ``free``.

        Parameters
        ----------
        counts
            Images of each job, in their order; jobs without any take no device.
        """
        waiting = [(time, device, is_loaded) for device, time in enumerate(free)]
        heapq.heapify(waiting)
        for count in counts:
            if count:
                time, device, has_model = heapq.heappop(waiting)
                start = self._found if has_model else self._loading
                ended = time + start + count * self.seconds + self._gap
                heapq.heappush(waiting, (ended, device, True))
        return [time for time, _, _ in sorted(waiting, key=lambda entry: entry[1])]


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

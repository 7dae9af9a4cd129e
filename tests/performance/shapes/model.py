"""Both shapes extended to more images and GPUs, by arithmetic with measured constants alone."""

from __future__ import annotations

import heapq
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from shapes.earlier import JUDGE_BATCH
from shapes.setup import CATEGORIES

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

    A device that is free takes the first job that is ready. A category is scored when its last edit
    is made, before more edits where it was so in the measurement (both models fit on a device),
    else after all of them; the self-test needs all edits and stands before the scores. A model is
    loaded on a device with the first job that needs it.
    """
    part = measured["ours"]
    # Medians: what the first image of a process takes more belongs to its start.
    edit = _Stage(part, "edit", median(part["edit_seconds"]))
    score = _Stage(part, "score", median(part["judge_seconds"]))
    selftest = _Stage(part, "selftest", _seconds_a_question(part))
    loading = {"editor": edit.loading, "judge": score.loading or selftest.loading}
    sizes = [len(range(category, samples, len(CATEGORIES))) for category in range(len(CATEGORIES))]
    shards = [len(range(shard, size, devices)) for size in sizes for shard in range(devices)]
    waiting = [(edit, count, place // devices) for place, count in enumerate(shards) if count]
    open_edits = Counter(category for _, _, category in waiting)
    are_together = _judged_between_edits(part)
    ready: list[tuple[_Stage, float]] = []
    free = [(0.0, device) for device in range(devices)]
    running: list[tuple[float, int]] = []
    models: list[set[str]] = [set() for _ in range(devices)]
    heapq.heapify(free)
    ended = 0.0
    while waiting or ready or running:
        now, device = heapq.heappop(free)
        # What has become ready by now; if there is nothing to do, what becomes ready next.
        while running and (running[0][0] <= now or not (waiting or ready)):
            time, category = heapq.heappop(running)
            now = max(now, time)
            open_edits[category] -= 1
            if not open_edits[category]:
                ready.append((score, sizes[category]))
            if selftest.jobs and not sum(open_edits.values()):
                asked = sum(job["images"] for job in selftest.jobs) / devices
                ready = [(selftest, asked)] * devices + ready
        if ready and (are_together or not waiting):
            (stage, count), category = ready.pop(0), None
        elif waiting:
            stage, count, category = waiting.pop(0)
        else:
            continue  # this device has nothing to do any more
        missing = 0.0 if stage.model in models[device] else loading[stage.model]
        until = now + stage.seconds_of(count, loading=missing)
        models[device].add(stage.model)
        ended = max(ended, until)
        heapq.heappush(free, (until + part["gap_seconds"], device))
        if category is not None:
            heapq.heappush(running, (until + part["collect_seconds"], category))
    return float(part["before_seconds"] + ended + part["after_seconds"])


def _judged_between_edits(part: dict[str, Any]) -> bool:
    """Whether a category was scored before the last edit job began."""
    began = {stage: [job["began"] for job in part["jobs"] if job["stage"] == stage]
             for stage in ("edit", "score")}  # fmt: skip
    return min(began["score"], default=math.inf) < max(began["edit"])


class _Stage:
    """Jobs of one stage, by what they were measured to take.

    A job takes ``start`` beside its images, and ``loading`` more where it loads the model.
    """

    def __init__(self, part: dict[str, Any], stage: str, seconds: float) -> None:
        self.model = "editor" if stage == "edit" else "judge"
        self.jobs = [job for job in part["jobs"] if job["stage"] == stage]
        self.seconds = seconds
        found = self._starts(loaded=False)
        loading = self._starts(loaded=True)
        self.start = max(0.0, fmean(found)) if found else 0.0
        self.loading = max(0.0, fmean(loading) - self.start) if loading else 0.0

    def _starts(self, *, loaded: bool) -> list[float]:
        return [job["ended"] - job["began"] - job["images"] * self.seconds
                for job in self.jobs if job["loaded"] == loaded]  # fmt: skip

    def seconds_of(self, count: float, *, loading: float) -> float:
        """Of a job of ``count`` images."""
        return self.start + loading + count * self.seconds


def _seconds_a_question(part: dict[str, Any]) -> float:
    """Of the self-test, in jobs that found the judge loaded."""
    jobs = [job for job in part["jobs"] if job["stage"] == "selftest" and not job["loaded"]]
    return fmean((job["ended"] - job["began"]) / job["images"] for job in jobs) if jobs else 0.0


def extend(measured_files: Sequence[Path], out: Path) -> None:
    """Write ``model.json`` and ``model.svg`` into ``out``: hours for 270 images on 1 to 8 GPUs."""
    content = [_extended(json.loads(path.read_text())) for path in measured_files]
    (out / "model.json").write_text(json.dumps(content, indent=1) + "\n")
    _plot(content, out / "model.svg")
    print(json.dumps(content, indent=1))


def _extended(measured: dict[str, Any]) -> dict[str, Any]:
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
    kind = {name: measured[name] for name in ("samples", "steps", "is_guided")}
    return kind | {"predicted_over_measured": ratios, "rows": rows}


def _plot(measurements: Sequence[dict[str, Any]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(
        1, len(measurements), figsize=(4.2 * len(measurements), 3.2), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    labels = (("old", "s", "earlier program's shape"), ("ours", "o", "this workflow"))
    for measured, axes in zip(measurements, panels[0], strict=True):
        for name, marker, label in labels:
            hours = [row[f"{name}_hours"] for row in measured["rows"]]
            axes.plot(_GPUS, hours, marker=marker, label=label)
        guidance = "with guidance" if measured["is_guided"] else "without guidance"
        axes.set(xlabel="GPUs", ylabel=f"hours for {_IMAGES} images", ylim=(0, None), xticks=_GPUS,
                 title=f"{measured['steps']} steps, {guidance}")  # fmt: skip
    panels[0][0].legend(frameon=False)
    figure.savefig(path)

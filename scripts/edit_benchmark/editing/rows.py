"""One edit to be made, and the row that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edit_benchmark.config.editors import EditorSettings
from edit_benchmark.errors import SampleError, SkipSample
from edit_benchmark.records import EDIT_FAILED, EDITED, SKIPPED, Edit, Sample, edit_name
from edit_benchmark.results.store import Store, made_with
from edit_benchmark.runtime.job import Job


@dataclass(frozen=True)
class Task:
    """One edit: the sample, its repeat and seed, the fields of its key, and the key."""

    sample: Sample
    repeat: int
    seed: int
    key_fields: dict[str, Any]
    key: str

    @property
    def name(self) -> str:
        """What messages call it."""
        return edit_name(self.sample.id, self.repeat)


def unreadable_row(sample: Sample, repeat: int, model: str) -> Edit:
    """The row of a sample whose source image cannot be read."""
    return Edit(
        id=sample.id,
        category=sample.category,
        model=model,
        status=SKIPPED,
        reason=f"unreadable_source: {sample.problem}",
        repeat=repeat,
    )


def follower_row(sample: Sample, previous: Edit) -> Edit | None:
    """The row of a turn without a source, because the turn before has no edit; None if it has one.

    What was never tried is no failure of the model, and neither is what would have followed it.
    """
    if previous.status == EDITED:
        return None
    what = "previous_turn_skipped" if previous.status == SKIPPED else "previous_turn_failed"
    is_follower = previous.reason.startswith(f"{what}: ")
    return Edit(
        id=sample.id,
        category=sample.category,
        model=previous.model,
        status=previous.status,
        reason=previous.reason if is_follower else f"{what}: {previous.id}: {previous.reason}",
        repeat=previous.repeat,
    )


def failed_row(task: Task, job: Job[EditorSettings], error: SampleError, device: str = "") -> Edit:
    """The row of an edit that could not be made, or was not meant to be."""
    return Edit(
        id=task.sample.id,
        category=task.sample.category,
        model=job.name,
        status=SKIPPED if isinstance(error, SkipSample) else EDIT_FAILED,
        reason=str(error),
        repeat=task.repeat,
        key=task.key,
        seed=task.seed,
        device=device,
    )


def edited_row(task: Task, job: Job[EditorSettings], content: Mapping[str, Any]) -> Edit:
    """The row of an edit as the store has it."""
    return Edit(
        id=task.sample.id,
        category=task.sample.category,
        model=job.name,
        status=EDITED,
        flags=content["flags"],
        key=task.key,
        seed=task.seed,
        seconds=content["seconds"],
        image=job.layout.relative(Store(job.layout.edit_store).image_path(task.key)),
        image_sha256=content["image_sha256"],
        repeat=task.repeat,
        width=content["width"],
        height=content["height"],
        device=content["device"],
        made_with=made_with(content),
    )

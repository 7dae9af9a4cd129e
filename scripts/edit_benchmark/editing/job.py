"""An edit job: one shard's edits, from the store or from the model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from edit_benchmark.config.editors import EditorSettings
from edit_benchmark.dataset import chains, source_images
from edit_benchmark.dataset.samples import seed
from edit_benchmark.editing.editor import Editor
from edit_benchmark.editing.making import Making
from edit_benchmark.editing.registry import KINDS, refusal
from edit_benchmark.editing.rows import (
    Task,
    edited_row,
    failed_row,
    follower_row,
    unreadable_row,
)
from edit_benchmark.errors import UserError
from edit_benchmark.records import EDIT_FAILED, SKIPPED, Edit, Sample
from edit_benchmark.results import recipes
from edit_benchmark.results.former_keys import former_keys
from edit_benchmark.results.store import Store
from edit_benchmark.runtime import supervision
from edit_benchmark.runtime.job import Job, Loaded, delegated, loaded

log = logging.getLogger(__name__)

# If all of a shard's samples fail, and at least so many have a source image of a usual shape, the
# failures have one cause: the job fails, so that the same command tries again once the cause is
# removed.
_SYSTEMATIC = 3


@dataclass(frozen=True, kw_only=True)
class EditJob(Job[EditorSettings]):
    """One shard: the samples to edit, one row each; of a chain of edits all turns."""

    samples: Sequence[Sample]


def edit_shard(job: EditJob) -> list[Edit]:
    """Edit the job's samples; one row for each repeat of each.

    The first repeat of all samples comes before the second: a job that is stopped has gone through
    all of them. Of chains all first turns come before the second ones, whose sources they are.

    No model is loaded and no device taken if the store has every edit.

    Raises
    ------
    UserError
        If the job cannot go on, or every sample failed; finished edits are in the store.
    """
    kind = KINDS[job.settings.editor]
    common = kind.key_fields(job.settings, job.checkpoint)
    shard = _Shard(job, common, kind.former_key_fields(job.settings, job.checkpoint, common))
    editor = None
    with ExitStack() as stack:
        for samples in chains.by_turn(job.samples):
            missing = shard.look_up(samples)
            if not missing:
                continue
            if editor is None:
                kind.check(job.settings, job.checkpoint)
                made = delegated(job, kind, common)
                if made is not None:
                    return [Edit(**row) for row in made]
                editor = stack.enter_context(loaded(job, kind, "edit", common))
            shard.make(missing, editor)
    shard.refuse_if_all_failed()
    recipe = recipes.keep(job.layout, common)
    return [
        replace(
            shard.rows[sample.id, repeat],
            approximations=job.settings.approximations,
            recipe=recipe,
        )
        for repeat in range(job.settings.repeats)
        for sample in job.samples
    ]


def task_fields(sample: Sample, seed: int) -> dict[str, Any]:
    """What is asked of an editor: the sample's part of an edit's key.

    The names here are hashed into the keys of stored edits: another name is another key.
    """
    fields: dict[str, Any] = {
        "source_sha256": sample.source_sha256,
        "instruction": sample.instruction,
        "seed": seed,
    }
    # Samples of one source image have the keys of before there were others.
    if sample.more_sources:
        fields["more_source_sha256"] = sample.more_source_sha256
    if sample.mask:
        fields["mask_sha256"] = sample.mask_sha256
    return fields


@dataclass
class _Shard:
    """The edits of a job: those that there are, and those that are being made.

    Attributes
    ----------
    common, former
        The model's part of the keys, now and before 0.2.
    rows
        By sample and repeat.
    tried
        What was not in the store.
    edits
        How many there should be: of all samples that the model takes, and that have a source.
    """

    job: EditJob
    common: dict[str, Any]
    former: dict[str, Any] | None
    rows: dict[tuple[str, int], Edit] = field(default_factory=dict)
    tried: list[Task] = field(default_factory=list)
    edits: int = 0

    @cached_property
    def store(self) -> Store:
        return Store(self.job.layout.edit_store)

    def look_up(self, samples: Sequence[Sample]) -> list[Task]:
        """Rows of what is there of samples whose turns before are done; what is to be made."""
        missing: list[Task] = []
        unedited: set[str] = set()
        before = self.edits
        for repeat in range(self.job.settings.repeats):
            for sample in samples:
                found = self._without_source(sample, repeat) or self._find(sample, repeat)
                if isinstance(found, Task):
                    missing.append(found)
                else:
                    self.rows[sample.id, repeat] = found
                    if not found.key:
                        unedited.add(sample.id)
                        continue
                    if found.status == SKIPPED:
                        continue
                self.edits += 1
        edits = self.edits - before
        log.info(
            "%d samples, %d of them without a source image that can be read, %d edits in the "
            "store, %d to make%s",
            len(samples), len(unedited), edits - len(missing), len(missing),
            f" (turn {turn})" if (turn := samples[0].turn) else "",
        )  # fmt: skip
        return missing

    def _without_source(self, sample: Sample, repeat: int) -> Edit | None:
        """The row of a sample whose source cannot be read or was not made; None if it is there."""
        if sample.problem:
            return unreadable_row(sample, repeat, self.job.name)
        if sample.after:
            return follower_row(sample, self.rows[sample.after, repeat])
        return None

    def _find(self, sample: Sample, repeat: int) -> Edit | Task:
        """The row of an edit that is there or will not be made, else what is to be made."""
        job = self.job
        if sample.after:
            sample = chains.with_source(sample, self.rows[sample.after, repeat])
        number = seed(job.settings.seed, sample.id, repeat)
        asked = task_fields(sample, number)
        fields = {**self.common, **asked}
        stored = self.store.find(fields, former_keys(self.former, asked))
        task = Task(sample, repeat, number, fields, stored.key)
        if stored.content is not None:
            return edited_row(task, job, stored.content)
        given_up = supervision.given_up(self.store.endings_path(task.key))
        problem = given_up or refusal(job.settings, job.checkpoint, sample)
        return task if problem is None else failed_row(task, job, problem)

    def make(self, missing: list[Task], editor: Loaded[Editor]) -> None:
        """Make what is missing, and the rows of it."""
        places = {task.name: self.store.endings_path(task.key) for task in missing}
        supervision.note_endings(places)
        # Those that ended a job once come last: they cost no other sample another run.
        missing.sort(key=lambda task: places[task.name].exists())
        for row in Making(self.job, editor, self.store).edit(missing):
            self.rows[row.id, row.repeat] = row
        self.tried += missing

    def refuse_if_all_failed(self) -> None:
        """Stop a job whose failures have one cause, without a table of them.

        Without those that were not tried: a table with them is what redo.py needs.
        """
        rows = [self.rows[task.sample.id, task.repeat] for task in self.tried]
        failures = [row for row in rows if row.status == EDIT_FAILED]
        failed = {row.id for row in failures}
        usual = {
            task.sample.id for task in self.tried if not source_images.has_odd_shape(task.sample)
        }
        if len(failures) == self.edits and len(failed & usual) >= _SYSTEMATIC:
            raise UserError(
                f"all {len(failed)} samples of this shard failed, the first, {failures[0].id}, "
                f"with: {failures[0].reason}; mend the cause (the traceback is in the job's log) "
                "and run the same command again."
            )

"""Edits that others made: images in a folder become the edits of a model.

Nothing is computed and no device is taken. An image is kept under a key of its bytes, so that one
that is replaced is another edit.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edit_benchmark import images
from edit_benchmark.config.editors import CandidateEditorSettings, FinishedSettings
from edit_benchmark.dataset import chains, source_images
from edit_benchmark.dataset.layouts import Candidates, FinishedEdits
from edit_benchmark.editing.checks import flags, usable
from edit_benchmark.editing.job import EditJob, task_fields
from edit_benchmark.editing.registry import KINDS
from edit_benchmark.editing.rows import (
    Task,
    edited_row,
    failed_row,
    follower_row,
    unreadable_row,
)
from edit_benchmark.errors import ImageError, SampleError, UserError
from edit_benchmark.records import Edit, Sample, dumps
from edit_benchmark.results import recipes
from edit_benchmark.results.store import Store
from edit_benchmark.results.tables import read_rows

log = logging.getLogger(__name__)


def bring_shard(job: EditJob) -> list[Edit]:
    """The finished edits of the job's samples, one row each.

    A sample without an image, or with one that cannot be used, is ``edit_failed``.

    Raises
    ------
    UserError
        If the folder is that of another benchmark, or cannot be read.
    """
    settings = job.settings
    assert isinstance(settings, FinishedSettings)
    edits = finished_edits(settings, read_rows(job.layout.samples, Sample), job.results)
    edits.check()
    common = KINDS[settings.editor].key_fields(settings, None)
    recipe = recipes.keep(job.layout, common)
    rows: dict[str, Edit] = {}
    for samples in chains.by_turn(job.samples):
        for sample in samples:
            before = rows.get(sample.after)
            # Of a turn whose source is missing nobody can say what was edited.
            lost = follower_row(sample, before) if before and not sample.problem else None
            if before and lost is None:
                sample = chains.with_source(sample, before)
            rows[sample.id] = lost or _bring(job, sample, edits, common)
    return [replace(rows[sample.id], recipe=recipe) for sample in job.samples]


def finished_edits(
    settings: FinishedSettings, samples: Sequence[Sample], results: Path
) -> FinishedEdits | Candidates:
    """Where the edits of a model are; ``samples`` are all those of the run."""
    if isinstance(settings, CandidateEditorSettings):
        return Candidates(results, settings.candidate)
    return FinishedEdits(settings.folder, settings.layout or "id", samples)


def read_finished(edits: FinishedEdits | Candidates, sample: Sample) -> bytes | None:
    """The bytes of a sample's finished edit, None if there is none."""
    path = edits.find(sample)
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None


def finished_fields(sample: Sample, data: bytes | None) -> dict[str, Any]:
    """The sample's part of the key of the finished edit whose file holds ``data``.

    The names here are hashed into keys, as those of :func:`task_fields`.
    """
    return {**task_fields(sample, 0), "image_sha256": images.sha256(data) if data else None}


def _bring(
    job: EditJob, sample: Sample, edits: FinishedEdits | Candidates, common: dict[str, Any]
) -> Edit:
    if sample.problem:
        return unreadable_row(sample, 0, job.name)
    data = read_finished(edits, sample)
    fields = {**common, **finished_fields(sample, data)}
    store = Store(job.layout.edit_store)
    stored = store.find(fields)
    task = Task(sample, 0, 0, fields, stored.key)
    if stored.content is not None:
        return edited_row(task, job, stored.content)
    try:
        if data is None:
            raise SampleError("missing_image", f"there is no {edits.place_of(sample)}")
        return _keep(job, task, data, store)
    except SampleError as failure:
        log.warning("sample %s: %s", sample.id, failure)
        return failed_row(task, job, failure)


def _keep(job: EditJob, task: Task, data: bytes, store: Store) -> Edit:
    """Keep an image in the store as an edit is kept."""
    try:
        edited = usable(images.standard(data, "the image").image)
    except ImageError as error:
        raise SampleError("unusable_image", str(error)) from None
    source = source_images.load(task.sample, job.results)
    content = {
        "flags": flags([source.first, *source.more], edited),
        "seconds": None,
        "width": edited.width,
        "height": edited.height,
        "device": "",
        "key_fields": task.key_fields,
        "details": {},
    }
    texts = {
        "instruction": task.sample.instruction,
        "sample": task.sample.id,
        "key": task.key,
        "made_by": dumps(task.key_fields),
    }
    image = images.encode_png(edited, texts)
    store.put(task.key, content, image)
    return edited_row(task, job, content | {"image_sha256": images.sha256(image)})

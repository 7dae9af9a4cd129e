"""An edit job: one shard's edits, from the store or from the model."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image
from tqdm import tqdm

from edit_benchmark import images
from edit_benchmark.config.editors import EditorSettings, ServedEditorSettings
from edit_benchmark.dataset import source_images
from edit_benchmark.dataset.samples import seed
from edit_benchmark.dataset.source_images import SourceImages
from edit_benchmark.editing.capabilities import further_arguments
from edit_benchmark.editing.checks import flags, usable
from edit_benchmark.editing.editor import Editor
from edit_benchmark.editing.registry import KINDS, refusal
from edit_benchmark.editing.rows import Task, edited_row, failed_row, unreadable_row
from edit_benchmark.errors import ImageError, SampleError, UserError
from edit_benchmark.records import (
    EDIT_FAILED,
    EDITED,
    SKIPPED,
    Edit,
    Sample,
    dumps,
    storable,
)
from edit_benchmark.results import recipes, replies
from edit_benchmark.results.former_keys import former_keys
from edit_benchmark.results.store import Store
from edit_benchmark.runtime import supervision
from edit_benchmark.runtime.at_once import as_they_come
from edit_benchmark.runtime.failures import attempt, stop_if_fatal
from edit_benchmark.runtime.job import Job, Loaded, delegated, loaded
from edit_benchmark.runtime.keeping.resident import stop_if_asked

log = logging.getLogger(__name__)

# If all of a shard's samples fail, and at least so many have a source image of a usual shape, the
# failures have one cause: the job fails, so that the same command tries again once the cause is
# removed.
_SYSTEMATIC = 3


@dataclass(frozen=True, kw_only=True)
class EditJob(Job[EditorSettings]):
    """One shard: the samples to edit, one row each."""

    samples: Sequence[Sample]


@dataclass(frozen=True)
class _Made:
    """What an editor made: the image, how long its stages took, how it was made."""

    image: Image.Image
    stages: dict[str, float]
    details: dict[str, Any]


def edit_shard(job: EditJob) -> list[Edit]:
    """Edit the job's samples; one row for each repeat of each.

    The first repeat of all samples comes before the second: a job that is stopped has gone through
    all of them.

    No model is loaded and no device taken if the store has every edit.

    Raises
    ------
    UserError
        If the job cannot go on, or every sample failed; finished edits are in the store.
    """
    kind = KINDS[job.settings.editor]
    common = kind.key_fields(job.settings, job.checkpoint)
    former = kind.former_key_fields(job.settings, job.checkpoint, common)
    store = Store(job.layout.edit_store)
    wanted = [(sample, k) for k in range(job.settings.repeats) for sample in job.samples]
    rows: dict[tuple[str, int], Edit] = {}
    missing: list[Task] = []
    for sample, repeat in wanted:
        if sample.problem:
            rows[sample.id, repeat] = unreadable_row(sample, repeat, job.name)
            continue
        number = seed(job.settings.seed, sample.id, repeat)
        asked = task_fields(sample, number)
        fields = {**common, **asked}
        stored = store.find(fields, former_keys(former, asked))
        task, content = Task(sample, repeat, number, fields, stored.key), stored.content
        given_up = supervision.given_up(store.endings_path(task.key))
        if content is not None:
            rows[sample.id, repeat] = edited_row(task, job, content)
        elif (problem := given_up or refusal(job.settings, job.checkpoint, sample)) is not None:
            rows[sample.id, repeat] = failed_row(task, job, problem)
        else:
            missing.append(task)
    readable = [sample for sample in job.samples if not sample.problem]
    edits = len(wanted) - sum(row.status == SKIPPED for row in rows.values())
    log.info(
        "%d samples, %d of them without a source image that can be read, %d edits in the store, "
        "%d to make",
        len(job.samples), len(job.samples) - len(readable), edits - len(missing), len(missing),
    )  # fmt: skip
    if missing:
        kind.check(job.settings, job.checkpoint)
        places = {task.name: store.endings_path(task.key) for task in missing}
        supervision.note_endings(places)
        # Those that ended a job once come last: they cost no other sample another run.
        missing.sort(key=lambda task: places[task.name].exists())
        made = delegated(job, kind, common)
        if made is not None:
            return [Edit(**row) for row in made]
        with loaded(job, kind, "edit", common) as editor:
            for row in _Shard(job, editor, store).edit(missing):
                rows[row.id, row.repeat] = row
    # Without those that were not tried: a table with them is what redo.py needs.
    tried = {(task.sample.id, task.repeat) for task in missing}
    failures = [row for key, row in rows.items() if row.status == EDIT_FAILED and key in tried]
    failed = {row.id for row in failures}
    usual = {sample.id for sample in readable if not source_images.has_odd_shape(sample)}
    if len(failures) == edits and len(failed & usual) >= _SYSTEMATIC:
        raise UserError(
            f"all {len(failed)} samples of this shard failed, the first, {failures[0].id}, "
            f"with: {failures[0].reason}; mend the cause (the traceback is in the job's log) and "
            "run the same command again."
        )
    recipe = recipes.keep(job.layout, common)
    return [
        replace(rows[sample.id, repeat], approximations=job.settings.approximations, recipe=recipe)
        for sample, repeat in wanted
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


@dataclass(frozen=True)
class _Shard:
    """The missing edits of a shard under way, with the loaded editor and the store."""

    job: EditJob
    loaded: Loaded[Editor]
    store: Store

    def edit(self, tasks: Sequence[Task]) -> Iterator[Edit]:
        """Edit one sample after another.

        Beside the device one thread reads the next source and one writes the last image.
        """
        if isinstance(self.job.settings, ServedEditorSettings):
            yield from self._edit_at_once(tasks, self.job.settings)
            return
        editor, telemetry = self.loaded.model, self.loaded.telemetry
        with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
            reading = reader.submit(self._read, tasks[0])
            writing: Future[Edit] | None = None
            bar = tqdm(tasks, desc=self.job.name, unit="image", mininterval=5, file=sys.stderr)
            for number, task in enumerate(bar):
                stop_if_asked()
                began = time.monotonic()
                source = reading.result()
                waited = time.monotonic() - began
                if number + 1 < len(tasks):
                    reading = reader.submit(self._read, tasks[number + 1])
                # Another job may have stored it since this one began: one that outlived its run.
                content = self.store.get_undamaged(task.key)
                if content is not None:
                    yield edited_row(task, self.job, content)
                    continue
                if writing is not None and self.store.endings_path(task.key).exists():
                    # It ended a process before, and may again: what was made is kept first.
                    yield _written(writing)
                    writing = None
                began = time.monotonic()
                result = _edit_one(editor, task, source)
                seconds = time.monotonic() - began
                if isinstance(result, SampleError):
                    telemetry.fail(1, seconds)
                else:
                    stages = result.stages or {"editing": seconds}
                    telemetry.count(1, **{**stages, "waiting": waited})
                bar.set_postfix_str(telemetry.current(), refresh=False)
                # At most one image waits to be written, so that a full disk stops the job at once.
                if writing is not None:
                    yield _written(writing)
                    writing = None
                if isinstance(result, SampleError):
                    log.warning("sample %s: %s", task.sample.id, result)
                    yield failed_row(task, self.job, result, self.loaded.device)
                else:
                    writing = writer.submit(self._store, task, source, result, seconds)
                    log.info("sample %s edited in %.2f s", task.sample.id, seconds)
            if writing is not None:
                yield _written(writing)

    def _edit_at_once(
        self, tasks: Sequence[Task], settings: ServedEditorSettings
    ) -> Iterator[Edit]:
        """Edit as many samples at once as the server takes; each image is stored when it comes."""
        telemetry = self.loaded.telemetry

        def edit(task: Task) -> tuple[Edit, float]:
            content = self.store.get_undamaged(task.key)
            if content is not None:
                return edited_row(task, self.job, content), 0.0
            source = self._read(task)
            began = time.monotonic()
            with replies.of(self.store.replies(task.key)):
                result = _edit_one(self.loaded.model, task, source)
            seconds = time.monotonic() - began
            if isinstance(result, SampleError):
                log.warning("sample %s: %s", task.sample.id, result)
                return failed_row(task, self.job, result, self.loaded.device), seconds
            try:
                return self._store(task, source, result, seconds), seconds
            except OSError as error:
                stop_if_fatal(error)
                raise

        rows = as_they_come(tasks, self.job.at_once or settings.concurrency, edit)
        bar = tqdm(rows, desc=self.job.name, unit="image", total=len(tasks), mininterval=5,
                   file=sys.stderr)  # fmt: skip
        for row, seconds in bar:
            stop_if_asked()
            if row.status == EDITED:
                telemetry.count(1, editing=seconds)
            else:
                telemetry.fail(1, seconds)
            yield row

    def _read(self, task: Task) -> SourceImages:
        return source_images.load(task.sample, self.job.results)

    def _store(self, task: Task, source: SourceImages, made: _Made, seconds: float) -> Edit:
        """Keep an edited image, and in it how it was made; a failure if it cannot be read again."""
        edited, details = made.image, made.details
        texts = {
            "instruction": task.sample.instruction,
            "sample": task.sample.id,
            "key": task.key,
            "device": self.loaded.device,
            "made_by": dumps({**task.key_fields, **details}),
        }
        content = {
            "flags": flags([source.first, *source.more], edited),
            "seconds": round(seconds, 3),
            "width": edited.width,
            "height": edited.height,
            "device": self.loaded.device,
            "key_fields": task.key_fields,
            "details": details,
            # For whom it was made first; others that want the same find it.
            "made_for": {
                "model": self.job.name,
                "sample": task.sample.id,
                "repeat": task.repeat,
            },
        }
        data = images.encode_png(edited, texts)
        try:
            images.load(data, "the edited image")
        except ImageError as error:
            failure = SampleError("unusable_image", str(error))
            return failed_row(task, self.job, failure, self.loaded.device)
        self.store.put(task.key, content, data)
        return edited_row(task, self.job, content | {"image_sha256": images.sha256(data)})


def _written(writing: Future[Edit]) -> Edit:
    try:
        return writing.result()
    except OSError as error:
        stop_if_fatal(error)
        raise


def _edit_one(editor: Editor, task: Task, source: SourceImages) -> _Made | SampleError:
    def edit() -> _Made:
        # Copies, because a class of the user's own may draw on what it is given.
        more = further_arguments(editor, source)
        edited = editor.edit(source.first.copy(), task.sample.instruction, task.seed, **more)
        return _Made(usable(edited), _stages(editor), storable(dict(editor.details)))

    try:
        with supervision.under_way(task.name):
            return attempt(edit, f"sample {task.sample.id}")
    except SampleError as error:
        return error


def _stages(editor: Editor) -> dict[str, float]:
    """Seconds of each stage of the last image, if they can be seconds at all."""
    stages = {str(name): float(seconds) for name, seconds in editor.stages.items()}
    return stages if all(0 <= seconds < math.inf for seconds in stages.values()) else {}

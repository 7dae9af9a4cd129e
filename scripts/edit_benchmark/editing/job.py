"""An edit job: one shard's edits, from the store or from the model."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image
from tqdm import tqdm

from edit_benchmark import images
from edit_benchmark.config.editors import EditorSettings
from edit_benchmark.dataset.samples import load_source, seed
from edit_benchmark.editing.checks import flags, usable
from edit_benchmark.editing.editor import Editor
from edit_benchmark.editing.registry import KINDS
from edit_benchmark.errors import ImageError, SampleError, SkipSample, UserError
from edit_benchmark.records import EDIT_FAILED, EDITED, SKIPPED, Edit, Sample, dumps, storable
from edit_benchmark.results import recipes
from edit_benchmark.results.store import Store, made_with
from edit_benchmark.runtime import supervision
from edit_benchmark.runtime.failures import attempt, stop_if_fatal
from edit_benchmark.runtime.job import Job, Loaded, loaded

log = logging.getLogger(__name__)

# If all of a shard's samples fail, and they are at least so many, the failures have one cause: the
# job fails, so that the same command tries again once the cause is removed.
_SYSTEMATIC = 3


@dataclass(frozen=True, kw_only=True)
class EditJob(Job[EditorSettings]):
    """One shard: the samples to edit, one row each."""

    samples: Sequence[Sample]


@dataclass(frozen=True)
class _Task:
    """One edit: the sample, its seed, the fields of its key, and the key."""

    sample: Sample
    seed: int
    key_fields: dict[str, Any]
    key: str


@dataclass(frozen=True)
class _Made:
    """What an editor made: the image, how long its stages took, how it was made."""

    image: Image.Image
    stages: dict[str, float]
    details: dict[str, Any]


def edit_shard(job: EditJob) -> list[Edit]:
    """Edit the job's samples; one row for each, in their order.

    No model is loaded and no device taken if the store has every edit.

    Raises
    ------
    UserError
        If the job cannot go on, or every sample failed; finished edits are in the store.
    """
    kind = KINDS[job.settings.editor]
    common = kind.key_fields(job.settings, job.checkpoint)
    store = Store(job.layout.edit_store)
    rows: dict[str, Edit] = {}
    missing: list[_Task] = []
    for sample in job.samples:
        if sample.problem:
            rows[sample.id] = _unreadable(sample, job.name)
            continue
        task, content = _look_up(sample, job, common, store)
        given_up = supervision.given_up(store.endings_path(task.key))
        if content is not None:
            rows[sample.id] = _edited(task, job, content)
        elif given_up is not None:
            rows[sample.id] = _failed(task, job, given_up)
        else:
            missing.append(task)
    readable = [sample for sample in job.samples if not sample.problem]
    log.info(
        "%d samples, %d of them without a source image that can be read, %d in the store, "
        "%d to edit",
        len(job.samples), len(job.samples) - len(readable), len(readable) - len(missing),
        len(missing),
    )  # fmt: skip
    if missing:
        places = {task.sample.id: store.endings_path(task.key) for task in missing}
        supervision.note_endings(places)
        # Those that ended a job once come last: they cost no other sample another run.
        missing.sort(key=lambda task: places[task.sample.id].exists())
        with loaded(job, kind, "edit", common) as editor:
            for row in _Shard(job, editor, store).edit(missing):
                rows[row.id] = row
    # Without those that were not tried: a table with them is what redo.py needs.
    tried = {task.sample.id for task in missing}
    failed = [row for row in rows.values() if row.status == EDIT_FAILED and row.id in tried]
    if len(failed) == len(readable) and len(failed) >= _SYSTEMATIC:
        raise UserError(
            f"all {len(failed)} samples of this shard failed, the first, {failed[0].id}, with: "
            f"{failed[0].reason}; mend the cause (the traceback is in the job's log) and run the "
            "same command again."
        )
    recipe = recipes.keep(job.layout, common)
    return [
        replace(rows[sample.id], approximations=job.settings.approximations, recipe=recipe)
        for sample in job.samples
    ]


def _unreadable(sample: Sample, model: str) -> Edit:
    return Edit(
        id=sample.id,
        category=sample.category,
        model=model,
        status=SKIPPED,
        reason=f"unreadable_source: {sample.problem}",
    )


def _look_up(
    sample: Sample, job: EditJob, common: Mapping[str, Any], store: Store
) -> tuple[_Task, dict[str, Any] | None]:
    """A sample's task, and what the store has for it."""
    number = seed(job.settings.seed, sample.id)
    fields = {**common, **task_fields(sample, number)}
    kind = KINDS[job.settings.editor]
    stored = store.find(fields, kind.former_keys(job.settings, job.checkpoint, fields))
    return _Task(sample, number, fields, stored.key), stored.content


def task_fields(sample: Sample, seed: int) -> dict[str, Any]:
    """What is asked of an editor: the sample's part of an edit's key.

    The names here are hashed into the keys of stored edits: another name is another key.
    """
    return {
        "source_sha256": sample.source_sha256,
        "instruction": sample.instruction,
        "seed": seed,
    }


@dataclass(frozen=True)
class _Shard:
    """The missing edits of a shard under way, with the loaded editor and the store."""

    job: EditJob
    loaded: Loaded[Editor]
    store: Store

    def edit(self, tasks: Sequence[_Task]) -> Iterator[Edit]:
        """Edit one sample after another.

        Beside the device one thread reads the next source and one writes the last image.
        """
        editor, telemetry = self.loaded.model, self.loaded.telemetry
        with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
            reading = reader.submit(self._read, tasks[0])
            writing: Future[Edit] | None = None
            bar = tqdm(tasks, desc=self.job.name, unit="image", mininterval=5, file=sys.stderr)
            for number, task in enumerate(bar):
                began = time.monotonic()
                source = reading.result()
                waited = time.monotonic() - began
                if number + 1 < len(tasks):
                    reading = reader.submit(self._read, tasks[number + 1])
                # Another job may have stored it since this one began: one that outlived its run.
                content = self.store.get_undamaged(task.key)
                if content is not None:
                    yield _edited(task, self.job, content)
                    continue
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
                    yield _failed(task, self.job, result, self.loaded.device)
                else:
                    writing = writer.submit(self._store, task, source, result, seconds)
                    log.info("sample %s edited in %.2f s", task.sample.id, seconds)
            if writing is not None:
                yield _written(writing)

    def _read(self, task: _Task) -> Image.Image:
        data = load_source(task.sample, self.job.results)
        return images.load(data, f"sample {task.sample.id}")

    def _store(self, task: _Task, source: Image.Image, made: _Made, seconds: float) -> Edit:
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
            "flags": flags(source, edited),
            "seconds": round(seconds, 3),
            "width": edited.width,
            "height": edited.height,
            "device": self.loaded.device,
            "key_fields": task.key_fields,
            "details": details,
        }
        data = images.encode_png(edited, texts)
        try:
            images.load(data, "the edited image")
        except ImageError as error:
            failure = SampleError("unusable_image", str(error))
            return _failed(task, self.job, failure, self.loaded.device)
        self.store.put(task.key, content, data)
        return _edited(task, self.job, content | {"image_sha256": images.sha256(data)})


def _written(writing: Future[Edit]) -> Edit:
    try:
        return writing.result()
    except OSError as error:
        stop_if_fatal(error)
        raise


def _edit_one(editor: Editor, task: _Task, source: Image.Image) -> _Made | SampleError:
    def edit() -> _Made:
        # A copy, because a class of the user's own may draw on what it is given.
        edited = editor.edit(source.copy(), task.sample.instruction, task.seed)
        return _Made(usable(edited), _stages(editor), storable(dict(editor.details)))

    try:
        with supervision.under_way(task.sample.id):
            return attempt(edit, f"sample {task.sample.id}")
    except SampleError as error:
        return error


def _stages(editor: Editor) -> dict[str, float]:
    """Seconds of each stage of the last image, if they can be seconds at all."""
    stages = {str(name): float(seconds) for name, seconds in editor.stages.items()}
    return stages if all(0 <= seconds < math.inf for seconds in stages.values()) else {}


def _failed(task: _Task, job: EditJob, error: SampleError, device: str = "") -> Edit:
    return Edit(
        id=task.sample.id,
        category=task.sample.category,
        model=job.name,
        status=SKIPPED if isinstance(error, SkipSample) else EDIT_FAILED,
        reason=str(error),
        key=task.key,
        seed=task.seed,
        device=device,
    )


def _edited(task: _Task, job: EditJob, content: Mapping[str, Any]) -> Edit:
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
        width=content["width"],
        height=content["height"],
        device=content["device"],
        made_with=made_with(content),
    )

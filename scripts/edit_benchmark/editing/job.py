"""An edit job: one shard's edits, from the store or from the model."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from edit_benchmark import images
from edit_benchmark.config.editors import EditorSettings
from edit_benchmark.dataset.samples import load_source, seed
from edit_benchmark.editing.editor import Editor
from edit_benchmark.editing.registry import KINDS
from edit_benchmark.errors import SampleError, SkipSample, UserError
from edit_benchmark.records import EDIT_FAILED, EDITED, SKIPPED, Edit, Sample, dumps
from edit_benchmark.results.store import Store, made_with
from edit_benchmark.runtime.failures import attempt, stop_if_fatal
from edit_benchmark.runtime.job import Job, Loaded, loaded

log = logging.getLogger(__name__)

# If all of a shard's samples fail, and they are at least so many, the failures have one cause: the
# job fails, so that the same command tries again once the cause is removed.
_SYSTEMATIC = 3
# Relative difference of aspect ratios that comes from rounding sizes to multiples of 32 pixels.
_SAME_ASPECT = 0.03


@dataclass(frozen=True, kw_only=True)
class EditJob(Job[EditorSettings]):
    """One shard: the samples to edit, one row each."""

    samples: Sequence[Sample]


@dataclass(frozen=True)
class _Task:
    """One edit: the sample, its repeat and seed, the fields of its key, and the key."""

    sample: Sample
    repeat: int
    seed: int
    key_fields: dict[str, Any]
    key: str


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
    store = Store(job.layout.edit_store)
    wanted = [(sample, k) for k in range(job.settings.repeats) for sample in job.samples]
    rows: dict[tuple[str, int], Edit] = {}
    missing: list[_Task] = []
    for sample, repeat in wanted:
        if sample.problem:
            rows[sample.id, repeat] = _unreadable(sample, repeat, job.name)
            continue
        task, content = _look_up(sample, repeat, job, common, store)
        if content is None:
            missing.append(task)
        else:
            rows[sample.id, repeat] = _edited(task, job, content)
    readable = [sample for sample in job.samples if not sample.problem]
    edits = len(readable) * job.settings.repeats
    log.info(
        "%d samples, %d of them without a source image that can be read, %d edits in the store, "
        "%d to make",
        len(job.samples), len(job.samples) - len(readable), edits - len(missing), len(missing),
    )  # fmt: skip
    if missing:
        with loaded(job, kind, "edit") as editor:
            for row in _Shard(job, editor, store).edit(missing):
                rows[row.id, row.repeat] = row
    failed = [row for row in rows.values() if row.status == EDIT_FAILED]
    if len(failed) == edits and len(readable) >= _SYSTEMATIC:
        raise UserError(
            f"all {len(readable)} samples of this shard failed, the first, {failed[0].id}, "
            f"with: {failed[0].reason}; mend the cause (the traceback is in the job's log) and run "
            "the same command again."
        )
    return [
        replace(rows[sample.id, repeat], approximations=job.settings.approximations)
        for sample, repeat in wanted
    ]


def _unreadable(sample: Sample, repeat: int, model: str) -> Edit:
    return Edit(
        id=sample.id,
        category=sample.category,
        model=model,
        status=SKIPPED,
        reason=f"unreadable_source: {sample.problem}",
        repeat=repeat,
    )


def _look_up(
    sample: Sample, repeat: int, job: EditJob, common: Mapping[str, Any], store: Store
) -> tuple[_Task, dict[str, Any] | None]:
    """The task of a sample's repeat, and what the store has for it."""
    number = seed(job.settings.seed, sample.id, repeat)
    fields = {**common, **task_fields(sample, number)}
    kind = KINDS[job.settings.editor]
    stored = store.find(fields, kind.former_keys(job.settings, job.checkpoint, fields))
    return _Task(sample, repeat, number, fields, stored.key), stored.content


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
                telemetry.count(1, waiting=waited, **(editor.stages or {"editing": seconds}))
                bar.set_postfix_str(telemetry.current(), refresh=False)
                # At most one image waits to be written, so that a full disk stops the job at once.
                if writing is not None:
                    yield _written(writing)
                    writing = None
                if isinstance(result, SampleError):
                    log.warning("sample %s: %s", task.sample.id, result)
                    yield self._failed(task, result)
                else:
                    writing = writer.submit(self._store, task, source, result, seconds)
                    log.info("sample %s edited in %.2f s", task.sample.id, seconds)
            if writing is not None:
                yield _written(writing)

    def _read(self, task: _Task) -> Image.Image:
        data = load_source(task.sample, self.job.results)
        return images.load(data, f"sample {task.sample.id}")

    def _store(self, task: _Task, source: Image.Image, edited: Image.Image, seconds: float) -> Edit:
        """Keep an edited image, and in it how it was made."""
        details = dict(self.loaded.model.details)
        texts = {
            "instruction": task.sample.instruction,
            "sample": task.sample.id,
            "key": task.key,
            "device": self.loaded.device,
            "made_by": dumps({**task.key_fields, **details}),
        }
        content = {
            "flags": _flags(source, edited),
            "seconds": round(seconds, 3),
            "width": edited.width,
            "height": edited.height,
            "device": self.loaded.device,
            "key_fields": task.key_fields,
            "details": details,
        }
        data = images.encode_png(edited, texts)
        self.store.put(task.key, content, data)
        return _edited(task, self.job, content | {"image_sha256": images.sha256(data)})

    def _failed(self, task: _Task, error: SampleError) -> Edit:
        return Edit(
            id=task.sample.id,
            category=task.sample.category,
            model=self.job.name,
            status=SKIPPED if isinstance(error, SkipSample) else EDIT_FAILED,
            reason=str(error),
            repeat=task.repeat,
            key=task.key,
            seed=task.seed,
            device=self.loaded.device,
        )


def _written(writing: Future[Edit]) -> Edit:
    try:
        return writing.result()
    except OSError as error:
        stop_if_fatal(error)
        raise


def _edit_one(editor: Editor, task: _Task, source: Image.Image) -> Image.Image | SampleError:
    what = f"sample {task.sample.id}"
    try:
        edited = attempt(lambda: editor.edit(source, task.sample.instruction, task.seed), what)
    except SampleError as error:
        return error
    # A class of the user's own may return anything.
    if not isinstance(edited, Image.Image):
        return SampleError("no_image", f"the editor returned a {type(edited).__name__}")
    edited = edited.convert("RGB")
    if not np.asarray(edited).any():
        # What a VAE leaves of NaN once it is cast to bytes.
        return SampleError("black_image", "every pixel of the edited image is black")
    return edited


def _flags(source: Image.Image, edited: Image.Image) -> list[str]:
    flags = []
    if edited.size != source.size:
        aspect = edited.width / edited.height * source.height / source.width
        flags.append("other_size" if abs(aspect - 1) <= _SAME_ASPECT else "other_aspect_ratio")
    elif np.array_equal(np.asarray(source), np.asarray(edited)):
        flags.append("identical_to_source")
    if (np.ptp(np.asarray(edited), axis=(0, 1)) == 0).all():
        flags.append("single_colour")
    return flags


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
        repeat=task.repeat,
        width=content["width"],
        height=content["height"],
        device=content["device"],
        made_with=made_with(content),
    )

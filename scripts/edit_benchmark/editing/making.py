"""Making edits with a loaded editor: read, edit, check, store, one row each."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from PIL import Image
from tqdm import tqdm

from edit_benchmark import images
from edit_benchmark.config.editors import EditorSettings, ServedEditorSettings
from edit_benchmark.dataset import source_images
from edit_benchmark.dataset.source_images import SourceImages
from edit_benchmark.editing.capabilities import further_arguments
from edit_benchmark.editing.checks import flags, usable
from edit_benchmark.editing.editor import Editor
from edit_benchmark.editing.rows import Task, edited_row, failed_row
from edit_benchmark.errors import ImageError, SampleError
from edit_benchmark.records import EDITED, Edit, dumps, storable
from edit_benchmark.results import replies
from edit_benchmark.results.store import Store
from edit_benchmark.runtime import supervision
from edit_benchmark.runtime.at_once import as_they_come
from edit_benchmark.runtime.failures import attempt, stop_if_fatal
from edit_benchmark.runtime.job import Job, Loaded
from edit_benchmark.runtime.keeping.resident import stop_if_asked

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Made:
    """What an editor made: the image, how long its stages took, how it was made."""

    image: Image.Image
    stages: dict[str, float]
    details: dict[str, Any]


@dataclass(frozen=True)
class Making:
    """The missing edits of a job under way, with the loaded editor and the store."""

    job: Job[EditorSettings]
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

"""Editing the samples of one shard: from the store what is there, from the model what is not."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from edit_benchmark import images as pictures
from edit_benchmark.checkpoints import resolve as checkpoints
from edit_benchmark.checkpoints.resolve import Checkpoint
from edit_benchmark.dataset.samples import load_source, seed
from edit_benchmark.editing import registry as editors
from edit_benchmark.errors import SampleError, SkipSample, UserError
from edit_benchmark.records import EDIT_FAILED, EDITED, SKIPPED, Edit, Sample, dumps
from edit_benchmark.results.store import Damaged, Store, key_of
from edit_benchmark.runtime import devices
from edit_benchmark.runtime.failures import attempt, loading, stop_if_fatal
from edit_benchmark.runtime.telemetry import Meter

log = logging.getLogger(__name__)

# A shard of which every one of at least so many samples failed has one cause, not many: its job
# fails, so that the same command tries again once the cause is mended.
_SYSTEMATIC = 3
_SAME_ASPECT = 0.03  # relative difference up to which pipelines that round sizes to 32 pixels go


@dataclass(frozen=True)
class Task:
    """One edit to be made or found: the sample, its seed and the facts behind its key."""

    sample: Sample
    seed: int
    facts: dict[str, Any]
    key: str


def edit_shard(
    samples: Sequence[Sample],
    model: str,
    settings: Mapping[str, Any],
    checkpoint_record: Path,
    results: Path,
    request: devices.Request,
) -> list[Edit]:
    """Edit ``samples`` with one model; one row for each, in their order.

    No model is loaded and no device taken if the store has every edit.

    Raises
    ------
    UserError
        If the job cannot go on, or every sample failed; what was finished is in the store.
    """
    checkpoint = checkpoints.read(checkpoint_record)
    store = Store(results / "store" / "edits")
    common = editors.facts(settings, checkpoint)
    tasks = [_task(sample, settings, common) for sample in samples]
    rows: dict[str, Edit] = {}
    missing = []
    for task in tasks:
        fields = found(store, task.key)
        if fields is None:
            missing.append(task)
        else:
            rows[task.sample.id] = _edited(task, model, store, results, fields)
    log.info("%d samples, %d in the store, %d to edit", len(tasks), len(rows), len(missing))
    if missing:
        if checkpoint is not None:
            checkpoints.check_unchanged(checkpoint, str(checkpoint_record))
        for row in _edit_missing(missing, model, settings, checkpoint, store, results, request):
            rows[row.id] = row
    failed = [row for row in rows.values() if row.status == EDIT_FAILED]
    if len(failed) == len(rows) and len(failed) >= _SYSTEMATIC:
        raise UserError(
            f"all {len(failed)} samples of this shard failed, the first, {failed[0].id}, with: "
            f"{failed[0].reason}; mend the cause (the traceback is in the job's log) and run the "
            "same command again."
        )
    named = editors.approximations(settings)
    return [replace(rows[task.sample.id], approximations=named) for task in tasks]


def found(store: Store, key: str) -> dict[str, Any] | None:
    """What the store has under ``key``; damaged work is reported and counts as missing."""
    try:
        return store.get(key)
    except Damaged as damage:
        log.warning("%s: made again", damage)
        return None


def _task(sample: Sample, settings: Mapping[str, Any], common: Mapping[str, Any]) -> Task:
    number = seed(settings["seed"], sample.id)
    facts = {
        **common,
        "source_sha256": sample.source_sha256,
        "instruction": sample.instruction,
        "seed": number,
    }
    return Task(sample, number, facts, key_of(facts))


def _edit_missing(
    tasks: Sequence[Task],
    model: str,
    settings: Mapping[str, Any],
    checkpoint: Checkpoint | None,
    store: Store,
    results: Path,
    request: devices.Request,
) -> Iterator[Edit]:
    if settings["editor"] in editors.DEVICE_FREE:
        editor = editors.build(settings, None, "cpu")
        yield from _edit_all(tasks, model, editor, "none", store, results, Meter(None))
        return
    with devices.lease(request) as device:
        log.info("device %s", device.label)
        with devices.load_slot(request, partial(editors.import_libraries, settings, checkpoint)):
            if checkpoint is not None:
                devices.check_memory(device, checkpoint.weight_bytes, checkpoint.name)
            began = time.monotonic()
            editor = loading(
                lambda: editors.build(settings, checkpoint, device.torch_name), f"model {model}"
            )
            compiling = getattr(editor, "compile_seconds", 0.0)
            meter = Meter(device, time.monotonic() - began, compiling)
            log.info("model %s loaded in %.1f s", model, meter.load_seconds)
        name = device.gpu.name if device.gpu else device.torch_name
        with meter.sampling():
            yield from _edit_all(tasks, model, editor, name, store, results, meter)
        log.info("%s", meter.line())
        meter.keep(results / "timings.jsonl", "edit", model)


def _edit_all(
    tasks: Sequence[Task],
    model: str,
    editor: editors.Editor,
    device: str,
    store: Store,
    results: Path,
    meter: Meter,
) -> Iterator[Edit]:
    """Edit one after another; beside the device one thread reads ahead, one writes pictures."""
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        ahead = reader.submit(_read, tasks[0], results)
        written: Future[Edit] | None = None
        details = getattr(editor, "details", {})
        progress = tqdm(tasks, desc=model, unit="image", mininterval=5, file=sys.stderr)
        for number, task in enumerate(progress):
            waited = time.monotonic()
            source = ahead.result()
            waited = time.monotonic() - waited
            if number + 1 < len(tasks):
                ahead = reader.submit(_read, tasks[number + 1], results)
            # A job that outlived its killed run may have made it since this one began.
            fields = found(store, task.key)
            if fields is not None:
                yield _edited(task, model, store, results, fields)
                continue
            began = time.monotonic()
            outcome = _edit_one(editor, task, source)
            seconds = time.monotonic() - began
            stages = getattr(editor, "stages", None) or {"editing": seconds}
            meter.count(1, waiting=waited, **stages)
            progress.set_postfix_str(meter.now(), refresh=False)
            # At most one picture waits to be written: a full disk stops the job at once.
            if written is not None:
                yield _result(written)
            if isinstance(outcome, SampleError):
                log.warning("sample %s: %s", task.sample.id, outcome)
                written = None
                yield _failed(task, model, outcome, device)
            else:
                written = writer.submit(
                    _keep, task, model, source, outcome, seconds, device, details, store, results
                )
                log.info("sample %s edited in %.2f s", task.sample.id, seconds)
        if written is not None:
            yield _result(written)


def _result(written: Future[Edit]) -> Edit:
    try:
        return written.result()
    except OSError as error:
        stop_if_fatal(error)
        raise


def _read(task: Task, results: Path) -> Image.Image:
    return pictures.load(load_source(task.sample, results), f"sample {task.sample.id}")


def _edit_one(editor: editors.Editor, task: Task, source: Image.Image) -> Image.Image | SampleError:
    what = f"sample {task.sample.id}"
    try:
        edited = attempt(lambda: editor.edit(source, task.sample.instruction, task.seed), what)
    except SampleError as error:
        return error
    if not isinstance(edited, Image.Image):
        return SampleError("no_picture", f"the editor returned a {type(edited).__name__}")
    edited = edited.convert("RGB")
    if not np.asarray(edited).any():
        # What a VAE leaves of NaN once it is cast to bytes.
        return SampleError("black_picture", "every pixel of the edited picture is black")
    return edited


def _keep(
    task: Task,
    model: str,
    source: Image.Image,
    edited: Image.Image,
    seconds: float,
    device: str,
    details: Mapping[str, Any],
    store: Store,
    results: Path,
) -> Edit:
    texts = {
        "instruction": task.sample.instruction,
        "sample": task.sample.id,
        "key": task.key,
        "device": device,
        "made_by": dumps({**task.facts, **details}),
    }
    fields = {
        "flags": _flags(source, edited),
        "seconds": round(seconds, 3),
        "width": edited.width,
        "height": edited.height,
        "device": device,
        "facts": task.facts,
        "details": dict(details),
    }
    data = pictures.encode_png(edited, texts)
    store.put(task.key, fields, data)
    return _edited(task, model, store, results, fields | {"picture_sha256": pictures.sha256(data)})


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


def _edited(task: Task, model: str, store: Store, results: Path, fields: Mapping[str, Any]) -> Edit:
    return Edit(
        id=task.sample.id,
        category=task.sample.category,
        model=model,
        status=EDITED,
        flags=fields["flags"],
        key=task.key,
        seed=task.seed,
        seconds=fields["seconds"],
        picture=store.picture_path(task.key).relative_to(results).as_posix(),
        picture_sha256=fields["picture_sha256"],
        width=fields["width"],
        height=fields["height"],
        device=fields["device"],
    )


def _failed(task: Task, model: str, error: SampleError, device: str) -> Edit:
    return Edit(
        id=task.sample.id,
        category=task.sample.category,
        model=model,
        status=SKIPPED if isinstance(error, SkipSample) else EDIT_FAILED,
        reason=str(error),
        key=task.key,
        seed=task.seed,
        device=device,
    )

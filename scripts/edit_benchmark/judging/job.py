"""Scoring edited pictures with one judge: from the store what it has answered, else asking it."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from edit_benchmark import images as pictures
from edit_benchmark.checkpoints import resolve as checkpoints
from edit_benchmark.checkpoints.resolve import Checkpoint
from edit_benchmark.dataset.samples import load_source
from edit_benchmark.editing.job import found
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging import registry as judges
from edit_benchmark.judging.batching import answers_of, read_ahead
from edit_benchmark.judging.registry import Case
from edit_benchmark.judging.rubrics import Rubric, overall
from edit_benchmark.records import EDITED, JUDGE_FAILED, SCORED, Edit, Sample, Score
from edit_benchmark.results.store import Store, key_of
from edit_benchmark.runtime import devices
from edit_benchmark.runtime.failures import loading, stop_if_fatal
from edit_benchmark.runtime.telemetry import Meter, process_seconds

log = logging.getLogger(__name__)

# So many answers in a row from the first on without one that can be used: the judge, not the
# pictures, is at fault.
_SYSTEMATIC = 10


@dataclass(frozen=True)
class Task:
    """One edit to be judged: sample, edit and the key of the answer."""

    sample: Sample
    edit: Edit
    key: str


def chunk(edits: Sequence[Edit], number: int, size: int) -> list[Edit]:
    """The edited rows that score job ``number`` (from 1) takes, ``size`` at most."""
    edited = [edit for edit in edits if edit.status == EDITED]
    return edited[(number - 1) * size : number * size]


def chunks(edits: Sequence[Edit], size: int) -> int:
    """How many score jobs the edited rows make; one even if there are none."""
    return max(1, -(-sum(edit.status == EDITED for edit in edits) // size))


def score_edits(
    samples: Sequence[Sample],
    edits: Sequence[Edit],
    judge: str,
    settings: Mapping[str, Any],
    rubric: Rubric,
    checkpoint_record: Path,
    results: Path,
    request: devices.Request,
) -> list[Score]:
    """One row for each of ``edits``, all of them edited, in their order.

    No judge is loaded and no device taken if the store has every answer.

    Raises
    ------
    UserError
        If the job cannot go on, or the judge's first answers are all unusable; answers given so
        far are in the store.
    """
    checkpoint = checkpoints.read(checkpoint_record)
    store = Store(results / "store" / "answers")
    common = judges.facts(settings, checkpoint)
    by_id = {sample.id: sample for sample in samples}
    tasks = [_task(by_id[edit.id], edit, rubric, settings, common) for edit in edits]
    rows: dict[str, Score] = {}
    missing = []
    for task in tasks:
        fields = found(store, task.key)
        if fields is None:
            missing.append(task)
        else:
            rows[task.sample.id] = _scored(task, judge, fields)
    log.info("%d edits, %d answers in the store, %d to ask", len(tasks), len(rows), len(missing))
    if missing:
        if checkpoint is not None:
            checkpoints.check_unchanged(checkpoint, str(checkpoint_record))
        for row in _ask(missing, judge, settings, rubric, checkpoint, store, results, request):
            rows[row.id] = row
    return [rows[task.sample.id] for task in tasks]


def complete(edits: Sequence[Edit], scores: Sequence[Score], judge: str) -> list[Score]:
    """The category's table: a row for every sample, those without an edit carrying its status.

    Raises
    ------
    UserError
        If an edited sample has no score row.
    """
    by_id = {score.id: score for score in scores}
    rows = []
    for edit in edits:
        if edit.status == EDITED:
            if edit.id not in by_id:
                raise UserError(
                    f"sample {edit.id} was edited but not judged: the score tables are of other "
                    "edits; run again with --forcerun score."
                )
            rows.append(by_id[edit.id])
        else:
            rows.append(_row(edit, judge, status=edit.status, reason=edit.reason))
    return rows


def _task(
    sample: Sample,
    edit: Edit,
    rubric: Rubric,
    settings: Mapping[str, Any],
    common: Mapping[str, Any],
) -> Task:
    facts = {
        **common,
        **judges.questions(rubric, sample, settings["method"]),
        "picture_sha256": edit.picture_sha256,
        "source_sha256": sample.source_sha256 if rubric.see_source else None,
    }
    return Task(sample, edit, key_of(facts))


def _ask(
    tasks: Sequence[Task],
    judge: str,
    settings: Mapping[str, Any],
    rubric: Rubric,
    checkpoint: Checkpoint | None,
    store: Store,
    results: Path,
    request: devices.Request,
) -> Iterator[Score]:
    with devices.lease(request) as device:
        log.info("device %s", device.label)
        with devices.load_slot(request, partial(judges.import_libraries, settings, checkpoint)):
            if checkpoint is not None:
                devices.check_memory(device, checkpoint.weight_bytes, checkpoint.name)
            began = time.monotonic()
            loaded = loading(
                lambda: judges.build(settings, checkpoint, device.torch_name), f"judge {judge}"
            )
            meter = Meter(device, time.monotonic() - began)
            log.info("judge %s loaded in %.1f s", judge, meter.load_seconds)
        failures: list[SampleError] = []
        answered = 0
        progress = tqdm(total=len(tasks), desc=judge, unit="image", mininterval=5, file=sys.stderr)
        with meter.sampling():
            for batch in read_ahead(
                tasks,
                settings["batch_size"],
                lambda task: case_of(task.sample, task.edit, rubric, results),
                loaded,
            ):
                began = time.monotonic()
                answers = answers_of(loaded, batch.cases)
                spent = time.monotonic() - began
                if not answered and not failures:
                    log.info("first answers %.1f s after the process began", process_seconds())
                seconds = round(spent / len(batch.tasks), 3)
                meter.count(len(batch.tasks), reading=batch.seconds, judging=spent)
                for task, answer in zip(batch.tasks, answers, strict=True):
                    if isinstance(answer, SampleError):
                        log.warning("sample %s: %s", task.sample.id, answer)
                        failures.append(answer)
                        yield _row(
                            task.edit, judge, status=JUDGE_FAILED, reason=str(answer),
                            judge_seconds=seconds,
                        )  # fmt: skip
                        continue
                    answered += 1
                    fields = {
                        "criteria": answer.criteria,
                        "text": answer.text,
                        "details": answer.details,
                        "seconds": seconds,
                    }
                    _keep(store, task.key, fields)
                    yield _scored(task, judge, fields)
                if not answered and len(failures) >= _SYSTEMATIC:
                    raise UserError(
                        f"the first {len(failures)} answers of judge {judge} cannot be used, the "
                        f"first because: {failures[0]}; use a judge that follows the rubric, or "
                        "another method, and run the same command again."
                    )
                progress.set_postfix_str(meter.now(), refresh=False)
                progress.update(len(batch.tasks))
        progress.close()
        log.info("%s", meter.line())
        meter.keep(results / "timings.jsonl", "score", judge)


def case_of(sample: Sample, edit: Edit, rubric: Rubric, results: Path) -> Case:
    """What a judge is shown of an edit.

    Raises
    ------
    UserError
        If a picture is missing or is not the one that was edited.
    """
    path = results / edit.picture
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: the edited picture cannot be read ({error.strerror}); run again with "
            "--forcerun edit, which makes only what is missing."
        ) from None
    if pictures.sha256(data) != edit.picture_sha256:
        raise UserError(
            f"{path}: not the picture that was edited (another hash); run again with --forcerun "
            "edit, which makes only what is missing."
        )
    return Case(
        sample=sample,
        source=pictures.load(load_source(sample, results), f"sample {sample.id}"),
        edited=pictures.load(data, str(path)),
        rubric=rubric,
    )


def _keep(store: Store, key: str, fields: Mapping[str, Any]) -> None:
    try:
        store.put(key, fields)
    except OSError as error:
        stop_if_fatal(error)
        raise


def _scored(task: Task, judge: str, fields: Mapping[str, Any]) -> Score:
    return _row(
        task.edit,
        judge,
        status=SCORED,
        score=overall(fields["criteria"]),
        criteria=fields["criteria"],
        answer_key=task.key,
        judge_seconds=fields["seconds"],
        text=fields["text"],
    )


def _row(edit: Edit, judge: str, **fields: Any) -> Score:
    return Score(
        id=edit.id,
        category=edit.category,
        model=edit.model,
        judge=judge,
        flags=edit.flags,
        seed=edit.seed,
        key=edit.key,
        edit_seconds=edit.seconds,
        picture=edit.picture,
        approximations=edit.approximations,
        **fields,
    )

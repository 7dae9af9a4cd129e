"""A score job: edited images scored by one judge, from the store or by asking the judge."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from tqdm import tqdm

from edit_benchmark import images
from edit_benchmark.config.judges import JudgeSettings, TransformersJudgeSettings
from edit_benchmark.dataset.samples import load_source
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging.batching import Batch, answers_of, read_ahead
from edit_benchmark.judging.judge import Answer, Case, Judge
from edit_benchmark.judging.registry import KINDS
from edit_benchmark.judging.rubrics import Rubric, overall
from edit_benchmark.records import JUDGE_FAILED, SCORED, Edit, Sample, Score
from edit_benchmark.results.store import Store, made_with
from edit_benchmark.runtime.failures import stop_if_fatal
from edit_benchmark.runtime.job import Job, Loaded, loaded
from edit_benchmark.runtime.telemetry import process_seconds

log = logging.getLogger(__name__)

# If none of the first answers can be used, and they are so many, the cause is the judge and not
# the images.
_SYSTEMATIC = 10


@dataclass(frozen=True, kw_only=True)
class ScoreJob(Job[JudgeSettings]):
    """A part of a category.

    Attributes
    ----------
    edits
        Those to score, all of them with the status edited.
    samples
        All samples of the benchmark.
    rubric
        What is asked about the edits.
    """

    edits: Sequence[Edit]
    samples: Sequence[Sample]
    rubric: Rubric


@dataclass(frozen=True)
class _Task:
    """One edit to be judged: sample, edit, the fields of the answer's key, and the key."""

    sample: Sample
    edit: Edit
    key_fields: dict[str, Any]
    key: str


def score_edits(job: ScoreJob) -> list[Score]:
    """One row for each of the job's edits, in their order.

    No judge is loaded and no device taken if the store has every answer.

    Raises
    ------
    UserError
        If the job cannot go on, or the judge's first answers are all unusable; answers given so
        far are in the store.
    """
    kind = KINDS[job.settings.judge]
    common = kind.key_fields(job.settings, job.checkpoint)
    store = Store(job.layout.answer_store)
    by_id = {sample.id: sample for sample in job.samples}
    rows: dict[tuple[str, int], Score] = {}
    missing: list[_Task] = []
    for edit in job.edits:
        sample = by_id[edit.id]
        fields = {**common, **question_fields(job.settings, job.rubric, sample, edit)}
        stored = store.find(fields, kind.former_keys(job.settings, job.checkpoint, fields))
        task = _Task(sample, edit, fields, stored.key)
        if stored.content is None:
            missing.append(task)
        else:
            rows[edit.id, edit.repeat] = _scored(task, job, stored.content)
    log.info("%d edits, %d answers in the store, %d to ask",
             len(job.edits), len(rows), len(missing))  # fmt: skip
    if missing:
        with loaded(job, kind, "score") as judge:
            for row in _ask(missing, job, judge, store):
                rows[row.id, row.repeat] = row
    return [rows[edit.id, edit.repeat] for edit in job.edits]


def question_fields(
    settings: JudgeSettings, rubric: Rubric, sample: Sample, edit: Edit
) -> dict[str, Any]:
    """What is asked about a sample, word for word: the question's part of an answer's key.

    The names here are hashed into the keys of stored answers: another name is another key.
    """
    writes = isinstance(settings, TransformersJudgeSettings) and settings.method == "generated"
    return {
        "shared": rubric.shared_text(sample),
        "asked": (
            [rubric.generated_question()]
            if writes
            else [rubric.expected_question(criterion) for criterion in rubric.criteria]
        ),
        "headings": [rubric.texts["source"], rubric.texts["edited"]],
        "criteria": [criterion.key for criterion in rubric.criteria],
        "labels": rubric.labels,
        "not_applicable": rubric.not_applicable,
        "see_source": rubric.see_source,
        "picture_sha256": edit.image_sha256,
        "source_sha256": sample.source_sha256 if rubric.see_source else None,
    }


def _ask(
    tasks: Sequence[_Task], job: ScoreJob, judge: Loaded[Judge], store: Store
) -> Iterator[Score]:
    """Ask the judge in batches; each answer is in the store before its row is yielded."""
    failures: list[SampleError] = []
    answered = 0

    def read(task: _Task) -> Case:
        return case_of(task.sample, task.edit, job.rubric, job.results)

    bar = tqdm(total=len(tasks), desc=job.name, unit="image", mininterval=5, file=sys.stderr)
    with bar:
        for batch in read_ahead(tasks, job.settings.batch_size, read, judge.model):
            answers, seconds = _timed_answers(batch, judge)
            if not answered and not failures:
                log.info("first answers %.1f s after the process began", process_seconds())
            for task, answer in zip(batch.tasks, answers, strict=True):
                if isinstance(answer, SampleError):
                    log.warning("sample %s: %s", task.sample.id, answer)
                    failures.append(answer)
                    yield Score.of_edit(
                        task.edit, job.name, status=JUDGE_FAILED, reason=str(answer),
                        judge_seconds=seconds,
                    )  # fmt: skip
                else:
                    answered += 1
                    yield _scored(task, job, _keep(store, task, answer, seconds))
            if not answered and len(failures) >= _SYSTEMATIC:
                raise UserError(
                    f"the first {len(failures)} answers of judge {job.name} cannot be used, the "
                    f"first because: {failures[0]}; use a judge that follows the rubric, or "
                    "another method, and run the same command again."
                )
            bar.set_postfix_str(judge.telemetry.current(), refresh=False)
            bar.update(len(batch.tasks))


def _timed_answers(
    batch: Batch[_Task], judge: Loaded[Judge]
) -> tuple[list[Answer | SampleError], float]:
    """The answers to a batch, and the seconds an image."""
    began = time.monotonic()
    answers = answers_of(judge.model, batch.cases)
    spent = time.monotonic() - began
    judge.telemetry.count(len(batch.tasks), reading=batch.seconds, judging=spent)
    return answers, round(spent / len(batch.tasks), 3)


def _keep(store: Store, task: _Task, answer: Answer, seconds: float) -> dict[str, Any]:
    """Store an answer; the content of its record."""
    content = {
        "criteria": answer.criteria,
        "text": answer.text,
        "details": answer.details,
        "seconds": seconds,
        "key_fields": task.key_fields,
    }
    try:
        store.put(task.key, content)
    except OSError as error:
        stop_if_fatal(error)
        raise
    return content


def case_of(sample: Sample, edit: Edit, rubric: Rubric, results: Path) -> Case:
    """What a judge is shown of an edit.

    Raises
    ------
    UserError
        If an image is missing or is not the one that was edited.
    """
    path = results / edit.image
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: the edited image cannot be read ({error.strerror}); run again with "
            "--forcerun edit, which makes only what is missing."
        ) from None
    if images.sha256(data) != edit.image_sha256:
        raise UserError(
            f"{path}: not the image that was edited (another hash); run again with --forcerun "
            "edit, which makes only what is missing."
        )
    return Case(
        sample=sample,
        source=images.load(load_source(sample, results), f"sample {sample.id}"),
        edited=images.load(data, str(path)),
        rubric=rubric,
    )


def _scored(task: _Task, job: ScoreJob, content: Mapping[str, Any]) -> Score:
    return Score.of_edit(
        task.edit,
        job.name,
        status=SCORED,
        score=overall(content["criteria"]),
        criteria=content["criteria"],
        answer_key=task.key,
        judge_seconds=content["seconds"],
        judged_with=made_with(content),
        text=content["text"],
        mass=_mass(content.get("details") or {}),
    )


def _mass(details: Mapping[str, Any]) -> float | None:
    """The mean probability of the labels over the criteria; None if the answer has none."""
    parts = [part.get("mass") for part in details.values() if isinstance(part, Mapping)]
    masses = [mass for mass in parts if isinstance(mass, float)]
    return round(fmean(masses), 6) if masses else None

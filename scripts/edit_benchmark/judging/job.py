"""A score job: edited images scored by one judge, from the store or by asking the judge."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from tqdm import tqdm

from edit_benchmark import images
from edit_benchmark.config.judges import (
    JudgeSettings,
    PixelsJudgeSettings,
    ServedJudgeSettings,
    TransformersJudgeSettings,
)
from edit_benchmark.dataset import source_images
from edit_benchmark.errors import ImageError, SampleError, UserError
from edit_benchmark.judging.batching import (
    Answered,
    ask_one,
    count_answers,
    in_batches,
)
from edit_benchmark.judging.judge import Answer, Case, Judge, Unreadable
from edit_benchmark.judging.protocols import Protocol, Question
from edit_benchmark.judging.reading import content_of, masses, read
from edit_benchmark.judging.registry import KINDS
from edit_benchmark.judging.rubrics import Rubric, overall
from edit_benchmark.judging.turns import case_of_question
from edit_benchmark.records import JUDGE_FAILED, SCORED, Edit, Sample, Score
from edit_benchmark.results import edited_images, recipes, replies
from edit_benchmark.results.former_keys import former_keys
from edit_benchmark.results.store import Store, made_with
from edit_benchmark.runtime import supervision
from edit_benchmark.runtime.at_once import as_they_come
from edit_benchmark.runtime.failures import stop_if_fatal
from edit_benchmark.runtime.job import Job, Loaded, delegated, loaded
from edit_benchmark.runtime.keeping.resident import stop_if_asked
from edit_benchmark.runtime.telemetry import job_seconds

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
    asked
        What is asked about the edits.
    """

    edits: Sequence[Edit]
    samples: Sequence[Sample]
    asked: Rubric | Protocol


@dataclass(frozen=True)
class _Task:
    """One question about an edit: by a rubric, or one call of a protocol.

    Attributes
    ----------
    key_fields, key
        The fields of the answer's key, and the key.
    """

    sample: Sample
    edit: Edit
    question: Rubric | Question
    key_fields: dict[str, Any]
    key: str

    @property
    def rubric(self) -> Rubric:
        """What the answer is read by."""
        return self.question.rubric if isinstance(self.question, Question) else self.question

    @property
    def call(self) -> str:
        """The name of a protocol's call; empty for a rubric."""
        return self.question.name if isinstance(self.question, Question) else ""

    @property
    def name(self) -> str:
        """What messages call it, as of its case."""
        return f"{self.edit.name}, {self.call}" if self.call else self.edit.name


def score_edits(job: ScoreJob) -> list[Score]:
    """One row for each of the job's edits, in their order.

    No judge is loaded and no device taken if the store has every answer. An answer that is no score
    is in the store too: the judge would give it again.

    Raises
    ------
    UserError
        If the job cannot go on, or the judge's first answers are all unusable; answers given so
        far are in the store.
    """
    kind = KINDS[job.settings.judge]
    common = kind.key_fields(job.settings, job.checkpoint)
    former = kind.former_key_fields(job.settings, job.checkpoint, common)
    store = Store(job.layout.answer_store)
    by_id = {sample.id: sample for sample in job.samples}
    rows: dict[tuple[str, int], dict[str, Score]] = {}
    tasks: list[_Task] = []
    missing: list[_Task] = []
    for edit in job.edits:
        sample, of_edit = by_id[edit.id], rows.setdefault((edit.id, edit.repeat), {})
        try:
            questions = questions_of(job.asked, sample)
        except SampleError as error:
            of_edit[""] = Score.of_edit(edit, job.name, status=JUDGE_FAILED, reason=str(error))
            continue
        for question in questions:
            asked = question_fields(job.settings, question, sample, edit)
            fields = {**common, **asked}
            stored = store.find(fields, former_keys(former, asked))
            task = _Task(sample, edit, question, fields, stored.key)
            given_up = supervision.given_up(store.endings_path(stored.key))
            if stored.content is None and given_up is not None:
                of_edit[task.call] = Score.of_edit(
                    edit, job.name, status=JUDGE_FAILED, reason=str(given_up), answer_key=stored.key
                )
                continue
            tasks.append(task)
            if stored.content is None:
                missing.append(task)
            else:
                of_edit[task.call] = _row(task, job, stored.content)
    found = [row for of_edit in rows.values() for row in of_edit.values()]
    if len(tasks) - len(missing) >= _SYSTEMATIC and not _scored(found):
        if not isinstance(job.settings, ServedJudgeSettings):
            # The cause was not the images. It may have been mended, such as a broken device.
            missing = tasks
        elif missing:
            # They were paid, and would be again.
            raise _unusable(job, [row.reason for row in found])
    log.info("%d edits, %d answers in the store, %d to ask",
             len(job.edits), len(found), len(missing))  # fmt: skip
    if missing:
        made = delegated(job, kind, common)
        if made is not None:
            return [Score(**row) for row in made]
        with loaded(job, kind, "score", common) as judge:
            # Another job may have stored some since this one began: one that outlived its run.
            for task in [] if missing is tasks else list(missing):
                if (content := store.get_undamaged(task.key)) is not None:
                    rows[task.edit.id, task.edit.repeat][task.call] = _row(task, job, content)
                    missing.remove(task)
            for task, row in _ask(missing, job, judge, store, has_scores=_scored(found)):
                rows[row.id, row.repeat][task.call] = row
    recipe = recipes.keep(job.layout, {**common, "rubric_sha256": job.asked.sha256})
    whole = [_whole(job, by_id[edit.id], edit, rows[edit.id, edit.repeat]) for edit in job.edits]
    return [replace(row, answer_recipe=recipe) for row in whole]


def questions_of(asked: Rubric | Protocol, sample: Sample) -> Sequence[Rubric | Question]:
    """All that is asked about an edit of a sample.

    Raises
    ------
    SampleError
        If a protocol cannot be used with the sample.
    """
    return asked.questions(sample) if isinstance(asked, Protocol) else [asked]


def _whole(job: ScoreJob, sample: Sample, edit: Edit, rows: Mapping[str, Score]) -> Score:
    """The row of an edit from those of its questions."""
    if isinstance(job.asked, Rubric) or "" in rows:
        return rows[""]
    # In the protocol's order, whichever answers were in the store.
    names = [question.name for question in job.asked.questions(sample)]
    return job.asked.joined(sample, edit, job.name, {name: rows[name] for name in names})


def question_fields(
    settings: JudgeSettings, asked: Rubric | Question, sample: Sample, edit: Edit
) -> dict[str, Any]:
    """What is asked about a sample, word for word: the question's part of an answer's key.

    The names here are hashed into the keys of stored answers: another name is another key.
    """
    if isinstance(settings, PixelsJudgeSettings):
        return _compared_fields(settings, sample, edit)
    if isinstance(asked, Question):
        return asked.fields(sample, edit)
    rubric = asked
    writes = (
        isinstance(settings, TransformersJudgeSettings | ServedJudgeSettings)
        and settings.method == "generated"
    )
    fields: dict[str, Any] = {
        "shared": rubric.shared_text(sample),
        "asked": (
            [rubric.generated_question()]
            if writes
            else [rubric.expected_question(criterion) for criterion in rubric.criteria]
        ),
        "headings": [*rubric.source_headings(len(sample.sources)), rubric.texts["edited"]],
        "criteria": [criterion.key for criterion in rubric.criteria],
        "labels": rubric.labels,
        "not_applicable": rubric.not_applicable,
        "see_source": rubric.see_source,
        "picture_sha256": edit.image_sha256,
        "source_sha256": sample.source_sha256 if rubric.see_source else None,
    }
    # Samples of one source image have the keys of before there were others.
    if sample.more_sources and rubric.see_source:
        fields["more_source_sha256"] = sample.more_source_sha256
    if sample.mask:
        fields["mask_sha256"] = sample.mask_sha256
    return fields


def _compared_fields(settings: PixelsJudgeSettings, sample: Sample, edit: Edit) -> dict[str, Any]:
    """What a measure compares with the edit: the source image, or the instruction."""
    if settings.measure == "clip_t":
        return {"picture_sha256": edit.image_sha256, "text": sample.instruction}
    fields = {"picture_sha256": edit.image_sha256, "source_sha256": sample.source_sha256}
    # Features are of whole images.
    if sample.mask and settings.checkpoint is None:
        fields["mask_sha256"] = sample.mask_sha256
    return fields


def _ask(
    tasks: Sequence[_Task], job: ScoreJob, judge: Loaded[Judge], store: Store, has_scores: bool
) -> Iterator[tuple[_Task, Score]]:
    """Ask the judge in batches; each answer is in the store before its row is yielded."""
    failures: list[str] = []
    is_first = True
    bar = tqdm(total=len(tasks), desc=job.name, unit="image", mininterval=5, file=sys.stderr)
    with bar:
        for answered in _answers(tasks, job, judge.model, store):
            stop_if_asked()
            spent = answered.judging
            count_answers(
                judge.telemetry, answered.answers, judging=spent, reading=answered.reading
            )
            seconds = round(spent / len(answered.tasks), 3)
            if is_first:
                log.info("first answers %.1f s after the job began", job_seconds())
            is_first = False
            for task, answer in zip(answered.tasks, answered.answers, strict=True):
                row = _row_of_answer(task, job, answer, seconds, store)
                if row.status == JUDGE_FAILED:
                    log.warning("sample %s: %s", row.id, row.reason)
                    if not source_images.has_odd_shape(task.sample):
                        failures.append(row.reason)
                has_scores = has_scores or row.status == SCORED
                yield task, row
            if not has_scores and len(failures) >= _SYSTEMATIC:
                raise _unusable(job, failures)
            bar.set_postfix_str(judge.telemetry.current(), refresh=False)
            bar.update(len(answered.tasks))


def _answers(
    tasks: Sequence[_Task], job: ScoreJob, judge: Judge, store: Store
) -> Iterator[Answered[_Task]]:
    """The answers to ``tasks``: in batches of a judge on a device, as they come of a server."""

    def read_case(task: _Task) -> Case:
        case = case_of(task.sample, task.edit, task.rubric, job.results)
        if isinstance(task.question, Question):
            return case_of_question(case, task.question, job.results)
        return case

    if isinstance(job.settings, ServedJudgeSettings):

        def ask(task: _Task) -> Answered[_Task]:
            with replies.of(store.replies(task.key)):
                return ask_one(task, read_case, judge)

        yield from as_they_come(tasks, job.at_once or job.settings.concurrency, ask)
        return
    places = {task.name: store.endings_path(task.key) for task in tasks}
    supervision.note_endings(places)
    # Those that were under way when a job was ended come last, each alone: the next end is its own.
    suspects = [task for task in tasks if places[task.name].exists()]
    others = [task for task in tasks if task not in suspects]
    yield from in_batches(others, job.settings.batch_size, read_case, judge)
    for task in suspects:
        yield from in_batches([task], 1, read_case, judge)


def _unusable(job: ScoreJob, failures: Sequence[str]) -> UserError:
    return UserError(
        f"the first {len(failures)} answers of judge {job.name} cannot be used, the first because: "
        f"{failures[0]}; use a judge that follows the rubric, or another method, and run the same "
        "command again."
    )


def _row_of_answer(
    task: _Task, job: ScoreJob, answer: Answer | SampleError, seconds: float, store: Store
) -> Score:
    """The row of a fresh answer. What the judge answered is kept, whether it is a score or not."""
    if not isinstance(answer, Answer | Unreadable):
        return Score.of_edit(
            task.edit, job.name, status=JUDGE_FAILED, reason=str(answer), judge_seconds=seconds
        )
    content = {
        **content_of(answer, job.settings),
        "seconds": seconds,
        "key_fields": task.key_fields,
    }
    try:
        store.put(task.key, content)
    except OSError as error:
        stop_if_fatal(error)
        raise
    return _row(task, job, content)


def case_of(sample: Sample, edit: Edit, rubric: Rubric, results: Path) -> Case:
    """What a judge is shown of an edit.

    Raises
    ------
    UserError
        If an image is missing or is not the one that was edited.
    SampleError
        If the edited image is none that can be read.
    """
    data = edited_images.read(edit, results)
    given = source_images.load(sample, results)
    try:
        edited = images.load(data, edit.image)
    except ImageError as error:
        # Edits are checked when they are made; this one is of an earlier version.
        redo = f"make it again with scripts/redo.py --sample {sample.id}"
        raise SampleError("unusable_image", f"{str(error).removesuffix('.')}; {redo}") from None
    return Case(
        sample, given.first, edited, rubric, edit.repeat, more_sources=given.more, mask=given.mask
    )


def _row(task: _Task, job: ScoreJob, content: Mapping[str, Any]) -> Score:
    """The row of an answer as the store keeps it."""
    answer = read(content, task.rubric, job.settings)
    of_labels = masses(content["details"])
    read_as: dict[str, Any]
    if isinstance(answer, Unreadable):
        read_as = {"status": JUDGE_FAILED, "reason": str(answer)}
    else:
        read_as = {
            "status": SCORED,
            "score": overall(answer.criteria, task.rubric.scale),
            "criteria": answer.criteria,
            "reading": answer.reading,
        }
    return Score.of_edit(
        task.edit,
        job.name,
        answer_key=task.key,
        judge_seconds=content["seconds"],
        judged_with=made_with(content),
        text=content["text"],
        mass=round(fmean(of_labels), 6) if of_labels else None,
        **read_as,
    )


def _scored(rows: Iterable[Score]) -> bool:
    """Whether any of ``rows`` has a score."""
    return any(row.status == SCORED for row in rows)

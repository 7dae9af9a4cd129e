"""A score job: edited images scored by one judge, from the store or by asking the judge."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from edit_benchmark.config.judges import (
    JudgeSettings,
    PixelsJudgeSettings,
    ServedJudgeSettings,
    TransformersJudgeSettings,
)
from edit_benchmark.dataset import source_images
from edit_benchmark.dataset.chains import EditedSamples
from edit_benchmark.errors import SampleError, SkipSample, UserError
from edit_benchmark.judging.asking import Told, ask, is_asked_afresh
from edit_benchmark.judging.judge import Case, Unreadable
from edit_benchmark.judging.protocol_samples import EDITED
from edit_benchmark.judging.protocols import Protocol, Question
from edit_benchmark.judging.reading import masses, read
from edit_benchmark.judging.registry import KINDS
from edit_benchmark.judging.rubrics import Rubric, overall
from edit_benchmark.judging.turns import case_of_question, edited_image
from edit_benchmark.records import JUDGE_FAILED, SCORED, SKIPPED, Edit, Sample, Score
from edit_benchmark.results import recipes
from edit_benchmark.results.former_keys import former_keys
from edit_benchmark.results.store import Store, made_with
from edit_benchmark.runtime import supervision
from edit_benchmark.runtime.job import Job, delegated, loaded

log = logging.getLogger(__name__)


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
    of_category
        All edits of the model in their category: what later turns of chains were made from.
    """

    edits: Sequence[Edit]
    samples: Sequence[Sample]
    asked: Rubric | Protocol
    of_category: Sequence[Edit] = ()


@dataclass(frozen=True)
class _Task:
    """One question about an edit: by a rubric, or one call of a protocol.

    Attributes
    ----------
    key_fields, key
        The fields of the answer's key, and the key.
    questions
        How many are asked about the edit.
    """

    sample: Sample
    edit: Edit
    question: Rubric | Question
    key_fields: dict[str, Any]
    key: str
    questions: int

    @property
    def made_for(self) -> dict[str, Any]:
        """The edit, and how many questions are asked about it."""
        return {
            "model": self.edit.model,
            "sample": self.edit.id,
            "repeat": self.edit.repeat,
            "edit": self.edit.key,
            "questions": self.questions,
        }

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
    edited = EditedSamples(job.samples, job.of_category)
    rows: dict[tuple[str, int], dict[str, Score]] = {}
    kept: list[Score] = []
    tasks: list[_Task] = []
    missing: list[_Task] = []
    for edit in job.edits:
        sample, of_edit = edited.of(edit), rows.setdefault((edit.id, edit.repeat), {})
        try:
            _check_target(job, sample)
            questions = questions_of(job.asked, sample)
        except SampleError as error:
            status = SKIPPED if isinstance(error, SkipSample) else JUDGE_FAILED
            of_edit[""] = Score.of_edit(edit, job.name, status=status, reason=str(error))
            continue
        for question in questions:
            asked = question_fields(job.settings, question, sample, edit)
            fields = {**common, **asked}
            stored = store.find(fields, former_keys(former, asked))
            task = _Task(sample, edit, question, fields, stored.key, len(questions))
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
                kept.append(of_edit[task.call])
    has_scores = any(row.status == SCORED for row in kept)
    afresh = not has_scores and is_asked_afresh(job, [row.reason for row in kept], missing)
    if afresh:
        missing = tasks
    log.info("%d edits, %d answers in the store, %d to ask",
             len(job.edits), len(kept), len(missing))  # fmt: skip
    if missing:
        made = delegated(job, kind, common)
        if made is not None:
            return [Score(**row) for row in made]
        with loaded(job, kind, "score", common) as judge:
            for told in ask(missing, job, judge, store, partial(_case, job), has_scores, afresh):
                row = _row_of(told, job)
                rows[row.id, row.repeat][told.task.call] = row
    recipe = recipes.keep(job.layout, {**common, "rubric_sha256": job.asked.sha256})
    whole = [_whole(job, edited.of(edit), edit, rows[edit.id, edit.repeat]) for edit in job.edits]
    return [replace(row, answer_recipe=recipe) for row in whole]


def _check_target(job: ScoreJob, sample: Sample) -> None:
    """Leave out a sample without the target image that the judge measures against.

    Raises
    ------
    SkipSample
        If it has none; UserError if none of the samples has one.
    """
    if not _is_to_target(job.settings) or sample.target:
        return
    if not any(other.target or other.problem for other in job.samples):
        raise UserError(
            f"judge {job.name} measures against target images, and no sample of the benchmark has "
            "one; give them in the field target, or remove against."
        )
    raise SkipSample("no_target", "the sample has no target image to measure against")


def _is_to_target(settings: JudgeSettings) -> bool:
    return isinstance(settings, PixelsJudgeSettings) and settings.against == "target"


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
        return asked.fields(sample, {EDITED: edit.image_sha256})
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
    """What a measure compares with the edit: source or target image, or the instruction."""
    if settings.measure == "clip_t":
        return {"picture_sha256": edit.image_sha256, "text": sample.instruction}
    if _is_to_target(settings):
        digest = source_images.digest_of(sample.target, sample)
        return {"picture_sha256": edit.image_sha256, "target_sha256": digest}
    fields = {"picture_sha256": edit.image_sha256, "source_sha256": sample.source_sha256}
    # Features, and distances between them, are of whole images.
    if sample.mask and settings.checkpoint is None:
        fields["mask_sha256"] = sample.mask_sha256
    return fields


def _case(job: ScoreJob, task: _Task) -> Case:
    case = case_of(task.sample, task.edit, task.rubric, job.results)
    if isinstance(task.question, Question):
        return case_of_question(case, task.question, job.results)
    if _is_to_target(job.settings):
        target = source_images.load_named(task.sample.target, task.sample, job.results)
        return replace(case, target=target)
    return case


def _row_of(told: Told[_Task], job: ScoreJob) -> Score:
    """The row of a fresh answer."""
    if told.content is not None:
        return _row(told.task, job, told.content)
    return Score.of_edit(
        told.task.edit, job.name,
        status=JUDGE_FAILED, reason=told.problem, judge_seconds=told.seconds,
    )  # fmt: skip


def case_of(sample: Sample, edit: Edit, rubric: Rubric, results: Path) -> Case:
    """What a judge is shown of an edit; errors as of :func:`edited_image`."""
    edited = edited_image(edit.image, edit.image_sha256, sample, results)
    given = source_images.load(sample, results)
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

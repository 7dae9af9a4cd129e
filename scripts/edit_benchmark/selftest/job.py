"""A job of a self-test: a judge is asked about some edits of a model in many ways."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tqdm import tqdm

from edit_benchmark.config.judges import JudgeSettings
from edit_benchmark.dataset.chains import EditedSamples
from edit_benchmark.dataset.samples import clusters
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging import protocols
from edit_benchmark.judging.batching import answers_of, count_answers, read_ahead
from edit_benchmark.judging.job import case_of
from edit_benchmark.judging.judge import Answer, Case
from edit_benchmark.judging.registry import KINDS
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.judging.variations import asked_hash, asked_of
from edit_benchmark.records import Edit, Sample
from edit_benchmark.results import replies
from edit_benchmark.results.replies import Replies
from edit_benchmark.runtime.job import Job, delegated, loaded
from edit_benchmark.runtime.keeping.resident import stop_if_asked
from edit_benchmark.selftest import probes
from edit_benchmark.selftest.asking import Answered, Asked, Chosen, Question, ask_about
from edit_benchmark.selftest.pairs import PairQuestion, ask_about_pairs
from edit_benchmark.selftest.parts import Part


@dataclass(frozen=True, kw_only=True)
class SelfTestJob(Job[JudgeSettings]):
    """A part of a judge's test on a model's edits.

    Attributes
    ----------
    model
        The model that made the edits.
    edits
        All of its edits.
    samples
        All samples of the benchmark.
    count
        Edits that the whole test takes, at most.
    part, parts
        Which part of the test, from 1, and of how many.
    language
        Of the rubric's questions.
    """

    model: str
    edits: Sequence[Edit]
    samples: Sequence[Sample]
    count: int
    part: int
    parts: int
    language: str

    @property
    def replies(self) -> Replies:
        """What a server replied, whatever the division into parts: it was paid for.

        They stay, so that a self-test that is done again, for a setting that changes no answer,
        costs nothing. What a test asks more than once is asked so often.
        """
        return Replies(self.layout.selftest_replies(self.name, self.model), each_anew=True)


def self_test(job: SelfTestJob) -> Part:
    """Ask a judge about this part's share of at most ``count`` of one model's edits.

    Its answers are neither taken from the store nor kept there: the judge really is asked again.
    No judge is loaded and no device taken if the part has no edit.

    Raises
    ------
    UserError
        If the judge cannot be loaded.
    """
    if job.settings.rubric_file is None and not job.settings.compares:
        raise UserError(
            f"judge {job.name} measures images, or scores them by a benchmark's protocol, and "
            "there is no test of that; leave it out of the self-test."
        )
    rubric_sha256 = asked_hash(job.settings)
    assert rubric_sha256 is not None
    began = time.monotonic()
    rows = _rows(job)
    if asked_hash(job.settings) != rubric_sha256:
        file = job.settings.rubric_file or job.settings.protocol_file
        raise UserError(
            f"{file} changed while judge {job.name} was put to the test "
            "with it; run the same command again."
        )
    return Part(
        judge=job.name,
        model=job.model,
        seconds=round(time.monotonic() - began, 1),
        settings=job.settings.model_dump(mode="json"),
        checkpoint=job.checkpoint.identity if job.checkpoint else None,
        rubric_sha256=rubric_sha256,
        rows=rows,
    )


def _rows(job: SelfTestJob) -> list[Answered]:
    edits = probes.choose(job.edits, job.count)
    # Which edits are chosen, and which instruction each is probed with, is one for all parts.
    places = range(job.part - 1, len(edits), job.parts)
    if not places:
        return []
    kind = KINDS[job.settings.judge]
    key_fields = kind.key_fields(job.settings, job.checkpoint)
    made = delegated(job, kind, key_fields)
    if made is not None:
        return Part.of(made).rows
    asked = {
        category: asked_of(job.settings, category, job.language)
        for category in {edits[place].category for place in places}
    }
    chosen = _chosen(job, edits, places, asked)
    if not chosen:
        return []
    with (
        replies.of(job.replies),
        loaded(job, kind, "selftest", key_fields) as judge,
        tqdm(desc=f"self-test of {job.name}", unit="image", mininterval=5, file=sys.stderr) as bar,
    ):

        def ask(questions: Sequence[Question | PairQuestion]) -> Iterator[Asked]:
            size = job.settings.batch_size
            # Images are changed and prepared by threads, one batch ahead.
            for batch in read_ahead(questions, size, _case, judge.model):
                stop_if_asked()
                began = time.monotonic()
                answers = answers_of(judge.model, batch.cases)
                spent = time.monotonic() - began
                count_answers(judge.telemetry, answers, judging=spent, reading=batch.seconds)
                bar.update(len(answers))
                yield from zip(batch.cases, answers, strict=True)

        if not job.settings.compares:
            return ask_about(ask, chosen)

        def ask_pairs(questions: Sequence[PairQuestion]) -> Iterator[Answer | SampleError]:
            for _, answer in ask(questions):
                yield answer

        questions = [_first_question(asked, edit.case.sample) for edit in chosen]
        return ask_about_pairs(ask_pairs, chosen, questions, job.settings, job.results)


def _chosen(
    job: SelfTestJob,
    edits: Sequence[Edit],
    places: Sequence[int],
    asked: Mapping[str, Rubric | protocols.Protocol],
) -> list[Chosen]:
    """The edits at ``places`` with their images; those that cannot be read are left out."""
    edited, images = EditedSamples(job.samples, job.edits), clusters(job.samples)
    others = probes.partners([edited.of(edit) for edit in edits], job.samples)
    chosen = []
    for place in places:
        edit = edits[place]
        with suppress(SampleError):
            sample = edited.of(edit)
            of_category = asked[edit.category]
            if isinstance(of_category, Rubric):
                rubric = of_category
            else:
                rubric = _first_question(asked, sample).rubric
            case = case_of(sample, edit, rubric, job.results)
            chosen.append(Chosen(place, case, others[place], images[edit.id]))
    return chosen


def _case(question: Question | PairQuestion) -> Case:
    return question.case()


def _first_question(
    asked: Mapping[str, Rubric | protocols.Protocol], sample: Sample
) -> protocols.Question:
    """The first of what a judge that compares is asked about a sample."""
    protocol = asked[sample.category]
    assert isinstance(protocol, protocols.Protocol)
    return protocol.questions(sample)[0]

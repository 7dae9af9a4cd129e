"""A self-test job: a judge is loaded and asked about some edits of a model in many ways."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from edit_benchmark.config.judges import JudgeSettings
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging import rubrics
from edit_benchmark.judging.batching import answers_of, count_answers
from edit_benchmark.judging.job import case_of
from edit_benchmark.judging.judge import Answer, Case
from edit_benchmark.judging.registry import KINDS
from edit_benchmark.records import Edit, Sample
from edit_benchmark.runtime.job import Job, loaded
from edit_benchmark.selftest import probes, verdict


@dataclass(frozen=True, kw_only=True)
class SelfTestJob(Job[JudgeSettings]):
    """A judge to be tested on a model's edits.

    Attributes
    ----------
    model
        The model that made the edits.
    edits
        All of its edits.
    samples
        All samples of the benchmark.
    count
        Edits to test with, at most.
    language
        Of the rubric's questions.
    """

    model: str
    edits: Sequence[Edit]
    samples: Sequence[Sample]
    count: int
    language: str


def self_test(job: SelfTestJob) -> dict[str, Any]:
    """Test a judge on at most ``count`` of one model's edits.

    Its answers are neither taken from the store nor kept there: the judge really is asked again.

    Returns
    -------
    dict
        What :func:`verdict.run` gives, and what identifies the test: ``judge``, ``model``,
        ``settings``, ``checkpoint`` and ``rubric_sha256``. If the model has no edit at all, the
        verdict is ``untested``: a report of nothing but failures is a report.

    Raises
    ------
    UserError
        If the judge cannot be loaded.
    """
    rubric_sha256 = rubrics.rubric_hash(job.settings.rubric_file)
    cases = _cases(job)
    began = time.monotonic()
    if cases:
        record = _test(job, cases)
    else:
        record = {"verdict": verdict.UNTESTED, "checks": [], "n": 0, "asked": 0}
    if rubrics.rubric_hash(job.settings.rubric_file) != rubric_sha256:
        raise UserError(
            f"rubric {job.settings.rubric_file} changed while judge {job.name} was put to the test "
            "with it; run the same command again."
        )
    return {
        "judge": job.name,
        "model": job.model,
        **record,
        "seconds": round(time.monotonic() - began, 1),
        "settings": job.settings.model_dump(mode="json"),
        "checkpoint": job.checkpoint.identity if job.checkpoint else None,
        "rubric_sha256": rubric_sha256,
    }


def _cases(job: SelfTestJob) -> list[Case]:
    """The chosen edits as cases; those that cannot be read are left out."""
    by_id = {sample.id: sample for sample in job.samples}
    cases = []
    for edit in probes.choose(job.edits, job.count):
        rubric = rubrics.load(job.settings.rubric_file, edit.category, job.language)
        with suppress(SampleError):
            cases.append(case_of(by_id[edit.id], edit, rubric, job.results))
    return cases


def _test(job: SelfTestJob, cases: Sequence[Case]) -> dict[str, Any]:
    others = probes.partners([case.sample for case in cases], job.samples)
    bar = tqdm(desc=f"self-test of {job.name}", unit="image", mininterval=5, file=sys.stderr)
    kind = KINDS[job.settings.judge]
    key_fields = kind.key_fields(job.settings, job.checkpoint)
    with loaded(job, kind, "selftest", key_fields) as judge, bar:

        def ask(asked: Sequence[Case]) -> list[Answer | SampleError]:
            answers: list[Answer | SampleError] = []
            began = time.monotonic()
            for start in range(0, len(asked), job.settings.batch_size):
                batch = asked[start : start + job.settings.batch_size]
                answers += answers_of(judge.model, batch)
                bar.update(len(batch))
            count_answers(judge.telemetry, answers, judging=time.monotonic() - began)
            return answers

        return verdict.run(ask, cases, others)

"""Two models' edits of a category compared: a row for each pair and each question about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from edit_benchmark.dataset.chains import SharedSamples
from edit_benchmark.errors import SampleError
from edit_benchmark.judging.pairs import BothOrders, Pair, PairJob, Picture, ask_pairs, verdict
from edit_benchmark.judging.protocols import Protocol
from edit_benchmark.judging.registry import KINDS
from edit_benchmark.records import (
    COMPARED,
    EDIT_FAILED,
    EDITED,
    JUDGE_FAILED,
    SKIPPED,
    Edit,
    Preference,
    Sample,
)
from edit_benchmark.results import recipes

#: Two models' edits of one sample, and of one repeat.
Edits = tuple[Edit, Edit]


def pairs_of(edits: Sequence[Edits], samples: SharedSamples) -> list[Pair]:
    """The pairs that a judge is asked about: both are edited, from one source, and are not one
    file."""
    return [
        Pair(
            sample,
            Picture(first.image, first.image_sha256),
            Picture(second.image, second.image_sha256),
            f"{first.model} and {second.model}"
            + (f" ({first.repeat + 1})" if first.repeat else ""),
        )
        for first, second in edits
        if (sample := _asked_about(first, second, samples)) is not None
    ]


def compare_edits(job: PairJob, edits: Sequence[Edits], samples: SharedSamples) -> list[Preference]:
    """The rows of ``edits``, whose :func:`pairs_of` are the job's; errors of :func:`ask_pairs`."""
    answered = iter(ask_pairs(job))
    kind = KINDS[job.settings.judge]
    common = kind.key_fields(job.settings, job.checkpoint)
    recipe = recipes.keep(job.layout, {**common, "rubric_sha256": job.asked.sha256})
    rows: list[Preference] = []
    for first, second in edits:
        if _asked_about(first, second, samples) is not None:
            rows += [
                replace(_answered(job.name, first, second, call, both), answer_recipe=recipe)
                for call, both in next(answered).items()
            ]
        else:
            calls = _calls(job.asked, samples.by_id[first.id])
            rows += [_not_asked(job.name, first, second, call, samples) for call in calls]
    return rows


def _asked_about(first: Edit, second: Edit, samples: SharedSamples) -> Sample | None:
    """The sample of two edits if a judge is asked about them, else None."""
    both_edited = first.status == second.status == EDITED
    if not both_edited or first.image_sha256 == second.image_sha256:
        return None
    return samples.of(first, second)


def _calls(asked: Protocol, sample: Sample) -> list[str]:
    """The names of the questions about a sample."""
    try:
        return [question.name for question in asked.questions(sample)]
    except SampleError:
        return list(asked.file.calls)


def _row(judge: str, first: Edit, second: Edit, call: str, **fields: Any) -> Preference:
    return Preference(
        id=first.id, category=first.category, judge=judge, a=first.model, b=second.model,
        call=call, repeat=first.repeat, **fields,
    )  # fmt: skip


def _answered(judge: str, first: Edit, second: Edit, call: str, both: BothOrders) -> Preference:
    win = verdict(*(heard.preference for heard in both))
    outcome: dict[str, Any] = {"status": COMPARED, "win": win}
    if win is None:
        reason = next(heard.problem for heard in both if heard.preference is None)
        outcome = {"status": JUDGE_FAILED, "reason": reason}
    answers = [asdict(heard) for heard in both]
    return _row(judge, first, second, call, answers=answers, **outcome)


def _not_asked(
    judge: str, first: Edit, second: Edit, call: str, samples: SharedSamples
) -> Preference:
    problems = [edit for edit in (first, second) if edit.status != EDITED]
    if not problems:
        if samples.of(first, second) is None:
            reason = "different_sources: each model edited what it had made of the turn before"
            return _row(judge, first, second, call, status=SKIPPED, reason=reason)
        return _row(judge, first, second, call, status=COMPARED, win=0.5, identical=True)
    # What was never tried is no failure of a model.
    skipped = [edit for edit in problems if edit.status == SKIPPED]
    status = SKIPPED if skipped else EDIT_FAILED
    edit = (skipped or problems)[0]
    reason = f"{edit.model}: {edit.reason}"
    return _row(judge, first, second, call, status=status, reason=reason)

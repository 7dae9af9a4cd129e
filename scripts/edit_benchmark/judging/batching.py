"""Judging in batches: images are read ahead, and every answer is checked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging.judge import Answer, Case, Judge
from edit_benchmark.judging.rubrics import Rubric, overall
from edit_benchmark.runtime.failures import attempt
from edit_benchmark.runtime.telemetry import Telemetry

log = logging.getLogger(__name__)
Item = TypeVar("Item")

# Decoding two images and preparing them takes nearly as long as judging them: one thread would
# fall behind at the first disturbance.
_READERS = 2


@dataclass(frozen=True)
class Batch(Generic[Item]):
    """Edits to be judged at once.

    Attributes
    ----------
    tasks, cases
        What was asked for, and the prepared case of each.
    seconds
        Seconds that reading and preparing took, summed over the cases.
    """

    tasks: Sequence[Item]
    cases: list[Case]
    seconds: float


def read_ahead(
    tasks: Sequence[Item], size: int, read: Callable[[Item], Case], judge: Judge
) -> Iterator[Batch[Item]]:
    """Read and prepare ``tasks`` in batches of ``size``.

    Threads work on the next batch while the caller judges the present one.

    Raises
    ------
    UserError
        Whatever ``read`` raises, once that task's batch is asked for: earlier ones are judged.
    """

    def prepared(task: Item) -> tuple[Case, float]:
        began = time.monotonic()
        case = read(task)
        # A class of the user's own may return nothing.
        case = judge.prepare(case) or case
        return case, time.monotonic() - began

    with ThreadPoolExecutor(_READERS) as readers:

        def submit(start: int) -> list[Future[tuple[Case, float]]]:
            return [readers.submit(prepared, task) for task in tasks[start : start + size]]

        try:
            pending = submit(0)
            for start in range(0, len(tasks), size):
                cases, seconds = zip(*(future.result() for future in pending), strict=True)
                pending = submit(start + size)
                yield Batch(tasks[start : start + size], list(cases), sum(seconds))
        finally:
            # After an error nobody will judge what is still to be read.
            readers.shutdown(cancel_futures=True)


def answers_of(judge: Judge, cases: Sequence[Case]) -> list[Answer | SampleError]:
    """Answers to a batch; if the batch fails as a whole, each case once more by itself."""
    if len(cases) > 1:
        try:
            return _checked(
                attempt(lambda: judge.judge(cases), f"{len(cases)} images at once"), cases
            )
        except SampleError:
            log.warning("a batch of %d images failed; now one at a time", len(cases))
    answers: list[Answer | SampleError] = []
    for case in cases:
        ask = partial(judge.judge, [case])
        try:
            answers += _checked(attempt(ask, f"sample {case.sample.id}"), [case])
        except SampleError as error:
            answers.append(error)
    return answers


def count_answers(
    telemetry: Telemetry,
    answers: Sequence[Answer | SampleError],
    judging: float,
    **beside: float,
) -> None:
    """Count ``answers``, told apart from failed ones, which took their share of the time.

    Parameters
    ----------
    judging
        Seconds that all of them took.
    beside
        Seconds of stages that ran beside, for all of them.
    """
    made = sum(isinstance(answer, Answer) for answer in answers)
    share = made / max(1, len(answers))
    telemetry.count(
        made, **{stage: share * spent for stage, spent in beside.items()}, judging=share * judging
    )
    telemetry.fail(len(answers) - made, (1 - share) * judging)


def _checked(
    answers: Sequence[Answer | SampleError], cases: Sequence[Case]
) -> list[Answer | SampleError]:
    """Answers that meet the contract, which a judge of the user's own may break."""
    if len(answers) != len(cases):
        raise UserError(
            f"the judge gave {len(answers)} answers to {len(cases)} images; it has to give one "
            "for each, a SampleError where it has none."
        )
    return [
        answer if isinstance(answer, SampleError) else _valid(answer, case.rubric)
        for answer, case in zip(answers, cases, strict=True)
    ]


def _valid(answer: Answer, rubric: Rubric) -> Answer | SampleError:
    """``answer`` if it has a value within 0 to 10, or None, for each criterion."""
    keys = [criterion.key for criterion in rubric.criteria]
    if sorted(answer.criteria) != sorted(keys):
        return SampleError("incomplete_answer", f"the criteria are not {', '.join(keys)}")
    for key, value in answer.criteria.items():
        if value is not None and not 0 <= value <= 10:  # NaN fails this too
            return SampleError("off_scale", f"{key} is {value}, not within 0 to 10")
    if overall(answer.criteria) is None:
        return SampleError("nothing_applies", "the judge found that no criterion applies")
    return answer

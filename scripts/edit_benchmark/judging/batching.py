"""Judging in batches: images are read ahead, and every answer is checked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Generic, TypeVar

from edit_benchmark.errors import SampleError
from edit_benchmark.judging.contract import checked
from edit_benchmark.judging.judge import Answer, Case, Judge
from edit_benchmark.runtime.failures import attempt
from edit_benchmark.runtime.supervision import under_way
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
        What was asked for, and the prepared case of each, or why there is none.
    seconds
        Seconds that reading and preparing took, summed over the cases.
    """

    tasks: Sequence[Item]
    cases: list[Case | SampleError]
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

    def prepared(task: Item) -> tuple[Case | SampleError, float]:
        began = time.monotonic()
        case: Case | SampleError
        try:
            case = read(task)
            with under_way(case.name):
                case = attempt(partial(judge.prepare, case), f"sample {case.sample.id}")
        except SampleError as error:
            case = error
        return case, time.monotonic() - began

    with ThreadPoolExecutor(_READERS) as readers:

        def submit(start: int) -> list[Future[tuple[Case | SampleError, float]]]:
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


@dataclass(frozen=True)
class Answered(Generic[Item]):
    """What a judge answered about some tasks, and seconds that it took to judge and to read all."""

    tasks: Sequence[Item]
    answers: list[Answer | SampleError]
    judging: float
    reading: float


def in_batches(
    tasks: Sequence[Item], size: int, read: Callable[[Item], Case], judge: Judge
) -> Iterator[Answered[Item]]:
    """Ask about ``tasks`` in batches of ``size``, see :func:`read_ahead`."""
    for batch in read_ahead(tasks, size, read, judge):
        began = time.monotonic()
        answers = answers_of(judge, batch.cases)
        yield Answered(batch.tasks, answers, time.monotonic() - began, batch.seconds)


def ask_one(task: Item, read: Callable[[Item], Case], judge: Judge) -> Answered[Item]:
    """Read what ``task`` is about, and ask about it alone; errors as of :func:`read_ahead`."""
    began = time.monotonic()
    case: Case | SampleError
    try:
        case = read(task)
    except SampleError as error:
        case = error
    asked = time.monotonic()
    answers = answers_of(judge, [case])
    return Answered([task], answers, time.monotonic() - asked, asked - began)


def answers_of(judge: Judge, cases: Sequence[Case | SampleError]) -> list[Answer | SampleError]:
    """Answers to a batch; if the batch fails as a whole, each case once more by itself.

    A case that could not be read or prepared is not asked about: its error is its answer.
    """
    readable = [case for case in cases if isinstance(case, Case)]
    answers = iter(_answers(judge, readable))
    return [next(answers) if isinstance(case, Case) else case for case in cases]


def _answers(judge: Judge, cases: Sequence[Case]) -> list[Answer | SampleError]:
    if len(cases) > 1:
        try:
            with under_way(*(case.name for case in cases)):
                return attempt(partial(_ask, judge, cases), f"{len(cases)} images at once")
        except SampleError as error:
            log.warning("a batch of %d images failed (%s); now one at a time", len(cases), error)
    answers: list[Answer | SampleError] = []
    for case in cases:
        try:
            with under_way(case.name):
                answers += attempt(partial(_ask, judge, [case]), f"sample {case.sample.id}")
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


def _ask(judge: Judge, cases: Sequence[Case]) -> list[Answer | SampleError]:
    """Answers that meet the contract, which a judge of the user's own may break.

    Raises
    ------
    SampleError
        If it does not give one answer for each case: nobody knows which is whose.
    """
    # One more than there may be: it may go on for ever.
    answers = list(islice(judge.judge(cases), len(cases) + 1))
    if len(answers) != len(cases):
        count = len(answers) if len(answers) <= len(cases) else f"more than {len(cases)}"
        raise SampleError("wrong_count", f"the judge gave {count} answers to {len(cases)} images")
    return [checked(answer, case.rubric) for answer, case in zip(answers, cases, strict=True)]

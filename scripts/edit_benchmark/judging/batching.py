"""Asking a loaded judge: batches read ahead, and answers of which nothing is taken on trust."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging.registry import Answer, Case, Judge
from edit_benchmark.judging.rubrics import Rubric, overall
from edit_benchmark.runtime.failures import attempt

log = logging.getLogger(__name__)
Item = TypeVar("Item")

# Decoding two pictures and making tokens and patches of them takes nearly as long as judging them:
# one thread would fall behind as soon as something disturbs it.
_READERS = 2


@dataclass(frozen=True)
class Batch(Generic[Item]):
    """Edits to be judged at once, and the seconds that reading them took, all together."""

    tasks: Sequence[Item]
    cases: list[Case]
    seconds: float


def read_ahead(
    tasks: Sequence[Item], size: int, read: Callable[[Item], Case], loaded: Judge
) -> Iterator[Batch[Item]]:
    """``tasks`` in batches of ``size``; threads read the next while this one is judged.

    Raises
    ------
    UserError
        Whatever ``read`` raises, when its batch's turn has come: what stands before is judged.
    """
    prepare = getattr(loaded, "prepare", None)

    def one(task: Item) -> tuple[Case, float]:
        began = time.monotonic()
        case = read(task)
        if prepare is not None:
            prepare(case)
        return case, time.monotonic() - began

    with ThreadPoolExecutor(_READERS) as readers:

        def begin(start: int) -> list[Future[tuple[Case, float]]]:
            return [readers.submit(one, task) for task in tasks[start : start + size]]

        try:
            ahead = begin(0)
            for start in range(0, len(tasks), size):
                cases, seconds = zip(*(future.result() for future in ahead), strict=True)
                ahead = begin(start + size)
                yield Batch(tasks[start : start + size], list(cases), sum(seconds))
        finally:
            # An error need not wait for the reading of what nobody will judge.
            readers.shutdown(cancel_futures=True)


def answers_of(loaded: Judge, cases: Sequence[Case]) -> list[Answer | SampleError]:
    """Answers to a batch; if the batch fails as a whole, each case once more by itself."""
    if len(cases) > 1:
        try:
            return _checked(
                attempt(lambda: loaded.judge(cases), f"{len(cases)} pictures at once"), cases
            )
        except SampleError:
            log.warning("a batch of %d pictures failed; now one at a time", len(cases))
    answers: list[Answer | SampleError] = []
    for case in cases:
        ask = partial(loaded.judge, [case])
        try:
            answers += _checked(attempt(ask, f"sample {case.sample.id}"), [case])
        except SampleError as error:
            answers.append(error)
    return answers


def _checked(
    answers: Sequence[Answer | SampleError], cases: Sequence[Case]
) -> list[Answer | SampleError]:
    """Answers that are whole: of a judge of the user's own nothing is taken on trust."""
    if len(answers) != len(cases):
        raise UserError(
            f"the judge gave {len(answers)} answers to {len(cases)} pictures; it has to give one "
            "for each, a SampleError where it has none."
        )
    return [
        answer if isinstance(answer, SampleError) else _whole(answer, case.rubric)
        for answer, case in zip(answers, cases, strict=True)
    ]


def _whole(answer: Answer, rubric: Rubric) -> Answer | SampleError:
    keys = [criterion.key for criterion in rubric.criteria]
    if sorted(answer.criteria) != sorted(keys):
        return SampleError("incomplete_answer", f"the criteria are not {', '.join(keys)}")
    for key, value in answer.criteria.items():
        if value is not None and not 0 <= value <= 10:  # NaN fails this too
            return SampleError("off_scale", f"{key} is {value}, not within 0 to 10")
    if overall(answer.criteria) is None:
        return SampleError("nothing_applies", "the judge found that no criterion applies")
    return answer

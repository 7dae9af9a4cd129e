"""Asking a loaded judge what the store has no answer to; every answer is kept as it comes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from tqdm import tqdm

from edit_benchmark.config.judges import JudgeSettings, ServedJudgeSettings
from edit_benchmark.dataset import source_images
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging.batching import Answered, ask_one, count_answers, in_batches
from edit_benchmark.judging.judge import Answer, Case, Judge, Unreadable
from edit_benchmark.judging.reading import content_of, read
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.records import Sample
from edit_benchmark.results import replies
from edit_benchmark.results.store import Store
from edit_benchmark.runtime import supervision
from edit_benchmark.runtime.at_once import as_they_come
from edit_benchmark.runtime.failures import stop_if_fatal
from edit_benchmark.runtime.job import Job, Loaded
from edit_benchmark.runtime.keeping.resident import stop_if_asked
from edit_benchmark.runtime.telemetry import job_seconds

log = logging.getLogger(__name__)

# If none of the first answers can be used, and they are so many, the cause is the judge and not the
# images.
_SYSTEMATIC = 10


class Task(Protocol):
    """One question to a judge."""

    @property
    def sample(self) -> Sample:
        """What it is about."""
        ...

    @property
    def key_fields(self) -> dict[str, Any]:
        """The fields of the answer's key."""
        ...

    @property
    def key(self) -> str:
        """The answer's key."""
        ...

    @property
    def rubric(self) -> Rubric:
        """What the answer is read by."""
        ...

    @property
    def name(self) -> str:
        """What messages call it, as of its case."""
        ...

    @property
    def made_for(self) -> dict[str, Any]:
        """Of whose edit it is, for the record; what is equal is found by others too."""
        ...


Asked = TypeVar("Asked", bound=Task)


@dataclass(frozen=True)
class Told(Generic[Asked]):
    """What a judge answered.

    Attributes
    ----------
    content
        The answer as the store keeps it, None where there is none.
    problem
        Why it is no score, empty if it is one.
    seconds
        Time that it took.
    """

    task: Asked
    content: dict[str, Any] | None
    problem: str
    seconds: float


def is_asked_afresh(
    job: Job[JudgeSettings], problems: Sequence[str], missing: Sequence[Task]
) -> bool:
    """Whether the answers in the store are asked for again, of which none is a score.

    Parameters
    ----------
    problems
        Why each of them is none.
    missing
        What the store has no answer to.

    Raises
    ------
    UserError
        If so many of a server's are unusable that it is not to be asked for more.
    """
    if len(problems) < _SYSTEMATIC:
        return False
    if isinstance(job.settings, ServedJudgeSettings):
        if missing:
            # They were paid, and would be again.
            raise _unusable(job.name, problems)
        return False
    # The cause was not the images. It may have been mended, such as a broken device.
    return True


def ask(
    tasks: Sequence[Asked],
    job: Job[JudgeSettings],
    judge: Loaded[Judge],
    store: Store,
    read_case: Callable[[Asked], Case],
    has_scores: bool,
    afresh: bool = False,
) -> Iterator[Told[Asked]]:
    """Ask the judge; each answer is in the store before it is yielded.

    Tasks with one key, such as those about one picture that was made twice, are one question.

    Parameters
    ----------
    afresh
        Whether those are asked again whose answer is in the store.

    Raises
    ------
    UserError
        If the first answers are all unusable, unless ``has_scores`` says that others were not.
    """
    alike: dict[str, list[Asked]] = {}
    for task in tasks:
        alike.setdefault(task.key, []).append(task)
    missing = []
    for key, same in alike.items():
        # Another job may have stored some since this one began: one that outlived its run.
        content = None if afresh else store.get_undamaged(key)
        if content is None:
            missing.append(same[0])
        else:
            for told in (_told(task, job.settings, content) for task in same):
                has_scores = has_scores or not told.problem
                yield told
    failures: list[str] = []
    is_first = True
    bar = tqdm(total=len(missing), desc=job.name, unit="image", mininterval=5, file=sys.stderr)
    with bar:
        for answered in _answers(missing, job, judge.model, store, read_case):
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
                told = _kept(task, job, answer, seconds, store)
                if told.problem:
                    log.warning("sample %s: %s", task.sample.id, told.problem)
                    if not source_images.has_odd_shape(task.sample):
                        failures.append(told.problem)
                has_scores = has_scores or not told.problem
                yield from (replace(told, task=same) for same in alike[task.key])
            if not has_scores and len(failures) >= _SYSTEMATIC:
                raise _unusable(job.name, failures)
            bar.set_postfix_str(judge.telemetry.current(), refresh=False)
            bar.update(len(answered.tasks))


def _answers(
    tasks: Sequence[Asked],
    job: Job[JudgeSettings],
    judge: Judge,
    store: Store,
    read_case: Callable[[Asked], Case],
) -> Iterator[Answered[Asked]]:
    """The answers to ``tasks``: in batches of a judge on a device, as they come of a server."""
    if isinstance(job.settings, ServedJudgeSettings):

        def ask_server(task: Asked) -> Answered[Asked]:
            with replies.of(store.replies(task.key)):
                return ask_one(task, read_case, judge)

        yield from as_they_come(tasks, job.at_once or job.settings.concurrency, ask_server)
        return
    places = {task.name: store.endings_path(task.key) for task in tasks}
    supervision.note_endings(places)
    # Those that were under way when a job was ended come last, each alone: the next end is its own.
    suspects = [task for task in tasks if places[task.name].exists()]
    others = [task for task in tasks if task not in suspects]
    yield from in_batches(others, job.settings.batch_size, read_case, judge)
    for task in suspects:
        yield from in_batches([task], 1, read_case, judge)


def _kept(
    task: Asked,
    job: Job[JudgeSettings],
    answer: Answer | SampleError,
    seconds: float,
    store: Store,
) -> Told[Asked]:
    """A fresh answer. What the judge answered is kept, whether it is a score or not."""
    if not isinstance(answer, Answer | Unreadable):
        return Told(task, None, str(answer), seconds)
    content = {
        **content_of(answer, job.settings),
        "seconds": seconds,
        "key_fields": task.key_fields,
        "made_for": {"judge": job.name, **task.made_for},
    }
    try:
        store.put(task.key, content)
    except OSError as error:
        stop_if_fatal(error)
        raise
    return _told(task, job.settings, content)


def _told(task: Asked, settings: JudgeSettings, content: dict[str, Any]) -> Told[Asked]:
    """An answer as the store keeps it."""
    found = read(content, task.rubric, settings)
    problem = str(found) if isinstance(found, Unreadable) else ""
    return Told(task, content, problem, content["seconds"])


def _unusable(name: str, failures: Sequence[str]) -> UserError:
    """The error of a judge ``name`` whose first answers are all unusable."""
    return UserError(
        f"the first {len(failures)} answers of judge {name} cannot be used, the first because: "
        f"{failures[0]}; use a judge that follows the rubric, or another method, and run the same "
        "command again."
    )

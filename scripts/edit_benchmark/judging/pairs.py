"""Pairs of edits of one sample: a judge is shown both in both orders, and says which is better.

Who made the pictures is nothing to a judge, and not in a key: an answer is kept under the sample,
what is asked, and both pictures in the order in which they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from edit_benchmark.config.judges import JudgeSettings
from edit_benchmark.config.protocols import FIRST, SECOND
from edit_benchmark.dataset import source_images
from edit_benchmark.errors import SampleError
from edit_benchmark.judging.asking import ask, is_asked_afresh
from edit_benchmark.judging.judge import Answer, Case, Unreadable
from edit_benchmark.judging.protocols import Protocol, Question
from edit_benchmark.judging.reading import read
from edit_benchmark.judging.registry import KINDS
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.judging.turns import edited_image, turn_of
from edit_benchmark.records import Sample
from edit_benchmark.results.store import Store, made_with
from edit_benchmark.runtime import supervision
from edit_benchmark.runtime.job import Job, delegated, loaded


@dataclass(frozen=True)
class Picture:
    """An edited image: its path relative to the results folder, and its hash."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Pair:
    """Two edits of one sample.

    Attributes
    ----------
    name
        What messages call it.
    """

    sample: Sample
    first: Picture
    second: Picture
    name: str


@dataclass(frozen=True)
class Heard:
    """What a judge said of a pair in one order.

    Attributes
    ----------
    preference
        The share of the win of the pair's first edit, in whichever order they were shown: 1 if it
        is the better one, 0.5 if neither is, 0 if the other is; None if there is no answer.
    key
        Of the answer, or of what was given up; empty if nothing is kept.
    problem
        Why there is none, else empty.
    seconds
        Time that the answer took, None if it was never asked for.
    judged_with
        As of :class:`~edit_benchmark.records.Score`.
    """

    preference: float | None
    key: str
    text: str
    problem: str
    seconds: float | None
    judged_with: str = ""


#: What was said of a pair as it is, and with its edits the other way round.
BothOrders = tuple[Heard, Heard]


def verdict(one: float | None, other: float | None) -> float | None:
    """The share of the win of a pair's first edit, from that in either order; None unless both are.

    A judge that says something else in the other order prefers neither (as MT-Bench has it,
    https://arxiv.org/abs/2306.05685).
    """
    if one is None or other is None:
        return None
    return one if one == other else 0.5


@dataclass(frozen=True, kw_only=True)
class PairJob(Job[JudgeSettings]):
    """Pairs to be judged.

    Attributes
    ----------
    asked
        What is asked about them; it compares.
    """

    pairs: Sequence[Pair]
    asked: Protocol


@dataclass(frozen=True)
class _Task:
    """One call about a pair, shown in one order."""

    place: int
    pair: Pair
    is_swapped: bool
    question: Question
    key_fields: dict[str, Any]
    key: str

    @property
    def sample(self) -> Sample:
        return self.pair.sample

    @property
    def rubric(self) -> Rubric:
        return self.question.rubric

    @property
    def made_for(self) -> dict[str, Any]:
        return {"pair": self.pair.name, "sample": self.sample.id}

    @property
    def name(self) -> str:
        return f"{self.sample.id}, {_call_name(self.pair, self.question, self.is_swapped)}"


def ask_pairs(job: PairJob) -> list[dict[str, BothOrders]]:
    """What the judge says of each pair, by the names of the protocol's calls.

    No judge is loaded and no device taken if the store has every answer. Where the judge is kept
    loaded by another process, that one does the job's command over again and hands on what its
    ``make`` returns, which has to be :func:`as_json` of the same.

    Raises
    ------
    UserError
        If the job cannot go on, or the judge's first answers are all unusable; answers given so
        far are in the store.
    """
    kind = KINDS[job.settings.judge]
    common = kind.key_fields(job.settings, job.checkpoint)
    store = Store(job.layout.answer_store)
    found: list[dict[str, list[Heard]]] = [{} for _ in job.pairs]
    kept: list[Heard] = []
    tasks: list[_Task] = []
    missing: list[_Task] = []
    for place, pair in enumerate(job.pairs):
        try:
            questions = job.asked.questions(pair.sample)
        except SampleError as error:
            nothing = Heard(None, "", "", str(error), None)
            found[place] = {name: [nothing, nothing] for name in job.asked.file.calls}
            continue
        for question in questions:
            for number, fields in enumerate(pair_fields(question, pair)):
                stored = store.find(common | fields)
                task = _Task(place, pair, number > 0, question, common | fields, stored.key)
                given_up = supervision.given_up(store.endings_path(stored.key))
                heard = Heard(None, stored.key, "", str(given_up or ""), None)
                if stored.content is not None:
                    heard = _heard(task, job.settings, stored.content)
                    kept.append(heard)
                    tasks.append(task)
                elif given_up is None:
                    missing.append(task)
                found[place].setdefault(question.name, []).append(heard)
    has_answers = any(heard.preference is not None for heard in kept)
    afresh = not has_answers and is_asked_afresh(job, [heard.problem for heard in kept], missing)
    if afresh:
        missing = [*tasks, *missing]
    if missing:
        made = delegated(job, kind, common)
        if made is not None:
            return [
                {name: (Heard(**one), Heard(**other)) for name, (one, other) in calls.items()}
                for calls in made
            ]
        with loaded(job, kind, "score", common) as judge:
            read_case = partial(_case, job.results)
            for told in ask(missing, job, judge, store, read_case, has_answers, afresh):
                heard = (
                    Heard(None, "", "", told.problem, told.seconds)
                    if told.content is None
                    else _heard(told.task, job.settings, told.content)
                )
                found[told.task.place][told.task.question.name][told.task.is_swapped] = heard
    return [{name: (both[0], both[1]) for name, both in calls.items()} for calls in found]


def pair_fields(question: Question, pair: Pair) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is asked about a pair in each order: the question's part of the answers' keys."""
    one, other = (
        question.fields(pair.sample, {FIRST: first.sha256, SECOND: second.sha256})
        for first, second in ((pair.first, pair.second), (pair.second, pair.first))
    )
    return one, other


def _heard(task: _Task, settings: JudgeSettings, content: Mapping[str, Any]) -> Heard:
    """An answer as the store keeps it."""
    answer = read(content, task.rubric, settings)
    problem = str(answer) if isinstance(answer, Unreadable) else ""
    return Heard(
        share_of_first(answer, task.is_swapped),
        task.key,
        content["text"],
        problem,
        content["seconds"],
        made_with(content),
    )


def share_of_first(answer: Answer | Unreadable, is_swapped: bool) -> float | None:
    """The share of the win of the pair's first edit, which ``is_swapped`` was shown second."""
    if isinstance(answer, Unreadable):
        return None
    (share,) = answer.criteria.values()
    return 1 - share if is_swapped and share is not None else share


def _case(results: Path, task: _Task) -> Case:
    return case_of_pair(task.pair, task.question, task.is_swapped, results)


def case_of_pair(pair: Pair, question: Question, is_swapped: bool, results: Path) -> Case:
    """What a judge is shown of a pair in one order; errors as of :func:`edited_image`."""
    source = source_images.load(pair.sample, results).first
    first, second = (
        edited_image(one.path, one.sha256, pair.sample, results)
        for one in ((pair.second, pair.first) if is_swapped else (pair.first, pair.second))
    )
    turn = turn_of(question, pair.sample, {FIRST: first, SECOND: second}, results)
    call = _call_name(pair, question, is_swapped)
    return Case(pair.sample, source, first, question.rubric, turn=replace(turn, call=call))


def _call_name(pair: Pair, question: Question, is_swapped: bool) -> str:
    return f"{question.name} of {pair.name}{', the other way round' if is_swapped else ''}"


def as_json(found: Sequence[Mapping[str, BothOrders]]) -> list[dict[str, Any]]:
    """What :func:`ask_pairs` gave, as the process with the loaded judge hands it on."""
    return [{name: list(map(asdict, both)) for name, both in calls.items()} for calls in found]

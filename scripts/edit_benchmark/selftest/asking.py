"""What a judge is asked in its self-test, and what it answers, edit by edit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from edit_benchmark.errors import SampleError
from edit_benchmark.judging.judge import Answer, Case
from edit_benchmark.judging.reading import masses
from edit_benchmark.judging.rubrics import overall
from edit_benchmark.records import Sample
from edit_benchmark.selftest.probes import PROBES, Change


@dataclass(frozen=True)
class Chosen:
    """An edit to test with.

    Attributes
    ----------
    place
        Which of all chosen edits it is, from 0.
    case
        The edit as it is shown to the judge.
    other
        The sample whose instruction it is probed with, None where there is none.
    cluster
        Of its sample, as of :func:`~edit_benchmark.dataset.samples.clusters`.
    """

    place: int
    case: Case
    other: Sample | None
    cluster: str


@dataclass(frozen=True)
class Probed:
    """What the judge answered about an edit that a probe changed.

    Attributes
    ----------
    score
        0 to 10, None where there is none.
    differs
        Whether the changed image is another one than the edit.
    against
        The score of the other change that the probe compares with, if it does.
    """

    score: float | None
    differs: bool
    against: float | None = None


@dataclass(frozen=True)
class Answered:
    """What the judge answered about an edit and all that the probes make of it.

    Attributes
    ----------
    place
        As of :class:`Chosen`.
    id, cluster
        Of the sample, and the cluster of its source images.
    score
        Of the unchanged edit, 0 to 10, None where there is none.
    masses
        Of the unchanged edit, the probability on the scale's labels for each criterion; empty of a
        judge without any.
    probes
        By the probe's name, without those that cannot change this edit.
    asked
        Questions about an image.
    """

    place: int
    id: str
    cluster: str
    score: float | None
    masses: list[float]
    probes: dict[str, Probed]
    asked: int

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Answered:
        """What ``dataclasses.asdict`` made of it; KeyError, TypeError or AttributeError if not."""
        probes = {name: Probed(**probed) for name, probed in fields["probes"].items()}
        return cls(**{**fields, "probes": probes})


@dataclass(frozen=True)
class Question:
    """An edit to be judged, as it is or changed.

    Attributes
    ----------
    row
        Of which of the edits asked about.
    edit
        The edit.
    change
        What is done to it, None for nothing.
    """

    row: int
    edit: Chosen
    change: Change | None

    def case(self) -> Case:
        """What the judge is shown."""
        return (
            self.edit.case if self.change is None else self.change(self.edit.case, self.edit.other)
        )


#: What the judge was shown, or why it could not be, and its answer.
Asked = tuple[Case | SampleError, Answer | SampleError]
#: Asks the judge all questions, in their order.
Ask = Callable[[Sequence[Question]], Iterable[Asked]]


def ask_about(ask: Ask, chosen: Sequence[Chosen]) -> list[Answered]:
    """Ask a judge about edits, at least one, as they are and as every probe changes them.

    All is asked in one go, so that the next images are ready when the judge is.
    """
    as_they_are = [Question(row, edit, None) for row, edit in enumerate(chosen)]
    changed = [
        (probe, Question(row, edit, change))
        for probe in PROBES
        for change in (probe.change, probe.against)
        if change is not None
        for row, edit in _in_order(chosen, reverse=probe.reverse)
        if edit.other is not None or not probe.needs_other
    ]
    answers = iter(ask([*as_they_are, *(question for _, question in changed)]))
    unchanged = [answer for _, (_, answer) in zip(chosen, answers, strict=False)]
    probed: list[dict[str, Probed]] = [{} for _ in chosen]
    asked = [1] * len(chosen)
    for (probe, question), (case, answer) in zip(changed, answers, strict=True):
        of_row = probed[question.row]
        asked[question.row] += 1
        if question.change is probe.against:
            of_row[probe.name] = replace(of_row[probe.name], against=_score(answer))
        else:
            of_row[probe.name] = Probed(_score(answer), _differs(case, question.edit.case))
    return [
        Answered(
            place=edit.place,
            id=edit.case.sample.id,
            cluster=edit.cluster,
            score=_score(answer),
            masses=masses(answer.details) if isinstance(answer, Answer) else [],
            probes=of_probes,
            asked=count,
        )
        for edit, answer, of_probes, count in zip(chosen, unchanged, probed, asked, strict=True)
    ]


def _in_order(chosen: Sequence[Chosen], *, reverse: bool) -> list[tuple[int, Chosen]]:
    numbered = list(enumerate(chosen))
    return numbered[::-1] if reverse else numbered


def _differs(shown: Case | SampleError, unchanged: Case) -> bool:
    """Whether the judge was shown another image than the unchanged edit."""
    return isinstance(shown, Case) and not same_pixels(shown.edited, unchanged.edited)


def same_pixels(image: Image.Image, other: Image.Image) -> bool:
    """Whether two images are one to a judge."""
    return image.size == other.size and image.tobytes() == other.tobytes()


def _score(answer: Answer | SampleError) -> float | None:
    return overall(answer.criteria) if isinstance(answer, Answer) else None

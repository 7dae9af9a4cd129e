"""What a judge is asked in its self-test, and what it answers, edit by edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from edit_benchmark.errors import SampleError
from edit_benchmark.judging.judge import Answer, Case
from edit_benchmark.judging.reading import masses
from edit_benchmark.judging.rubrics import overall
from edit_benchmark.records import Sample
from edit_benchmark.selftest.probes import PROBES, Change

#: Asks the judge: an answer for each case, in their order.
Ask = Callable[[Sequence[Case]], Sequence[Answer | SampleError]]


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


def ask_about(ask: Ask, chosen: Sequence[Chosen]) -> list[Answered]:
    """Ask a judge about edits, at least one, as they are and as every probe changes them."""
    answers = ask([edit.case for edit in chosen])
    probed: list[dict[str, Probed]] = [{} for _ in chosen]
    asked = [1] * len(chosen)
    for probe in PROBES:
        if probe.change is None:
            continue
        found = _ask_changed(ask, probe.change, chosen, reverse=probe.reverse)
        against: dict[int, Probed] = {}
        if probe.against is not None:
            against = _ask_changed(ask, probe.against, chosen, reverse=probe.reverse)
        for row, one in found.items():
            compared = against[row].score if row in against else None
            probed[row][probe.name] = Probed(one.score, one.differs, compared)
        for row in (*found, *against):
            asked[row] += 1
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
        for edit, answer, of_probes, count in zip(chosen, answers, probed, asked, strict=True)
    ]


def _ask_changed(
    ask: Ask, change: Change, chosen: Sequence[Chosen], *, reverse: bool
) -> dict[int, Probed]:
    """What the judge says of all edits that can be changed, once they are; by their rows."""
    changed = [
        (row, case)
        for row, edit in enumerate(chosen)
        if (case := change(edit.case, edit.other)) is not None
    ]
    if reverse:
        changed.reverse()
    answers = ask([case for _, case in changed])
    return {
        row: Probed(_score(answer), not _same_pixels(chosen[row].case.edited, case.edited))
        for (row, case), answer in zip(changed, answers, strict=True)
    }


def _same_pixels(image: Image.Image, other: Image.Image) -> bool:
    return image.size == other.size and image.tobytes() == other.tobytes()


def _score(answer: Answer | SampleError) -> float | None:
    return overall(answer.criteria) if isinstance(answer, Answer) else None

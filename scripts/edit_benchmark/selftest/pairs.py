"""The self-test of a judge that compares: an edit against what nobody could prefer to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edit_benchmark.config.judges import JudgeSettings
from edit_benchmark.config.protocols import FIRST, SECOND
from edit_benchmark.errors import SampleError
from edit_benchmark.judging.judge import Answer, Case
from edit_benchmark.judging.pairs import share_of_first, verdict
from edit_benchmark.judging.protocols import Question
from edit_benchmark.judging.reading import content_of, read
from edit_benchmark.judging.turns import turn_of
from edit_benchmark.selftest.asking import Answered, Chosen, Probed, same_pixels
from edit_benchmark.selftest.probes import PAIR_PROBES, Probe


@dataclass(frozen=True)
class PairQuestion:
    """An edit and its changed version, shown in one order.

    Attributes
    ----------
    row
        Of which of the edits asked about.
    question
        The call of the judge's protocol.
    """

    row: int
    edit: Chosen
    probe: Probe
    is_swapped: bool
    question: Question
    results: Path

    def case(self) -> Case:
        """What the judge is shown."""
        case = self.edit.case
        shown = [case.edited, changed(case, self.probe).edited]
        first, second = shown[::-1] if self.is_swapped else shown
        turn = turn_of(self.question, case.sample, {FIRST: first, SECOND: second}, self.results)
        call = f"{turn.call} of {self.probe.name}{' swapped' if self.is_swapped else ''}"
        return replace(case, edited=first, turn=replace(turn, call=call), prepared=None)


def changed(case: Case, probe: Probe) -> Case:
    """``case`` with what the edit is compared with in place of the edit."""
    assert probe.change is not None
    return probe.change(case, None)


#: Asks the judge all questions; the answers in their order.
Ask = Callable[[Sequence[PairQuestion]], Iterable[Answer | SampleError]]


def ask_about_pairs(
    ask: Ask, chosen: Sequence[Chosen], questions: Sequence[Question], settings: JudgeSettings,
    results: Path,
) -> list[Answered]:  # fmt: skip
    """Ask a judge about edits and what every probe makes of them, in both orders.

    Of each probe the score is the share of the win of the changed version, and what it is held
    against that of the edit. An edit has a score itself if all could be read that was said of it.

    Parameters
    ----------
    questions
        What is asked about each of ``chosen``.
    """
    asked = [
        PairQuestion(row, edit, probe, is_swapped, questions[row], results)
        for probe in PAIR_PROBES
        if probe.change is not None
        for row, edit in enumerate(chosen)
        for is_swapped in (False, True)
    ]
    heard: dict[tuple[int, str], list[float | None]] = {}
    for one, answer in zip(asked, ask(asked), strict=True):
        heard.setdefault((one.row, one.probe.name), []).append(_share(one, answer, settings))
    probed: list[dict[str, Probed]] = [{} for _ in chosen]
    for one in asked[::2]:
        share = verdict(*heard[one.row, one.probe.name])
        differs = not same_pixels(changed(one.edit.case, one.probe).edited, one.edit.case.edited)
        lost = None if share is None else 1 - share
        probed[one.row][one.probe.name] = Probed(lost, differs, share)
    return [
        Answered(
            place=edit.place,
            id=edit.case.sample.id,
            cluster=edit.cluster,
            score=None if any(one.score is None for one in of_probes.values()) else 1.0,
            masses=[],
            probes=of_probes,
            asked=2 * len(of_probes),
        )
        for edit, of_probes in zip(chosen, probed, strict=True)
    ]


def _share(
    one: PairQuestion, answer: Answer | SampleError, settings: JudgeSettings
) -> float | None:
    """The edit's share of the win, None where nothing can be read."""
    if not isinstance(answer, Answer):
        return None
    found = read(content_of(answer, settings), one.question.rubric, settings)
    return share_of_first(found, one.is_swapped)

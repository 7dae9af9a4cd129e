"""What a judge is: the base class of every one, the user's own included, and what it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from edit_benchmark.errors import SampleError
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.records import Sample, edit_name


@dataclass(frozen=True)
class Turn:
    """One call of a protocol, as a judge is shown it.

    Attributes
    ----------
    call
        Its name in the protocol.
    content
        Texts, and RGB images, in the order in which they are shown.
    system
        The system's text; empty if there is none.
    measurement
        Which time it is asked, from 0: a judge that samples answers anew.
    """

    call: str
    content: tuple[str | Image.Image, ...]
    system: str = ""
    measurement: int = 0


@dataclass(frozen=True)
class Case:
    """One edit to be judged.

    Attributes
    ----------
    source, edited
        RGB images at their own sizes; of several source images the first.
    rubric
        What is asked about them.
    repeat
        Which of the sample's edits it is, from 0.
    more_sources, mask
        The other source images in their order; a grey image (mode ``L``), white where ``source``
        was to be edited, None without one.
    target
        The image that the edit should come to, where the judge measures against it.
    prepared
        What :meth:`Judge.prepare` made of the case ahead, None if nothing.
    turn
        What is asked in place of the rubric's criteria, where the judge has a protocol: then an
        answer's ``text`` is what the judge writes, and its ``criteria`` are empty.
    """

    sample: Sample
    source: Image.Image
    edited: Image.Image
    rubric: Rubric
    repeat: int = 0
    prepared: Any = field(default=None, compare=False, repr=False)
    more_sources: tuple[Image.Image, ...] = ()
    mask: Image.Image | None = None
    turn: Turn | None = None
    target: Image.Image | None = None

    @property
    def sources(self) -> tuple[Image.Image, ...]:
        """All source images, in the benchmark's order."""
        return (self.source, *self.more_sources)

    @property
    def name(self) -> str:
        """What messages call the edit, and the call about it."""
        call = f", {self.turn.call}" if self.turn else ""
        return edit_name(self.sample.id, self.repeat) + call


@dataclass(frozen=True)
class Answer:
    """A judge's answer.

    Attributes
    ----------
    criteria
        The criterion's score, 0 to 10, for each criterion of the rubric; None where it does not
        apply.
    text
        The judge's own words, if it wrote any.
    details
        What the numbers were computed from, such as the probabilities of the labels.
    reading
        The rule by which the answer was read; empty where the judge gave the numbers itself.
    """

    criteria: dict[str, float | None]
    text: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    reading: str = ""


class Unreadable(SampleError):
    """A judge's answer that is no score. It is kept all the same, to be read again by other rules.

    Parameters
    ----------
    problem
        Why it is no score.
    text, details
        As of an :class:`Answer`.
    """

    def __init__(self, problem: SampleError, text: str, details: dict[str, Any]) -> None:
        Exception.__init__(self, str(problem))
        self.kind = problem.kind
        self.text = text
        self.details = details


class Judge:
    """One loaded judge on one device.

    A class of one's own needs only :meth:`judge`; deriving from this class is optional.

    Attributes
    ----------
    compile_seconds
        Time that compiling kernels took while the model was loaded.
    """

    compile_seconds: float = 0.0

    def prepare(self, case: Case) -> Case:
        """The case with the part of judging it done that needs no device.

        Called from other threads while earlier cases are judged. It must not fail: a case that
        cannot be prepared is returned as it is, and fails when it is judged.
        """
        return case

    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        """An answer for each case, in their order, or what went wrong with it.

        Equal cases get equal answers. A score is never made up: an answer that cannot be read is
        returned as a SampleError.
        """
        raise NotImplementedError

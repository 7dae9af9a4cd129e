"""Judges: what scores an edit against a rubric.

A new kind of judge is a class with ``judge`` and an entry in :data:`KINDS`; your own class needs
neither, only ``class_path`` in the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from edit_benchmark.checkpoints.resolve import Checkpoint
from edit_benchmark.class_path import load_class, source_hash
from edit_benchmark.errors import SampleError
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.records import Sample
from edit_benchmark.versions import installed


@dataclass(frozen=True)
class Case:
    """One edit to be judged: RGB pictures at their own sizes, and what to ask about them."""

    sample: Sample
    source: Image.Image
    edited: Image.Image
    rubric: Rubric


@dataclass(frozen=True)
class Answer:
    """A judge's answer.

    Attributes
    ----------
    criteria
        The criterion's score, 0 to 10, for each criterion of the rubric; None where it does not
        apply.
    text
        The judge's own words, where it wrote any.
    details
        What stands behind the numbers, such as the probabilities of the labels.
    """

    criteria: dict[str, float | None]
    text: str = ""
    details: dict[str, Any] = field(default_factory=dict)


class Judge(Protocol):
    """One loaded judge on one device.

    It may have a method ``prepare(case)`` too: called from other threads while earlier cases are
    judged, to do ahead what needs no device. It must not fail; what went wrong shows when the same
    case is judged.
    """

    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        """An answer for each case, in their order, or what went wrong with it.

        Equal cases get equal answers. A score is never made up: an answer that cannot be read is
        returned as a SampleError.
        """
        ...


_IDENTITY = {
    "transformers": ("dtype", "method", "max_pixels", "max_new_tokens", "min_mass"),
    "class_path": ("class_path", "params", "dtype", "method", "max_pixels"),
}
# Raised when our own code changes what a judge answers to the same question.
_PROTOCOL = {"transformers": 2, "class_path": 1}
_LIBRARIES = {"transformers": ("torch", "transformers"), "class_path": ()}


def facts(settings: Mapping[str, Any], checkpoint: Checkpoint | None) -> dict[str, Any]:
    """Everything about a judge that determines its answers: its part of an answer's key."""
    kind = settings["judge"]
    result: dict[str, Any] = {
        "judge": kind,
        "protocol": _PROTOCOL[kind],
        "checkpoint": checkpoint.identity if checkpoint else None,
        "versions": installed(*_LIBRARIES[kind]),
    }
    result |= {name: settings[name] for name in _IDENTITY[kind]}
    if settings["repeat"]:
        result["repeat"] = settings["repeat"]
    if kind == "class_path":
        result["source_hash"] = source_hash(settings["class_path"])
    return result


def questions(rubric: Rubric, sample: Sample, method: str) -> dict[str, Any]:
    """What is asked about a sample, word for word: the rubric's part of an answer's key."""
    asked = (
        [rubric.expected_question(criterion) for criterion in rubric.criteria]
        if method == "expected"
        else [rubric.generated_question()]
    )
    return {
        "shared": rubric.shared_text(sample),
        "asked": asked,
        "headings": [rubric.texts["source"], rubric.texts["edited"]],
        "criteria": [criterion.key for criterion in rubric.criteria],
        "labels": rubric.labels,
        "not_applicable": rubric.not_applicable,
        "see_source": rubric.see_source,
    }


def build(settings: Mapping[str, Any], checkpoint: Checkpoint | None, device: str) -> Judge:
    """Load the judge that ``settings`` describe onto ``device`` (``cuda`` or ``cpu``)."""
    return KINDS[settings["judge"]](settings, checkpoint, device)


def import_libraries(settings: Mapping[str, Any], checkpoint: Checkpoint | None) -> None:
    """Import what :func:`build` will need, which takes seconds and no device."""
    if settings["judge"] == "transformers" and checkpoint is not None:
        from edit_benchmark.judging import transformers_model as transformers_judge

        transformers_judge.judge_class(Path(checkpoint.path))


def _build_transformers(
    settings: Mapping[str, Any], checkpoint: Checkpoint | None, device: str
) -> Judge:
    from edit_benchmark.checkpoints.loading import Ahead

    assert checkpoint is not None
    ahead = Ahead([Path(checkpoint.path)], settings, device)  # beside the imports

    from edit_benchmark.judging.transformers_model import TransformersJudge

    return TransformersJudge(settings, checkpoint, device, ahead)


def _build_own(settings: Mapping[str, Any], checkpoint: Checkpoint | None, device: str) -> Judge:
    own = load_class(settings["class_path"], "judge")
    path = checkpoint.path if checkpoint else None
    judge: Judge = own(
        checkpoint=path, dtype=settings["dtype"], device=device, **settings["params"]
    )
    return judge


KINDS: dict[str, Callable[[Mapping[str, Any], Checkpoint | None, str], Judge]] = {
    "transformers": _build_transformers,
    "class_path": _build_own,
}

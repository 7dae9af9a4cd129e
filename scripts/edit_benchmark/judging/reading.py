"""Reading a judge's answer: what is kept of it becomes scores, by settings that may change.

The store keeps answers as judges gave them: the probabilities of the labels, the labels that were
chosen, or the whole text. Reading is a function of that, the rubric and the settings alone, so that
another ``min_mass`` or a better parser needs no judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edit_benchmark.config.judges import (
    JudgeSettings,
    OwnJudgeSettings,
    PixelsJudgeSettings,
    ServedJudgeSettings,
    TransformersJudgeSettings,
)
from edit_benchmark.errors import SampleError
from edit_benchmark.judging.judge import Answer, Unreadable
from edit_benchmark.judging.parsing import parse_generated
from edit_benchmark.judging.rubrics import Rubric, overall

# A class of the user's own reads its answers itself; a measure is its number.
_GIVES_NUMBERS = (OwnJudgeSettings, PixelsJudgeSettings)


def content_of(answer: Answer | Unreadable, settings: JudgeSettings) -> dict[str, Any]:
    """What the store keeps of an answer."""
    content: dict[str, Any] = {"text": answer.text, "details": answer.details}
    if isinstance(settings, _GIVES_NUMBERS) and isinstance(answer, Answer):
        content["criteria"] = answer.criteria
    return content


def read(
    content: Mapping[str, Any], rubric: Rubric, settings: JudgeSettings
) -> Answer | Unreadable:
    """The scores that an answer stands for, or why it stands for none.

    Parameters
    ----------
    content
        What :func:`content_of` gave.
    """
    text, details = content["text"], content["details"]
    if rubric.parse is not None:
        try:
            if "problem" in details and isinstance(settings, ServedJudgeSettings):
                raise SampleError(*details["problem"])
            return Answer(dict(rubric.parse(text)), text, details)
        except SampleError as problem:
            return Unreadable(problem, text, details)
    if isinstance(settings, _GIVES_NUMBERS):
        return Answer(content["criteria"], text, details)
    try:
        if "problem" in details and isinstance(settings, ServedJudgeSettings):
            raise SampleError(*details["problem"])
        if settings.method == "generated" and _is_text(settings):
            answer = parse_generated(text, rubric)
            criteria, rule = answer.criteria, answer.reading
        else:
            criteria = _of_labels(details, rubric, settings.method, settings.min_mass)
            rule = "labels" if settings.method == "generated" else "probabilities"
        if overall(criteria) is None:
            raise SampleError("nothing_applies", "the judge found that no criterion applies")
    except SampleError as problem:
        return Unreadable(problem, text, details)
    return Answer(criteria, text, details, rule)


def _is_text(settings: TransformersJudgeSettings | ServedJudgeSettings) -> bool:
    """Whether the judge writes the whole of a generated answer."""
    return isinstance(settings, ServedJudgeSettings) or settings.answer == "text"


def label_details(probabilities: Mapping[str, float]) -> dict[str, Any]:
    """What is kept of the labels' probabilities at one criterion's place in an answer.

    ``mass`` is their sum, ``label`` the most probable one, of equal ones the first of the rubric.
    """
    return {
        "label": max(probabilities, key=lambda label: probabilities[label]),
        "mass": sum(probabilities.values()),
        "probabilities": dict(probabilities),
    }


def masses(details: Mapping[str, Any]) -> list[float]:
    """The probability of the labels at each criterion's place; empty of a judge that tells none."""
    found = [place.get("mass") for place in details.values() if isinstance(place, Mapping)]
    # A class of the user's own may tell anything under this name. Sums may round to above 1.
    return [
        float(mass)
        for mass in found
        if isinstance(mass, int | float) and not isinstance(mass, bool) and 0 <= mass <= 1.01
    ]


def _of_labels(
    details: Mapping[str, Any], rubric: Rubric, method: str, min_mass: float
) -> dict[str, float | None]:
    """Each criterion's score from the probabilities of the labels at its place."""
    criteria: dict[str, float | None] = {}
    for criterion in rubric.criteria:
        place = details[criterion.key]
        if place["mass"] < min_mass or place["mass"] == 0:
            raise SampleError(
                "off_scale",
                f"the judge puts {place['mass']:.3f} of its probability on the labels of "
                f"{criterion.key}, less than min_mass {min_mass:g}",
            )
        if method == "generated":
            # None for the label of "does not apply", which stands for no score.
            criteria[criterion.key] = rubric.labels.get(place["label"])
        else:
            criteria[criterion.key] = expected_value(place["probabilities"], rubric)
    return criteria


def expected_value(probabilities: Mapping[str, float], rubric: Rubric) -> float | None:
    """A criterion's score, 0 to 10, from the probability that the judge gives each label.

    The score is the expected value over the labels of the scale, their probabilities scaled to sum
    to 1 (as in G-Eval, https://arxiv.org/abs/2303.16634). None if the label for "does not apply"
    is more probable than all of them together.

    Parameters
    ----------
    probabilities
        By label, those of the scale and the one for "does not apply"; their sum may be below 1.
    """
    on_scale = sum(probabilities[label] for label in rubric.labels)
    if probabilities[rubric.not_applicable] > on_scale:
        return None
    weighted = (probabilities[label] * value for label, value in rubric.labels.items())
    return sum(weighted) / on_scale

"""What a judge is asked in its repeats: the same rubric, but for what the repeat varies."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from edit_benchmark.config.judges import AskedJudgeSettings, JudgeSettings, PixelsJudgeSettings
from edit_benchmark.errors import UserError
from edit_benchmark.judging import protocols, rubrics
from edit_benchmark.judging.pixels.scales import rubric_of_measure
from edit_benchmark.judging.protocols import Protocol
from edit_benchmark.judging.rubrics import Rubric


def asked_of(settings: JudgeSettings, category: str, language: str) -> Rubric | Protocol:
    """What the judge of ``settings`` is asked in ``category``.

    Raises
    ------
    UserError
        As :func:`rubric_of` and :func:`protocols.load`.
    """
    if settings.protocol_file is not None:
        assert not isinstance(settings, PixelsJudgeSettings)
        return protocols.load(settings, category, language)
    return rubric_of(settings, category, language)


def asked_hash(settings: JudgeSettings) -> str | None:
    """The hash of what a judge is asked by; None of a measure. Errors as of :func:`asked_of`."""
    if settings.protocol_file is not None:
        assert not isinstance(settings, PixelsJudgeSettings)
        return protocols.protocol_hash(settings)
    return None if settings.rubric_file is None else rubrics.rubric_hash(settings.rubric_file)


def rubric_of(settings: JudgeSettings, category: str, language: str) -> Rubric:
    """The rubric of ``category`` as the judge of ``settings`` is asked by it.

    Raises
    ------
    UserError
        As :func:`rubrics.load`, or if there is nothing to vary.
    """
    if isinstance(settings, PixelsJudgeSettings):
        return rubric_of_measure(settings.measure, settings.against, category, language)
    assert settings.rubric_file is not None
    rubric = rubrics.load(settings.rubric_file, category, language)
    if settings.vary == "order":
        return _reordered(rubric, settings)
    if settings.vary == "paraphrase":
        return _reworded(rubric, settings)
    return rubric


def _reordered(rubric: Rubric, settings: AskedJudgeSettings) -> Rubric:
    """The criteria in another order, the same for every edit, another one for each repeat."""
    count = math.factorial(len(rubric.criteria)) - 1
    if settings.repeat > count:
        raise UserError(
            f"rubric {settings.rubric}: repeat {settings.repeat} with vary: order needs as many "
            f"other orders of the criteria, and category {rubric.category} has {count}; repeat "
            "less, or leave vary: order out."
        )
    orders = [rubric.criteria]
    for repeat in range(1, settings.repeat + 1):
        criteria = list(rubric.criteria)
        draw = random.Random(repeat)
        while tuple(criteria) in orders:
            draw.shuffle(criteria)
        orders.append(tuple(criteria))
    return replace(rubric, criteria=orders[-1])


def _reworded(rubric: Rubric, settings: AskedJudgeSettings) -> Rubric:
    """The paraphrase of the repeat's number."""
    count = len(rubric.paraphrases)
    if settings.repeat > count:
        raise UserError(
            f"rubric {settings.rubric}: repeat {settings.repeat} with vary: paraphrase needs as "
            f"many paraphrases.{rubric.texts['language']}, and there are {count}; add some, or "
            "repeat less."
        )
    return replace(rubric, texts=rubric.texts | rubric.paraphrases[settings.repeat - 1])

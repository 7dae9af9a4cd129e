"""What a judge is asked in its repeats: the same rubric, but for what the repeat varies."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from edit_benchmark.config.judges import AskedJudgeSettings, JudgeSettings, PixelsJudgeSettings
from edit_benchmark.errors import UserError
from edit_benchmark.judging import rubrics
from edit_benchmark.judging.pixels.scales import rubric_of_measure
from edit_benchmark.judging.rubrics import Rubric


def rubric_of(settings: JudgeSettings, category: str, language: str) -> Rubric:
    """The rubric of ``category`` as the judge of ``settings`` is asked by it.

    Raises
    ------
    UserError
        As :func:`rubrics.load`, or if there is nothing to vary.
    """
    if isinstance(settings, PixelsJudgeSettings):
        return rubric_of_measure(settings.measure, category, language)
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

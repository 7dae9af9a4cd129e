"""What a judge is asked in its repeats: the same rubric, but for what the repeat varies."""

from __future__ import annotations

import random
from dataclasses import replace

from edit_benchmark.config.judges import JudgeSettings
from edit_benchmark.errors import UserError
from edit_benchmark.judging import rubrics
from edit_benchmark.judging.rubrics import Rubric


def rubric_of(settings: JudgeSettings, category: str, language: str) -> Rubric:
    """The rubric of ``category`` as the judge of ``settings`` is asked by it.

    Raises
    ------
    UserError
        As :func:`rubrics.load`, or if there is nothing to vary.
    """
    rubric = rubrics.load(settings.rubric_file, category, language)
    if settings.vary == "order":
        return _reordered(rubric, settings)
    if settings.vary == "paraphrase":
        return _reworded(rubric, settings, language)
    return rubric


def _reordered(rubric: Rubric, settings: JudgeSettings) -> Rubric:
    """The criteria in another order, the same for every edit, another one for each repeat."""
    if len(rubric.criteria) < 2:
        raise UserError(
            f"rubric {settings.rubric}: category {rubric.category} has one criterion, so that "
            "there is no order to vary; leave vary: order out."
        )
    criteria = list(rubric.criteria)
    draw = random.Random(settings.repeat)
    while criteria == list(rubric.criteria):
        draw.shuffle(criteria)
    return replace(rubric, criteria=tuple(criteria))


def _reworded(rubric: Rubric, settings: JudgeSettings, language: str) -> Rubric:
    """The paraphrase of the repeat's number."""
    wordings = rubrics.read(settings.rubric_file).get("paraphrases", {}).get(language, [])
    if settings.repeat > len(wordings):
        raise UserError(
            f"rubric {settings.rubric}: repeat {settings.repeat} with vary: paraphrase needs as "
            f"many paraphrases.{language}, and there are {len(wordings)}; add some, or repeat less."
        )
    texts = {name: text.strip() for name, text in wordings[settings.repeat - 1].items()}
    return replace(rubric, texts=rubric.texts | texts)

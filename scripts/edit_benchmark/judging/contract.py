"""What an answer has to be: a judge of the user's own may return anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from numbers import Real
from typing import Any

from edit_benchmark.errors import SampleError
from edit_benchmark.judging.judge import Answer, Unreadable
from edit_benchmark.judging.rubrics import Rubric, Scale, overall
from edit_benchmark.records import storable

# Characters of a judge's own words that are kept.
_LONGEST_TEXT = 100_000


def checked(answer: object, rubric: Rubric) -> Answer | SampleError:
    """A copy of ``answer`` that meets the contract, or why it does not.

    A copy, because the judge may keep its own and change it. Nothing is guessed: a number as text
    or a truth value is no score.
    """
    try:
        return _checked(answer, rubric)
    except SampleError as error:
        return error
    except Exception as error:  # from numbers, texts and containers of the user's own
        return SampleError("unusable_answer", f"{type(error).__name__}: {error}")


def _checked(answer: object, rubric: Rubric) -> Answer | SampleError:
    if isinstance(answer, SampleError):
        # Without a message its text is the kind alone.
        message = str(answer).removeprefix(answer.kind).removeprefix(": ")
        problem = SampleError(answer.kind, message)
        if not isinstance(answer, Unreadable):
            return problem
        return Unreadable(problem, *_kept(answer))
    if not isinstance(answer, Answer) or not isinstance(answer.criteria, Mapping):
        raise SampleError("unusable_answer", f"the judge returned a {type(answer).__name__}")
    if rubric.parse is not None:
        # What the judge wrote is read by the protocol's parser.
        text, details = _kept(answer)
        return replace(answer, criteria={}, text=text, details=details)
    keys = [criterion.key for criterion in rubric.criteria]
    if set(answer.criteria) != set(keys):
        raise SampleError("incomplete_answer", f"the criteria are not {', '.join(keys)}")
    criteria = {key: _score(key, answer.criteria[key], rubric.scale) for key in keys}
    if overall(criteria) is None:
        raise SampleError("nothing_applies", "the judge found that no criterion applies")
    text, details = _kept(answer)
    return replace(answer, criteria=criteria, text=text, details=details)


def _kept(answer: Answer | Unreadable) -> tuple[str, dict[str, Any]]:
    """Text and details of an answer, as the store can keep them."""
    text, details = storable([str(answer.text)[:_LONGEST_TEXT], dict(answer.details)])
    return text, details


def _score(key: str, value: object, scale: Scale) -> float | None:
    """A criterion's score on ``scale`` as a plain number; None where it does not apply."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real):
        raise SampleError("no_number", f"{key} is a {type(value).__name__}, not a number")
    score = float(value)
    if not scale.lowest <= score <= scale.highest or math.isnan(score):
        ends = f"{scale.lowest:g} to {scale.highest:g}"
        raise SampleError("off_scale", f"{key} is {score:g}, not within {ends}")
    return score

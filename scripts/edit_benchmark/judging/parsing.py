"""Parsing a judge's answer strictly: what does not parse is no score."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from edit_benchmark.errors import SampleError
from edit_benchmark.judging.judge import Answer
from edit_benchmark.judging.rubrics import Rubric

_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*)\n\s*```\Z", re.DOTALL)


def parse_generated(text: str, rubric: Rubric) -> Answer:
    """Parse an answer written as one JSON object: each criterion's key with a label of the scale.

    A Markdown code fence around the object and a text under ``reason`` are allowed, nothing else.

    Raises
    ------
    SampleError
        ``unparsable_answer``, saying what is wrong. No default replaces a missing label.
    """
    body = text.strip()
    fenced = _FENCE.match(body)
    try:
        content = json.loads(fenced.group(1) if fenced else body, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise _unparsable(f"not JSON ({error})", text) from None
    if not isinstance(content, dict):
        raise _unparsable("not a JSON object", text)
    reason = content.pop("reason", "")
    if not isinstance(reason, str):
        raise _unparsable("reason is not a text", text)
    keys = [criterion.key for criterion in rubric.criteria]
    if sorted(content) != sorted(keys):
        missing = [key for key in keys if key not in content]
        extra = [key for key in content if key not in keys]
        raise _unparsable(f"missing {missing}, unknown {extra}", text)
    criteria: dict[str, float | None] = {}
    for key in keys:
        value = content[key]
        label = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if label == rubric.not_applicable:
            criteria[key] = None
        elif label in rubric.labels:
            criteria[key] = rubric.labels[label]
        else:
            raise _unparsable(f"{key} is {value!r}, not a label of the scale", text)
    return Answer(criteria=criteria, text=text.strip())


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


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key stands there twice")
    return content


def _unparsable(problem: str, text: str) -> SampleError:
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 120 else shown[:120] + "…"
    return SampleError("unparsable_answer", f"{problem}; the judge wrote: {shown!r}")

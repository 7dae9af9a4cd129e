"""The parsers of protocols by name: an answer's numbers, or a SampleError that says why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from edit_benchmark.errors import SampleError
from edit_benchmark.judging.parsing import behind_thinking
from edit_benchmark.official import (
    complex_edit,
    gedit,
    gedit_v2,
    imgedit,
    kris,
    re_edit,
    rise,
    unicbench,
)
from edit_benchmark.official.answers import number, unparsable

# A number, emphasised or the end of a sentence or not; a sign would not be of the scale.
_NUMBER = re.compile(r"[\s*_`\"]*(\d+(?:\.\d+)?)[\s*_`\".]*", re.ASCII)


def parse(name: str, text: str, scores: Sequence[str], category: str) -> list[float]:
    """The numbers of an answer, as the parser ``name`` reads it.

    Parameters
    ----------
    scores
        What the call asks for.
    category
        The sample's.

    Raises
    ------
    SampleError
        If they cannot be read.
    """
    try:
        body = behind_thinking(text)
    except ValueError as problem:
        raise unparsable(text, str(problem)) from None
    return _PARSERS[name](body, scores, category)


def _single(text: str, scores: Sequence[str], category: str) -> list[float]:
    """The one number, 0 to 10, that the answer is."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise unparsable(text, "not one number")
    return [number(found[1], 0, 10)]


def _re_edit(text: str, scores: Sequence[str], category: str) -> list[float]:
    metric = scores[0] if len(scores) == 1 else scores[0].rpartition(":")[0]
    value = re_edit.parse(text, metric)
    if isinstance(value, str):
        return [100.0 * (value == "yes")]
    return list(value) if isinstance(value, tuple) else [value]


#: The first edit's share of the win, by what the judge prefers.
PREFERENCES = {gedit_v2.FIRST: 1.0, gedit_v2.TIE: 0.5, gedit_v2.SECOND: 0.0}
_Parser = Callable[[str, Sequence[str], str], list[float]]
_PARSERS: Mapping[str, _Parser] = {
    "number": _single,
    "gedit": lambda text, scores, category: gedit.parse(text),
    "imgedit": lambda text, scores, category: imgedit.parse(text, len(scores)),
    "rise": lambda text, scores, category: [rise.parse(text, category)],
    "kris": lambda text, scores, category: [kris.parse(text, name) for name in scores],
    "re_edit": _re_edit,
    "complex_edit": lambda text, scores, category: [
        complex_edit.parse(text, name) for name in scores
    ],
    "winner": lambda text, scores, category: [PREFERENCES[gedit_v2.parse(text)]],
    "unicbench": lambda text, scores, category: [unicbench.parse(text)],
}


def named(numbers: Sequence[float], scores: Sequence[str], lowest: bool) -> dict[str, float]:
    """The numbers of an answer by the names of its scores.

    Raises
    ------
    SampleError
        If there are more or fewer.
    """
    if lowest:
        return {scores[0]: min(numbers)}
    if len(numbers) != len(scores):
        raise SampleError("unparsable_answer", f"{len(numbers)} scores, not {len(scores)}")
    return dict(zip(scores, numbers, strict=True))

"""Parsing what a judge wrote: an answer with one plain meaning is read, any other is no score."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from edit_benchmark.errors import SampleError, shorten
from edit_benchmark.judging.judge import Answer
from edit_benchmark.judging.rubrics import Rubric

_THINKING_ENDS = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_THINKING_BEGINS = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_OBJECT = re.compile(r'\{\s*"')
_FENCE = re.compile(r"```\w*")
# A text, kept, or a comma behind the last entry.
_TEXT_OR_LAST_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)
_FULL_WIDTH = str.maketrans("０１２３４５６７８９．", "0123456789.")
_NOT_APPLICABLE = frozenset({"n/a", "na", "null", "not applicable", "does not apply", "不适用"})
# Where a judge puts the label if it gives each criterion an object of its own.
_LABEL_KEYS = frozenset({"score", "label", "value", "rating", "digit", "answer"})


class _Number(str):
    """A number of a JSON text, as it was written."""


class _Object(list[tuple[str, Any]]):
    """A JSON object, with keys that stand there twice."""


def _decoder(strict: bool) -> json.JSONDecoder:
    return json.JSONDecoder(
        strict=strict, parse_int=_Number, parse_float=_Number, object_pairs_hook=_Object
    )


def _repaired(text: str) -> str:
    return _TEXT_OR_LAST_COMMA.sub(lambda match: match.group(1) or "", text.translate(_FULL_WIDTH))


# How a JSON text is decoded, the strictest first: by what name, after what change of the text.
_DECODERS: Sequence[tuple[str, json.JSONDecoder, Callable[[str], str]]] = (
    ("", _decoder(strict=True), str),
    ("syntax", _decoder(strict=False), _repaired),
    # The end is missing, in the middle of a text.
    ("cut", _decoder(strict=False), lambda text: _repaired(text) + '"}'),
)


def parse_generated(text: str, rubric: Rubric) -> Answer:
    """Parse an answer: the one JSON object in it that has each criterion's key with a label.

    It may stand behind the judge's thinking, in a code fence, between sentences, alone in a list or
    one level deep in another object, and may have texts under keys of its own. Its commas, line
    breaks, digits and the case of its keys may be careless. ``reading`` of the result names what
    was: ``strict`` if nothing, else names from ``think``, ``fence``, ``list``, ``sentences``,
    ``repeated``, ``nested``, ``syntax``, ``cut``, ``keys``, ``case``, ``values``, with ``+``.

    Raises
    ------
    SampleError
        ``unparsable_answer``, saying what is wrong. No default replaces a missing label, and of two
        objects or labels that differ none is chosen.
    """
    try:
        criteria, rules = _Reader(rubric).read(text)
    except ValueError as problem:
        shown = shorten(" ".join(text.split()), 120)
        raise SampleError("unparsable_answer", f"{problem}; the judge wrote: {shown!r}") from None
    return Answer(criteria=criteria, text=text.strip(), reading="+".join(rules) or "strict")


def behind_thinking(text: str) -> str:
    """What a judge wrote once it had thought.

    Raises
    ------
    ValueError
        If it was still thinking.
    """
    ends = list(_THINKING_ENDS.finditer(text))
    body = text[ends[-1].end() :] if ends else text
    if _THINKING_BEGINS.search(body):
        raise ValueError("the judge was still thinking at its last token; raise max_new_tokens")
    return body


class _Reader:
    """Reads one answer. Its methods raise a ValueError that says why there is no plain meaning."""

    def __init__(self, rubric: Rubric) -> None:
        self._rubric = rubric
        self._keys = [criterion.key for criterion in rubric.criteria]
        self._labels = [*rubric.labels, rubric.not_applicable]
        self._rules: list[str] = []

    def read(self, text: str) -> tuple[dict[str, float | None], list[str]]:
        """Each criterion's score, and the names of what was careless."""
        body = self._behind_thinking(text)
        objects, rest = self._objects(body)
        if not objects:
            raise ValueError("no JSON object with the criteria")
        self._note_surroundings(rest, len(objects))
        for key in self._keys:
            # Part of another object, which could not be decoded.
            if re.search(rf"""["']{key}["']\s*:""", rest, re.IGNORECASE):
                raise ValueError(f"{key} stands outside of the JSON object too")
        answers = [self._labels_of(one) for one in objects]
        if any(answer != answers[0] for answer in answers):
            raise ValueError("two JSON objects that differ")
        scores = {key: self._rubric.labels.get(answers[0][key]) for key in self._keys}
        return scores, list(dict.fromkeys(self._rules))

    def _behind_thinking(self, text: str) -> str:
        body = behind_thinking(text)
        self._note("think", body != text)
        return body

    def _objects(self, body: str) -> tuple[list[_Object], str]:
        """The objects with a criterion's key, and the text around them."""
        objects: list[_Object] = []
        around, rest = "", body
        while begin := _OBJECT.search(rest):
            around, rest = around + rest[: begin.start()], rest[begin.start() :]
            value, rule, following = _decoded(rest)
            found = self._about_criteria(value) if value is not None else []
            objects += found
            self._note(rule, bool(found))
            if value is None:
                around, rest = around + "{", rest[1:]
            else:
                rest = following
        return objects, around + rest

    def _about_criteria(self, value: _Object) -> list[_Object]:
        """``value`` if it has a criterion's key, else the objects in it that have one."""
        if any(self._key(name) for name, _ in value):
            return [value]
        parts = [part[0] if _is_list_of_one(part) else part for _, part in value]
        found = [
            part
            for part in parts
            if isinstance(part, _Object) and any(self._key(name) for name, _ in part)
        ]
        self._note("nested", bool(found))
        return found

    def _note_surroundings(self, around: str, count: int) -> None:
        self._note("fence", "```" in around)
        words = _FENCE.sub("", around).strip()
        is_list = count == 1 and re.fullmatch(r"\[\s*\]", words)
        self._note("list", bool(is_list))
        self._note("sentences", bool(words) and not is_list and count == 1)
        self._note("repeated", count > 1)

    def _labels_of(self, content: _Object) -> dict[str, str]:
        """The label of each criterion."""
        labels: dict[str, str] = {}
        for name, value in content:
            key = self._key(name)
            if key is None:
                if not _is_text(value):
                    raise ValueError(f"{name} is no criterion")
                self._note("keys", name != "reason")
                continue
            self._note("case", name != key)
            label = self._label(value)
            if label is None:
                raise ValueError(f"{key} is {_shown(value)}, not a label of the scale")
            if labels.setdefault(key, label) != label:
                raise ValueError(f"a key stands there twice with different labels: {key}")
        missing = [key for key in self._keys if key not in labels]
        if missing:
            raise ValueError(f"missing {missing}")
        return labels

    def _key(self, name: str) -> str | None:
        """The criterion's key that ``name`` is, in whatever case."""
        if name in self._keys:
            return name
        equal = [key for key in self._keys if _folded(key) == _folded(name)]
        return equal[0] if len(equal) == 1 else None

    def _label(self, value: Any) -> str | None:
        """The label that ``value`` is; None if it is none of the scale, or could be several."""
        if isinstance(value, str) and value in self._labels:
            return str(value)
        self._note("values")
        if isinstance(value, _Object):
            named = [part for name, part in value if name.casefold() in _LABEL_KEYS]
            others = [part for name, part in value if name.casefold() not in _LABEL_KEYS]
            plain = len(named) == 1 and all(map(_is_text, others))
            return self._label(named[0]) if plain and not isinstance(named[0], _Object) else None
        if value is None:
            return self._rubric.not_applicable
        if not isinstance(value, str):
            return None
        text = re.sub(r"\.0+$", "", value.strip().translate(_FULL_WIDTH)).casefold()
        equal = [label for label in self._labels if label.casefold() == text]
        if not equal and text in _NOT_APPLICABLE:
            return self._rubric.not_applicable
        return equal[0] if len(equal) == 1 else None

    def _note(self, rule: str, applies: bool = True) -> None:
        if rule and applies:
            self._rules.append(rule)


def _decoded(text: str) -> tuple[_Object | None, str, str]:
    """The object at the start of ``text``, None if there is none; how, and what follows it."""
    for rule, decoder, change in _DECODERS:
        changed = change(text)
        try:
            value, length = decoder.raw_decode(changed)
        except RecursionError:
            raise ValueError("JSON that is nested without end") from None
        except ValueError:
            continue
        # What was cut off may be a number: only a text of the judge's own may lack its end.
        if rule == "cut" and value[-1][0] != "reason":
            continue
        return value, rule, changed[length:]
    return None, "", text


def _is_text(value: Any) -> bool:
    """Whether ``value`` holds texts alone, which say nothing about the scale."""
    if isinstance(value, _Object):
        return all(_is_text(part) for _, part in value)
    if isinstance(value, list):
        return all(map(_is_text, value))
    return value is None or (isinstance(value, str) and not isinstance(value, _Number))


def _is_list_of_one(value: Any) -> bool:
    return isinstance(value, list) and not isinstance(value, _Object) and len(value) == 1


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, _Number) else repr(value)

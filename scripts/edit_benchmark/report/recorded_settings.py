"""Settings of models and judges as records of runs have them, made comparable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from edit_benchmark.config.base import Section
from edit_benchmark.config.mistakes import SETTINGS_OF_KIND

_KIND = {"models": "editor", "judges": "judge"}
# Defaults before 0.2 that are others now. Then a record had them for each kind, used or not.
_FORMER_DEFAULTS = {"max_pixels": 1_048_576}
# What every judge did by this method before there was a choice.
_FORMER_ANSWER = {"generated": "text"}


def normalised(settings: Mapping[str, Any], section: str) -> dict[str, Any]:
    """Settings from a record as this version would write them, so that equal ones are equal.

    Earlier versions wrote every key of every kind with its default; now a record has the keys that
    the kind uses. A key that is missing is one that is None, empty, or the default.

    Parameters
    ----------
    settings
        The settings of one model or judge as ``run.json`` or a self-test's record has them.
    section
        The section of the configuration that they are from: ``models`` or ``judges``.

    Returns
    -------
    dict
        All keys of the kind with their values. Settings that this version would refuse, such as
        those of a later one, stay as they are, but for empty values and missing defaults.
    """
    given = {key: value for key, value in settings.items() if value is not None and value != {}}
    kinds = SETTINGS_OF_KIND[section]
    kind = kinds.get(str(given.get(_KIND[section])))
    if kind is None:
        return given
    elsewhere: dict[str, Any] = {}
    for other in kinds.values():
        elsewhere |= _defaults(other)
    used = {
        key: value
        for key, value in given.items()
        if key in kind.model_fields
        or (value and value not in (elsewhere.get(key), _FORMER_DEFAULTS.get(key)))
    }
    if "answer" not in settings and used.get("method") in _FORMER_ANSWER:
        used["answer"] = _FORMER_ANSWER[used["method"]]
    try:
        return kind.model_validate(used).model_dump(mode="json")
    except ValidationError:
        return _defaults(kind) | used


def _defaults(kind: type[Section]) -> dict[str, Any]:
    """The defaults of the keys of a kind that has to have no value."""
    return {
        name: field.get_default(call_default_factory=True)
        for name, field in kind.model_fields.items()
        if not field.is_required()
    }

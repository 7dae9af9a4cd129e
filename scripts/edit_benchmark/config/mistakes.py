"""One sentence for a mistake in the configuration: the key, what is wrong, what may stand there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from edit_benchmark.config.base import Section
from edit_benchmark.config.benchmark import Benchmark, Columns
from edit_benchmark.config.editors import EditorSettings, Lora
from edit_benchmark.config.judges import JudgeSettings
from edit_benchmark.config.run import Config, HumanRatings
from edit_benchmark.config.servers import Price, Serve
from edit_benchmark.errors import UserError

Place = tuple[int | str, ...]

# What pydantic expects, in the words of JSON and YAML.
_TYPES = {
    "string_type": "string",
    "int_type": "integer",
    "float_type": "number",
    "finite_number": "number",
    "bool_type": "boolean",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
}
_LIMITS = {
    "greater_than_equal": ("ge", "less than the minimum of"),
    "greater_than": ("gt", "less than or equal to the minimum of"),
    "less_than_equal": ("le", "greater than the maximum of"),
}


def _kinds(union: Any, discriminator: str) -> dict[str, type[Section]]:
    members: tuple[type[Section], ...] = get_args(get_args(union)[0])
    return {
        get_args(member.model_fields[discriminator].annotation)[0]: member for member in members
    }


#: Classes of the settings by kind, for each key of the configuration that has several.
SETTINGS_OF_KIND = {
    "models": _kinds(EditorSettings, "editor"),
    "judges": _kinds(JudgeSettings, "judge"),
}


def first_mistake(error: ValidationError, below: Place = ()) -> UserError:
    """The first thing that ``error`` says, as one sentence.

    Parameters
    ----------
    below
        Where the validated section stands in the configuration, such as ``("models", "qwen")``.
    """
    errors = error.errors(include_url=False)
    first = _most_telling(errors)
    place = below + first["loc"]
    if first["type"] == "extra_forbidden":
        unknown = [
            str(one["loc"][-1])
            for one in errors
            if one["type"] == "extra_forbidden" and below + one["loc"][:-1] == place[:-1]
        ]
        return UserError(_unknown_keys(place[:-1], unknown))
    if first["type"] == "union_tag_not_found" and isinstance(first["input"], dict):
        known = _keys_of_all_kinds(place)
        mistyped = [str(key) for key in first["input"] if key not in known]
        if mistyped:
            return UserError(_unknown(place, mistyped, known))
    if first["type"] == "missing":
        return UserError(f"{_prefix(place[:-1])}{place[-1]} is missing.")
    if place[-1:] == ("[key]",):
        return UserError(
            f"{_prefix(place[:-2])}{first['input']!r} cannot be a name; use letters, digits, '.', "
            "'_' and '-', at most 64, beginning with a letter or digit."
        )
    return UserError(f"{_prefix(place)}{_problem(first)}.")


def _most_telling(errors: Sequence[ErrorDetails]) -> ErrorDetails:
    """The first error; if that is a missing key and there is an unknown one beside it, the latter:
    the key is there, mistyped."""
    first = errors[0]
    if first["type"] == "missing":
        for other in errors:
            if other["type"] == "extra_forbidden" and other["loc"][:-1] == first["loc"][:-1]:
                return other
    return first


def _prefix(place: Place) -> str:
    """``config: models.qwen.seed: ``; the kind, which pydantic names too, is no key."""
    keys = [*place[:2], *place[3:]] if place[:1] in (("models",), ("judges",)) else place
    return f"config: {'.'.join(map(str, keys))}: " if keys else "config: "


def _problem(error: ErrorDetails) -> str:
    kind, given, details = error["type"], error["input"], error.get("ctx", {})
    if kind == "mistake":
        return str(details["sentence"])
    if kind in _TYPES:
        return f"{given!r} is not of type {_TYPES[kind]!r}"
    if kind in _LIMITS:
        name, relation = _LIMITS[kind]
        return f"{given!r} is {relation} {details[name]:g}"
    match kind:
        case "literal_error":
            return f"{given!r} is not one of {_listed(details['expected'])}"
        case "union_tag_invalid":
            name = _listed(details["discriminator"])
            return f"{name}: {details['tag']!r} is not one of {_listed(details['expected_tags'])}"
        case "union_tag_not_found":
            return f"{_listed(details['discriminator'])} is missing"
        case "string_too_short" | "too_short":
            return f"{given!r} is empty"
        case "string_pattern_mismatch":
            return f"{given!r} does not match {details['pattern']!r}"
        case _:
            return f"{given!r}: {error['msg']}"


def _listed(names: str) -> str:
    """``'a', 'b' or 'c'`` without the quotes and the or."""
    return names.replace("'", "").replace(" or ", ", ")


def _unknown_keys(place: Place, unknown: Sequence[str]) -> str:
    section = _section(place)
    if section in SETTINGS_OF_KIND.get(str(place[0]) if place else "", {}).values():
        for key in unknown:
            users = [name for name, kind in SETTINGS_OF_KIND[str(place[0])].items()
                     if key in kind.model_fields]  # fmt: skip
            if users:
                return (
                    f"{_prefix(place)}{key} is not used by {place[2]}; remove it, it is a setting "
                    f"of {', '.join(users[:-1]) + ' and ' if users[1:] else ''}{users[-1]}."
                )
    return _unknown(place, unknown, list(section.model_fields))


def _unknown(place: Place, unknown: Sequence[str], known: Sequence[str]) -> str:
    return f"{_prefix(place)}unknown key {', '.join(unknown)}; known keys: {', '.join(known)}."


def _keys_of_all_kinds(place: Place) -> list[str]:
    kinds = SETTINGS_OF_KIND[str(place[0])].values()
    return list(dict.fromkeys(key for kind in kinds for key in kind.model_fields))


def _section(place: Place) -> type[Section]:
    match place:
        case ("models" | "judges" as key, _, kind):
            return SETTINGS_OF_KIND[str(key)][str(kind)]
        case ("models", _, _, "lora"):
            return Lora
        case ("models" | "judges", _, _, "price"):
            return Price
        case ("models" | "judges", _, _, "serve"):
            return Serve
        case ("benchmark",):
            return Benchmark
        case ("benchmark", "columns"):
            return Columns
        case ("human_ratings",):
            return HumanRatings
        case _:
            return Config

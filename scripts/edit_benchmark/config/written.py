"""What a configuration file says before a YAML loader has made up its mind.

A loader takes the last of two equal keys, ``on`` for true, ``2511`` for a number that is no name,
and ``12:30`` for 750, all without a word. Here each of these is refused by one sentence with its
line, so that what is run is what was written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from edit_benchmark.errors import UserError

_PREFIX = "tag:yaml.org,2002:"
_KNOWN = {f"{_PREFIX}{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")}
_MERGE = f"{_PREFIX}merge"
# Numbers to a reader, and to YAML 1.2, but texts to YAML 1.1: 1e3, 0o17.
_NUMBER = re.compile(r"[-+]?(\d[\d_]*[.]?\d*|[.]\d+)[eE][-+]?\d+|0o[0-7]+")
# Numbers of another value than they seem to have: 12:30 in base 60, 010 in base 8.
_OTHER_NUMBER = re.compile(r"[-+]?[\d_]+:[\d_:.]+|[-+]?0[\d_]*[1-9][\d_]*")
#: Keys whose values go to code that is not ours, which takes a number for another than a text.
_UNTYPED = ("params", "call", "scheduler")


def check_file(path: Path) -> None:
    """Refuse a configuration file of which a loader makes something else than it seems to say.

    Raises
    ------
    UserError
        With the line: for a key that stands there twice or is no text, for a date or another value
        that JSON does not have, and for a number that YAML reads as a text or as another number.
    """
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{shown}: cannot be read ({error}).") from None
    try:
        json.loads(text, object_pairs_hook=lambda pairs: _each_once(pairs, str(shown)))
        return
    except ValueError:
        pass  # not JSON, as which Snakemake tries to read it first
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise UserError(f"{shown}: not YAML ({error}).") from None
    if root is not None:
        _check(root, str(shown), ())


def check_plain(value: Any, place: str = "config") -> None:
    """Refuse what a loader may have made of a configuration and no job can be told.

    Raises
    ------
    UserError
        With the key: for a key that is no text, half a character, or a whole number of more than
        64 bits.
    """
    if isinstance(value, Mapping):
        for key, part in value.items():
            if not isinstance(key, str):
                raise UserError(f"{place}: the key {key!r} is no text; write it in quotes.")
            check_plain(key, place)
            check_plain(part, f"{place}: {key}" if place == "config" else f"{place}.{key}")
    elif isinstance(value, list):
        for part in value:
            check_plain(part, place)
    elif isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise UserError(
            f"{place}: {value!r} holds half a character; write the character itself in place of "
            "its escapes."
        )
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise UserError(f"{place}: a number of {value.bit_length()} bits is too large.")


def typed(value: Any, key: str = "") -> Any:
    """A value of ``--config`` with its nested numbers, booleans and nulls as such.

    Snakemake reads a nested value as texts alone.

    Raises
    ------
    UserError
        If nobody can know whether a number or a text was meant: in arguments of code that is not
        ours.
    """
    if isinstance(value, Mapping):
        return {name: typed(part, key if key in _UNTYPED else name) for name, part in value.items()}
    if isinstance(value, list):
        return [typed(part, key) for part in value]
    if not isinstance(value, str):
        return value
    try:
        plain = yaml.safe_load(value)
    except (ValueError, yaml.YAMLError):
        return value
    if not isinstance(plain, int | float | None):
        return value
    if key in _UNTYPED:
        raise UserError(
            f"--config: {key}: it is not known any more whether {value} was written as a text; "
            "give it in a configuration file."
        )
    return plain


def _each_once(pairs: list[tuple[str, Any]], shown: str) -> dict[str, Any]:
    for number, (key, _) in enumerate(pairs):
        if any(key == other for other, _ in pairs[:number]):
            raise UserError(f"{shown}: key {key!r} stands there twice; remove one of the two.")
    return dict(pairs)


def _check(node: yaml.Node, shown: str, above: tuple[yaml.Node, ...]) -> None:
    """Refuse what is wrong with ``node``, which stands within the nodes ``above``."""
    where = f"{shown}, line {node.start_mark.line + 1}"
    if any(node is outer for outer in above):
        raise UserError(f"{where}: an alias stands within what it stands for; write it out.")
    if node.tag not in _KNOWN:
        kind = "a date" if node.tag == f"{_PREFIX}timestamp" else f"of the type {node.tag}"
        value = node.value if isinstance(node, yaml.ScalarNode) else "a value"
        raise UserError(f"{where}: {value} is {kind} to YAML; write it in quotes if it is a text.")
    if isinstance(node, yaml.ScalarNode):
        _check_number(node, where)
    elif isinstance(node, yaml.MappingNode):
        _check_keys(node, shown)
        for _, value in node.value:
            _check(value, shown, (*above, node))
    else:
        for value in node.value:
            _check(value, shown, (*above, node))


def _check_number(node: yaml.ScalarNode, where: str) -> None:
    if node.style is not None:
        return
    if node.tag == f"{_PREFIX}str" and _NUMBER.fullmatch(node.value):
        raise UserError(
            f"{where}: {node.value} looks like a number but is a text to YAML 1.1; write it as "
            "1000 or 1.0e+3, or in quotes if it is a text."
        )
    is_number = node.tag in (f"{_PREFIX}int", f"{_PREFIX}float")
    if is_number and _OTHER_NUMBER.fullmatch(node.value):
        value = yaml.safe_load(node.value)
        raise UserError(
            f"{where}: {node.value} is the number {value} to YAML 1.1; write that, or "
            f"'{node.value}' in quotes if it is a text."
        )


def _check_keys(node: yaml.MappingNode, shown: str) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise UserError(f"{shown}, line {line}: a key has to be a text.")
        if key.tag not in (f"{_PREFIX}str", _MERGE):
            raise UserError(
                f"{shown}, line {line}: the key {key.value or 'null'} is no text to YAML; write "
                f"'{key.value}' in quotes."
            )
        if key.value in lines:
            raise UserError(
                f"{shown}, line {line}: key {key.value!r} stands in line {lines[key.value]} "
                "already; remove one of the two."
            )
        lines[key.value] = line

"""Prompts of protocols: texts of the protocol file, or of files of a benchmark's checkout."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from edit_benchmark.config.protocols import Prompt, Protocol
from edit_benchmark.errors import SampleError, UserError

_ESCAPED = {"{{": "{", "}}": "}"}


class Prompts:
    """The prompts of a protocol; files of the checkout are read, never run.

    Parameters
    ----------
    protocol
        What names them.
    folder
        What their files are relative to.
    """

    def __init__(self, protocol: Protocol, folder: Path) -> None:
        self._protocol, self._folder = protocol, folder
        self._data = {path: _bytes(path, protocol) for path in protocol.files(folder)}
        self._read: dict[Path, Any] = {}

    @cached_property
    def hashes(self) -> list[str]:
        """The hashes of the files, in the order of their names."""
        return [hashlib.sha256(data).hexdigest() for data in self._data.values()]

    def text(self, prompt: Prompt, fields: Mapping[str, str]) -> str:
        """A prompt with the ``fields`` of a sample filled in, whatever they hold.

        Raises
        ------
        SampleError
            If the sample lacks a field.
        UserError
            If a file has no such text, or the text no such placeholder.
        """
        template = self._template(prompt, fields) + prompt.also
        values = {mark: _field(fields, name) for mark, name in prompt.fill.items()}
        what = ", ".join(prompt.names) or "of the protocol file"
        for mark in _unfilled(template, values) if prompt.format else _absent(template, values):
            raise UserError(f"protocol: the prompt {what} {mark}; {self._advice()}")
        if prompt.format:
            values = {**values, **_ESCAPED}
        if not values:
            return template
        # In one go: what a sample's own texts hold is filled in nowhere.
        marks = "|".join(map(re.escape, sorted(values, key=len, reverse=True)))
        return re.sub(marks, lambda match: values[match.group()], template)

    def _template(self, prompt: Prompt, fields: Mapping[str, str]) -> str:
        if prompt.text is not None:
            return prompt.text
        assert prompt.file is not None
        path = self._folder / prompt.file
        names = [
            re.sub(r"\{(\w+)\}", lambda match: _field(fields, match[1]), name)
            for name in prompt.names
        ]
        return prompt.join.join(self._named(path, name) for name in names)

    def _named(self, path: Path, name: str) -> str:
        """The text called ``name`` in a file."""
        if path not in self._read:
            self._read[path] = self._content(path)
        found = self._read[path]
        for key in [name] if path.suffix == ".py" else name.split("."):
            if isinstance(found, list):
                found = dict(zip(map(str, range(len(found))), found, strict=True))
            found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, str) or not found.strip():
            raise UserError(f"{path}: there is no text {name}; {self._advice()}")
        return found

    def _content(self, path: Path) -> Any:
        try:
            text = self._data[path].decode("utf-8-sig")
            if path.suffix == ".py":
                return _constants(text)
            return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        except (ValueError, SyntaxError, yaml.YAMLError) as error:
            problem = " ".join(str(error).split())
            raise UserError(f"{path}: cannot be read ({problem}); {self._advice()}") from None

    def _advice(self) -> str:
        if self._protocol.checkout is None:
            return "correct the protocol."
        return f"give a checkout of {self._protocol.checkout} that has it as prompts."


def _bytes(path: Path, protocol: Protocol) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        where = f"; give a checkout of {protocol.checkout} as prompts" if protocol.checkout else ""
        raise UserError(f"{path}: cannot be read ({error.strerror}){where}.") from None


def _constants(source: str) -> dict[str, str]:
    """The texts that a Python file gives names to, at its top level."""
    found: dict[str, str] = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            for target in statement.targets:
                if isinstance(target, ast.Name) and isinstance(statement.value.value, str):
                    found[target.id] = statement.value.value
    return found


def _absent(template: str, values: Mapping[str, str]) -> list[str]:
    """Placeholders that should be in a text and are not."""
    return [f"has no {mark}" for mark in values if mark not in template]


def _unfilled(template: str, values: Mapping[str, str]) -> list[str]:
    """Placeholders of a format string that nothing is known for."""
    marks = re.findall(r"(?<!\{)\{\w+\}(?!\})", template)
    return [f"asks for {mark}, which the protocol does not know" for mark in marks
            if mark not in values]  # fmt: skip


def _field(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name.removesuffix("?"), "")
    if not value and not name.endswith("?"):
        raise SampleError("no_field", f"the protocol asks for {name}, which the sample lacks")
    return value

"""What a method of diffusers takes, read from its source: importing its class takes seconds."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

#: Stands for a default that is no plain value, or for none.
UNKNOWN = object()


@cache
def parameters(class_name: str, method: str = "__call__") -> Mapping[str, Any] | None:
    """The arguments of a pipeline's or scheduler's method and their defaults.

    Returns
    -------
    Mapping[str, object] or None
        :data:`UNKNOWN` for a default that is no plain value; None if diffusers has no such class,
        or if the class inherits the method.
    """
    module = _module(class_name)
    for node in ast.walk(ast.parse(module.read_bytes())) if module else ():
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and part.name == method:
                    return _of_source(part.args)
    return None


def parameters_of(method: Any) -> Mapping[str, Any]:
    """The same of a method that is there."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        name: UNKNOWN if parameter.default is inspect.Parameter.empty else parameter.default
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.kind in named and name != "self"
    }


def _module(class_name: str) -> Path | None:
    """The file that defines the class; packages name their classes in ``__init__.py``."""
    spec = importlib.util.find_spec("diffusers")
    folder = Path(spec.origin).parent if spec is not None and spec.origin is not None else None
    if folder is None or not class_name.isidentifier():
        return None
    defines = re.compile(rf"^class {class_name}\b".encode(), re.MULTILINE)
    for package in sorted({path.parent for path in folder.glob("pipelines/*/__init__.py")}):
        if f'"{class_name}"'.encode() in (package / "__init__.py").read_bytes():
            for path in sorted(package.glob("*.py")):
                if defines.search(path.read_bytes()):
                    return path
    for path in sorted(folder.glob("schedulers/scheduling_*.py")):
        if defines.search(path.read_bytes()):
            return path
    return None


def _of_source(arguments: ast.arguments) -> dict[str, Any]:
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    defaults: list[ast.expr | None] = [None] * (len(names) - len(arguments.defaults))
    defaults += arguments.defaults
    names += [argument.arg for argument in arguments.kwonlyargs]
    defaults += arguments.kw_defaults
    found = {name: _value(default) for name, default in zip(names, defaults, strict=True)}
    found.pop("self", None)
    return found


def _value(default: ast.expr | None) -> Any:
    try:
        return UNKNOWN if default is None else ast.literal_eval(default)
    except ValueError:
        return UNKNOWN

"""Classes of the user's own, named by ``class_path``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from edit_benchmark.errors import UserError


def load_class(class_path: str, method: str) -> type[Any]:
    """Import ``package.module.Class`` and check that it has ``method``.

    Raises
    ------
    UserError
        If the module or the class is not there, or lacks the method.
    """
    module_name, _, name = class_path.rpartition(".")
    _search_working_directory()
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(
            f"config: class_path {class_path}: cannot import {module_name} ({error}); it has to be "
            "importable from the working directory."
        ) from None
    found = getattr(module, name, None)
    if not isinstance(found, type):
        raise UserError(f"config: class_path {class_path}: {module_name} has no class {name}.")
    if not callable(getattr(found, method, None)):
        raise UserError(f"config: class_path {class_path}: the class has no method {method}.")
    return found


def source_hash(class_path: str) -> str:
    """SHA-256 of the module file that holds the class.

    It is part of the key of everything that the class makes: after a change of its code nothing
    made before passes for its work.
    """
    module_name = class_path.rpartition(".")[0]
    _search_working_directory()
    try:
        spec = importlib.util.find_spec(module_name)
    except ImportError:
        spec = None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise UserError(
            f"config: class_path {class_path}: there is no module {module_name}; it has to be "
            "importable from the working directory."
        )
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


def _search_working_directory() -> None:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)

"""Classes of the user's own, named by ``class_path`` in the configuration."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
import sys
import sysconfig
from contextlib import suppress
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any, TypeVar

from edit_benchmark.errors import UserError

log = logging.getLogger(__name__)

_PACKAGE = "edit_benchmark"

T = TypeVar("T")


def load_class(class_path: str, base: type[T], method: str) -> type[T]:
    """Import ``package.module.Class`` as a class that derives from ``base``.

    Parameters
    ----------
    class_path
        The class, importable from the working directory.
    base
        ``Editor`` or ``Judge``, whose optional members have defaults.
    method
        The method that the class itself has to define: ``edit`` or ``judge``.

    Returns
    -------
    type
        The class itself if it derives from ``base``; else a class of the same name that derives
        from both, so that it has the defaults of the optional members that it does not define.

    Raises
    ------
    UserError
        If the module or the class does not exist, if importing the module fails, or if the class
        lacks the method.
    """
    module_name, _, name = class_path.rpartition(".")
    _search_working_directory()
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(_import_problem(class_path, module_name, error)) from None
    except (Exception, SystemExit) as error:
        # Whatever the module does when it is imported; its traceback goes to the log.
        log.error("importing %s failed", module_name, exc_info=error)
        raise UserError(
            f"config: class_path {class_path}: importing {module_name} failed with "
            f"{type(error).__name__} ({error}); the traceback is in the job's log."
        ) from None
    own = getattr(module, name, None)
    if not isinstance(own, type):
        raise UserError(f"config: class_path {class_path}: {module_name} has no class {name}.")
    own_method = getattr(own, method, None)
    # The base has the method too, but without a body.
    if not callable(own_method) or own_method is getattr(base, method):
        raise UserError(f"config: class_path {class_path}: the class has no method {method}.")
    if issubclass(own, base):
        return own
    members = {"__module__": own.__module__, "__qualname__": own.__qualname__}
    return type(own.__name__, (own, base), members)


def _import_problem(class_path: str, module_name: str, error: ImportError) -> str:
    problem = f"config: class_path {class_path}: cannot import {module_name} ({error}); "
    # A user's class may have been written for the modules of an earlier version.
    if error.name is not None and error.name.split(".")[0] == _PACKAGE:
        return problem + f"{_PACKAGE}.api has all that a class of one's own needs."
    return problem + "it has to be importable from the working directory."


def source_hashes(class_path: str) -> dict[str, str]:
    """SHA-256 of each module file that the class is made of, by the module's name.

    They are the module that holds the class, the packages that it lies in, and what these import,
    directly or not, from the same folder: the user's own modules. For a class of an installed
    distribution they are those of its own top-level package. Modules are found by their import
    statements; nothing is executed.

    The hashes are part of the key of every edit and answer of the class: once its code has changed,
    stored results of the earlier code are not taken for results of the new one.

    Raises
    ------
    UserError
        If there is no such module.
    """
    module_name = class_path.rpartition(".")[0]
    top = module_name.partition(".")[0]
    _search_working_directory()
    finder = _OwnModules(top)
    # What is wrong with a file, loading the class says; found are those that were read before it.
    with suppress(ImportError, SyntaxError, ValueError):
        finder.import_hook(module_name)
    files = {name: getattr(module, "__file__", None) for name, module in finder.modules.items()}
    hashes = {
        name: hashlib.sha256(Path(file).read_bytes()).hexdigest()
        for name, file in files.items()
        if file and file.endswith(".py")
    }
    if module_name not in hashes:
        raise UserError(
            f"config: class_path {class_path}: there is no module {module_name}; it has to be "
            "importable from the working directory."
        )
    return hashes


class _OwnModules(ModuleFinder):
    """Finds what a module imports of the folder that its top-level package lies in."""

    def __init__(self, top: str) -> None:
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            places = []
        elif spec.submodule_search_locations:
            places = [str(Path(place).parent) for place in spec.submodule_search_locations]
        else:
            places = [str(Path(spec.origin).parent)] if spec.origin else []
        super().__init__(places)
        installed = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
        self._only = top if installed & set(places) else None

    def find_module(self, name: str, path: Any, parent: Any = None) -> Any:
        if path is None and self._only not in (None, name):
            raise ImportError(name)
        return super().find_module(name, path, parent)


def _search_working_directory() -> None:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)

"""Classes of the user's own: what they have to define, and what they get for nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from edit_benchmark.api import Editor, Judge
from edit_benchmark.class_path import load_class, source_hashes
from edit_benchmark.errors import UserError

Write = Callable[[str], str]

_numbers = itertools.count()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module into the working directory; its name, which no earlier test has imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def module(code: str) -> str:
        name = f"own_class_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(code)
        return name

    return module


def test_a_class_without_a_base_has_the_defaults(write: Write) -> None:
    name = write(
        "class Blank:\n    def edit(self, source, instruction, seed):\n        return source"
    )
    loaded = load_class(f"{name}.Blank", Editor, "edit")
    editor = loaded()
    source = Image.new("RGB", (4, 4))
    assert editor.edit(source, "nothing", 0) is source
    assert (editor.details, editor.stages, editor.compile_seconds) == ({}, {}, 0.0)
    assert (loaded.__module__, loaded.__qualname__) == (name, "Blank")


def test_a_class_with_the_base_keeps_its_own_members(write: Write) -> None:
    name = write(
        "from edit_benchmark.api import Judge\n"
        "class Strict(Judge):\n"
        "    compile_seconds = 2.5\n"
        "    def judge(self, cases):\n"
        "        return []\n"
    )
    loaded = load_class(f"{name}.Strict", Judge, "judge")
    assert loaded.__bases__ == (Judge,)
    assert loaded().compile_seconds == 2.5


def test_members_of_a_class_without_a_base_come_before_the_defaults(write: Write) -> None:
    name = write(
        "class Timed:\n"
        "    def __init__(self):\n"
        "        self.stages = {'drawing': 1.5}\n"
        "    def edit(self, source, instruction, seed):\n"
        "        return source\n"
    )
    assert load_class(f"{name}.Timed", Editor, "edit")().stages == {"drawing": 1.5}


@pytest.mark.parametrize("base", ["", "(Editor)"])
def test_a_class_without_the_method_is_refused(write: Write, base: str) -> None:
    name = write(f"from edit_benchmark.api import Editor\nclass Lazy{base}:\n    pass\n")
    with pytest.raises(UserError) as caught:
        load_class(f"{name}.Lazy", Editor, "edit")
    assert str(caught.value) == (f"config: class_path {name}.Lazy: the class has no method edit.")


def test_a_class_that_does_not_exist_is_refused(write: Write) -> None:
    name = write("")
    with pytest.raises(UserError, match=f"{name} has no class Missing"):
        load_class(f"{name}.Missing", Editor, "edit")
    with pytest.raises(UserError, match="importable from the working directory"):
        load_class("nowhere_to_be_seen.Missing", Editor, "edit")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("def f(:", "SyntaxError"),
        ("import sys; sys.exit('no GPU')", r"SystemExit \(no GPU\)"),
        ("1 / 0", r"ZeroDivisionError \(division by zero\)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused(write: Write, code: str, problem: str) -> None:
    name = write(code)
    with pytest.raises(UserError, match=f"importing {name} failed with {problem}") as caught:
        load_class(f"{name}.Own", Editor, "edit")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "from edit_benchmark.editors import Editor",
        "from edit_benchmark.records import Answer",
        "import edit_benchmark.rubrics",
    ],
)
def test_what_an_earlier_version_had_leads_to_the_api(write: Write, line: str) -> None:
    name = write(f"{line}\nclass Old:\n    def judge(self, cases):\n        return []\n")
    with pytest.raises(UserError, match=r"edit_benchmark\.api has all that a class of one's own"):
        load_class(f"{name}.Old", Judge, "judge")


def test_the_hash_of_the_source_changes_with_the_code(write: Write) -> None:
    first, again, other = write("A = 1"), write("A = 1"), write("A = 2")
    hashes = [source_hashes(f"{name}.Own")[name] for name in (first, again, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    with pytest.raises(UserError, match="there is no module nowhere_to_be_seen"):
        source_hashes("nowhere_to_be_seen.Own")

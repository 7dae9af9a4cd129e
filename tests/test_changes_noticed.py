"""Whatever changes an edit or an answer, the next run notices, and makes that again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from conftest import Project
from edit_benchmark.class_path import source_hashes
from edit_benchmark.editing import registry as editors
from edit_benchmark.judging import registry as judges
from edit_benchmark.results.store import key_of
from edit_benchmark.runtime.kinds import Kind
from runs import one_category

OWN = """
from strokes import box
from toys import Painter

class Mine(Painter):
    def edit(self, source, instruction, seed):
        return box(super().edit(source, instruction, seed))
"""
STROKES = "def box(image):\n    return image\n"


def own_model(**changes: object) -> dict[str, object]:
    return {"painter": {"editor": "class_path", "class_path": "mine.Mine", **changes}}


def remade(project: Project, **env: str) -> int:
    """Run again, as far as the edits; the number of edits made."""
    project.forget_calls()
    project.run("results/edits/painter/physical/edits.jsonl", **env)
    return len(project.calls("edit"))


def another_version(project: Project, name: str) -> dict[str, str]:
    """An environment in which a library seems to be of another version."""
    folder = project.root / "upgraded" / f"{name}-99.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 99.0\n")
    return {"PYTHONPATH": str(folder.parent)}


def test_changed_code_of_the_users_own(project: Project) -> None:
    (project.root / "mine.py").write_text(OWN)
    (project.root / "strokes.py").write_text(STROKES)
    one_category(project, 2, models=own_model())
    assert remade(project) == 2
    assert remade(project) == 0
    # A module that the class's module imports is its code too.
    (project.root / "strokes.py").write_text(STROKES + "# another\n")
    assert remade(project) == 2
    (project.root / "mine.py").write_text(OWN + "# another\n")
    assert remade(project) == 2
    assert remade(project) == 0


def test_a_changed_tensor_of_a_local_checkpoint(project: Project) -> None:
    folder = project.root / "weights"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    weights = np.zeros((256, 256), np.float32)
    save_file({"w": weights}, folder / "model.safetensors")
    painter = {"editor": "class_path", "class_path": "toys.Painter", "checkpoint": "./weights"}
    one_category(project, 2, models={"painter": painter})
    assert remade(project) == 2
    # The first number of many: not what a sample of the bytes would see.
    weights[0, 0] = 1
    save_file({"w": weights}, folder / "model.safetensors")
    assert remade(project) == 2
    # The same bytes again are the same model.
    save_file({"w": weights}, folder / "model.safetensors")
    assert remade(project) == 0


def test_another_library_and_an_override_of_the_arithmetic(project: Project) -> None:
    one_category(project, 2)
    assert remade(project) == 2
    upgraded = another_version(project, "torchvision")
    assert remade(project, **upgraded) == 2
    assert remade(project, NVIDIA_TF32_OVERRIDE="1", **upgraded) == 2
    assert remade(project) == 0


@pytest.mark.parametrize("name", ["diffusers", "class_path", "transformers"])
def test_keys_hold_all_libraries_that_make_pixels_and_texts(name: str) -> None:
    kind: Kind[Any, Any] = editors.KINDS.get(name) or judges.KINDS[name]
    used = set(kind.libraries(SimpleNamespace(lora=None)))
    assert used >= {"torch", "torchvision", "diffusers", "transformers", "tokenizers", "pillow"}


def records_say_what_their_keys_are_made_of(project: Project) -> None:
    for kind in ("edits", "answers"):
        paths = list((project.root / "results/store" / kind).glob("*/*.json"))
        assert len(paths) == 2
        for path in paths:
            record = json.loads(path.read_text())
            assert record["key_rule"] == 2
            assert key_of(record["fields"]["key_fields"]) == path.stem


def test_an_upgrade_is_accepted_on_purpose(project: Project) -> None:
    one_category(project, 2)
    project.run()
    records_say_what_their_keys_are_made_of(project)
    upgraded = another_version(project, "torch")

    def accept(*arguments: str) -> str:
        return project.python("scripts/accept_versions.py", "--configfile", "config/test.yaml",
                              *arguments, env=upgraded)  # fmt: skip

    told = accept()
    assert re.search(r"edits of painter: 0 found by the next run, 0 never made, 2 made with", told)
    assert re.search(r"answers of ruler about painter: .* 2 made with other versions", told)
    accept("--keep")
    project.forget_calls()
    project.run(**upgraded)
    assert not project.calls("edit")
    assert not project.calls("judge")
    row = project.scores("physical")["physical-0"]
    assert "torch" in row.made_with
    assert "torch" in row.judged_with
    page = (project.root / "results/report/index.html").read_text()
    assert "2 edits were not made with the present versions" in page
    assert "2 answers were not given with the present versions" in page
    # Other settings are another edit, whatever was accepted.
    seeded = {"editor": "class_path", "class_path": "toys.Painter", "seed": 5}
    one_category(project, 2, models={"painter": seeded})
    assert "edits of painter: 0 found by the next run, 2 never made" in accept()


def test_the_code_of_a_class_is_what_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "mypack_of_tests"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('nothing is executed')\n")
    (package / "model.py").write_text("import json\nfrom . import parts\nimport lonely_of_tests\n")
    (package / "parts.py").write_text("import numpy\n")
    (package / "unused.py").write_text("")
    (tmp_path / "lonely_of_tests.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert set(source_hashes("mypack_of_tests.model.Mine")) == {
        "mypack_of_tests", "mypack_of_tests.model", "mypack_of_tests.parts",
    }  # fmt: skip

"""The demo's editors, as the demo runs them, do what they learned to do."""

from __future__ import annotations

import shutil

import pytest
import yaml
from PIL import Image

from conftest import ROOT, Project, clone
from demo.world.check import measures
from demo.world.scene import CATEGORIES, scene
from demo.world.truth import truth

_SCENE = 2  # of each category


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The demo's models on one scene of each category, by the workflow."""
    project = clone(tmp_path_factory.mktemp("demo") / "clone")
    shutil.copytree(ROOT / "resources" / "demo", project.root / "resources" / "demo")
    demo = yaml.safe_load((project.root / "config" / "demo.yaml").read_text(encoding="utf-8"))
    lines = (project.root / demo["benchmark"]["path"]).read_text(encoding="utf-8").splitlines()
    (project.root / "resources" / "demo" / "few.jsonl").write_text(
        "".join(line + "\n" for line in lines if f"-{_SCENE:05}" in line), encoding="utf-8"
    )
    project.configure(
        benchmark={"path": "resources/demo/few.jsonl"},
        device_ids=["cpu", "cpu"],
        models=demo["models"],
        shards=1,
    )
    project.run(
        *(
            f"results/edits/{model}/{key}/edits.jsonl"
            for model in demo["models"]
            for key in CATEGORIES
        )
    )
    return project


def right(run: Project, model: str) -> list[str]:
    """The categories in which a model's edit is right by the world's check."""
    found = []
    for category in CATEGORIES:
        (row,) = run.edits(category, model).values()
        assert row.status == "edited", row
        with Image.open(run.root / "results" / row.image) as edited:
            if measures(edited, truth(scene(_SCENE, category, "heldout"))).right:
                found.append(category)
    return found


def test_the_editor_edits_as_it_is_told(run: Project) -> None:
    assert right(run, "editor") == [*CATEGORIES]


def test_the_second_editor_is_worse(run: Project) -> None:
    assert len(right(run, "small-editor")) <= 1
    assert right(run, "identity") == []

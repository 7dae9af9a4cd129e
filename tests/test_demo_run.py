"""The demo's models, as the demo runs them, do what they learned to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from PIL import Image
from scipy.stats import spearmanr

from conftest import ROOT, Project, clone
from demo.world.check import Measures, measures
from demo.world.scene import CATEGORIES, scene
from demo.world.truth import truth

_SCENE = 3  # of each category: the one whose edits are farthest from the bounds
MODELS = ("editor", "small-editor", "identity")
#: The editor with all that makes large models faster and is not exact.
FAST = {"fp8": True, "block_cache": 0.2, "num_inference_steps": 8}
FAST_CATEGORIES = ("social", "referential")


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
    few: dict[str, Any] = {
        "benchmark": {"path": "resources/demo/few.jsonl"},
        "device_ids": ["cpu", "cpu"],
        "models": demo["models"],
        "judges": demo["judges"],
        "selftest_samples": len(CATEGORIES),
        "shards": 1,
    }
    project.configure(**few)
    project.run()
    # Edited only: that the judge is tested on these edits too would take a minute.
    project.configure(**few | {"models": {"fast": demo["models"]["editor"] | FAST}})
    project.run(*(f"results/edits/fast/{key}/edits.jsonl" for key in FAST_CATEGORIES))
    return project


def measured(run: Project, model: str, category: str) -> Measures:
    """What the world's check measures of a model's edit."""
    (row,) = run.edits(category, model).values()
    assert row.status == "edited", row
    with Image.open(run.root / "results" / row.image) as edited:
        return measures(edited, truth(scene(_SCENE, category, "heldout")))


def right(run: Project, model: str, categories: Sequence[str] = CATEGORIES) -> list[str]:
    """Those of ``categories`` in which a model's edit is right by the world's check."""
    return [category for category in categories if measured(run, model, category).right]


def test_the_editor_edits_as_it_is_told(run: Project) -> None:
    assert right(run, "editor") == [*CATEGORIES]


def test_the_second_editor_is_worse(run: Project) -> None:
    assert len(right(run, "small-editor")) <= 1
    assert right(run, "identity") == []


def scores(run: Project, model: str) -> dict[str, float]:
    """The judge's score of a model's edit in each category."""
    found = {}
    for category in CATEGORIES:
        (row,) = run.scores(category, model, "demo-judge").values()
        assert row.score is not None, row
        found[category] = row.score
    return found


def test_the_judge_puts_them_in_the_order_of_the_truth(run: Project) -> None:
    best, second, floor = (scores(run, model) for model in ("editor", "small-editor", "identity"))
    for category in CATEGORIES:
        assert best[category] > 7
        assert best[category] > second[category] + 1
        assert 3 > floor[category] < second[category]


def test_scores_rank_edits_as_their_errors_do(run: Project) -> None:
    pairs = [
        (score, -measured(run, model, category).changed_error)
        for model in MODELS
        for category, score in scores(run, model).items()
    ]
    assert spearmanr(pairs).statistic > 0.7


def test_approximations_cost_no_right_edit(run: Project) -> None:
    assert right(run, "fast", FAST_CATEGORIES) == [*FAST_CATEGORIES]


def test_the_judge_is_not_moved_by_what_must_not_move_it(run: Project) -> None:
    found = json.loads((run.root / "results/selftest/demo-judge/editor.json").read_text())
    values = {check["name"]: check["value"] for check in found["checks"]}
    assert values["answers"] == values["black"] == values["noise"] == 1
    assert values["on_scale"] > 0.9
    assert abs(values["planted"]) < 0.25
    assert values["source"] >= 0.7
    assert found["verdict"] != "fails"

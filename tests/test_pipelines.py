"""The edit pipelines of diffusers that the README's table names, with their real classes."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT, Project, clone
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.editors import DiffusersEditorSettings
from edit_benchmark.dataset.samples import seed
from edit_benchmark.editing import pipelines, registry
from edit_benchmark.editing.checks import usable
from edit_benchmark.records import Sample
from edit_benchmark.results.tables import read_rows
from tiny_pipelines import MATRIX

# ChronoEdit's pipeline needs ftfy, which an environment may lack.
NAMES = [
    name for name in MATRIX if name != "chrono-edit" or importlib.util.find_spec("ftfy") is not None
]
TABLES = [f"results/edits/{name}/physical/edits.jsonl" for name in NAMES]


def model(folder: Path, name: str) -> dict[str, Any]:
    steps = {"num_inference_steps": 2, "dtype": "float32"}
    return {"editor": "diffusers", "checkpoint": str(folder / name)} | steps | MATRIX[name].settings


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One run of all pipelines over the demo's first five samples."""
    project = clone(tmp_path_factory.mktemp("matrix") / "clone")
    without = shutil.ignore_patterns("models")
    shutil.copytree(ROOT / "resources" / "demo", project.root / "data", ignore=without)
    models = project.root / "models"
    for name in NAMES:
        MATRIX[name].save(models / name)
    project.configure(
        benchmark={"path": "data/benchmark.jsonl", "categories": ["physical"], "limit": 5},
        shards=1,
        models={name: model(models, name) for name in NAMES},
    )
    project.run(*TABLES)
    return project


@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_edits_five_samples_and_each_to_another_image(run: Project, name: str) -> None:
    rows = run.edits("physical", name)
    assert [row.status for row in rows.values()] == ["edited"] * 5, rows
    assert len({row.image_sha256 for row in rows.values()}) == 5
    assert not any("single_colour" in row.flags for row in rows.values())


@pytest.mark.parametrize("name", NAMES)
def test_an_edit_is_the_same_in_another_process_and_depends_on_all_that_it_is_told(
    run: Project, name: str
) -> None:
    settings = DiffusersEditorSettings.model_validate(model(run.root / "models", name))
    editor = registry.build(settings, resolve(settings, name), "cpu")
    samples = read_rows(run.root / "results/benchmark/samples.jsonl", Sample)
    sample = next(one for one in samples if one.id == "physical-00004")
    source = Image.open(run.root / "data/images/physical-00004.webp").convert("RGB")

    def edit(source: Image.Image, instruction: str, number: int) -> np.ndarray[Any, Any]:
        edited = editor.edit(source, instruction, number)
        # Or its alpha is in no key.
        has_alpha = type(vars(editor)["pipeline"]).__name__ in pipelines.TRANSPARENT
        assert edited.mode == ("RGBA" if has_alpha else "RGB")
        return np.asarray(usable(edited))

    first = edit(source, sample.instruction, seed(0, sample.id, 0))
    kept = run.root / "results" / run.edits("physical", name)[sample.id].image
    assert np.array_equal(first, np.asarray(Image.open(kept)))
    for other in (
        edit(source.transpose(Image.Transpose.FLIP_LEFT_RIGHT), sample.instruction, 1),
        edit(source, "make it red", 1),
        edit(source, sample.instruction, 2),
    ):
        assert not np.array_equal(first, other)


def test_the_same_command_makes_only_what_is_missing(run: Project) -> None:
    before = {path: path.stat().st_mtime_ns for path in stored(run)}
    lost = run.edits("physical", "flux-2")["physical-00002"]
    for path in stored(run):
        if path.stem == lost.key:
            path.unlink()
    shutil.rmtree(run.root / "results" / "edits")
    run.run(*TABLES)
    after = {path: path.stat().st_mtime_ns for path in stored(run)}
    assert after.keys() == before.keys()
    assert {path.stem for path in after if after[path] != before[path]} == {lost.key}
    again = run.edits("physical", "flux-2")["physical-00002"]
    assert again.image_sha256 == lost.image_sha256


def test_what_a_pipeline_lacks_is_refused_before_a_device_is_taken(run: Project) -> None:
    wrong = model(run.root / "models", "instruct-pix2pix") | {"height": 64, "width": 64}
    run.configure(
        results="refused",
        benchmark={"path": "data/benchmark.jsonl", "categories": ["physical"], "limit": 1},
        shards=1,
        models={"wrong": wrong},
    )
    printed = run.run("refused/edits/wrong/physical/edits.jsonl", code=1)
    log = (run.root / "refused/logs/edit/wrong/physical/1-of-1.log").read_text(encoding="utf-8")
    for text in (printed, log):
        assert "StableDiffusionInstructPix2PixPipeline takes no height, width; it takes" in text
        assert "Traceback" not in text
    assert "device cpu" not in log


def test_edits_whose_alpha_was_dropped_are_not_taken_for_those_of_today() -> None:
    chosen = DiffusersEditorSettings(editor="diffusers", checkpoint="a/b")
    before, now = (
        registry.KINDS["diffusers"].key_fields(chosen, Checkpoint("a/b", "", "c", "", name, 0))
        for name in ("QwenImageEditPipeline", "QwenImage21Pipeline")
    )
    assert now == before | {"transparency": "on white"}


def stored(run: Project) -> list[Path]:
    return sorted((run.root / "results/store/edits").glob("*/*"))

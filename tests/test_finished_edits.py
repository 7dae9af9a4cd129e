"""Edits of others from a folder: what becomes of each, and which folders are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import icc
import public_layouts as layouts
from conftest import Project, draw
from edit_benchmark.config.editors import FolderEditorSettings
from edit_benchmark.config.resolve import resolve
from edit_benchmark.dataset.export import export
from edit_benchmark.editing.finished import bring_shard
from edit_benchmark.editing.job import EditJob
from edit_benchmark.errors import UserError
from edit_benchmark.records import Edit, Sample
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.tables import read_rows, write_rows
from edit_benchmark.runtime.devices import DeviceRequest
from runs import one_category
from test_public_benchmarks import read

Bring = Callable[[], dict[str, Edit]]


def bringing(tmp_path: Path, format: str, layout: str = "") -> Bring:
    """A way to bring the edits in ``edits/`` for the samples of a benchmark; rows by id."""
    samples = read(layouts.MAKERS[format](tmp_path / format), format)
    results = tmp_path / "results"
    write_rows(Layout(results).samples, samples)
    settings = FolderEditorSettings.model_validate(
        {"editor": "folder", "path": str(tmp_path / "edits"), "layout": layout or format}
    )
    job = EditJob(
        name="theirs",
        settings=settings,
        checkpoint_record=tmp_path / "none.json",
        results=results,
        devices=DeviceRequest(["cpu"], 1, 1, "", 0, ()),
        samples=samples,
    )
    return lambda: {row.id: row for row in bring_shard(job)}


def save(path: Path, name: str = "theirs") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(name).save(path)


def test_what_becomes_of_each_image(tmp_path: Path) -> None:
    folder, bring = tmp_path / "edits", bringing(tmp_path, "imgedit")
    save(folder / "22.jpeg")
    (folder / "23.png").write_bytes(b"half an image")
    rows = bring()
    assert [(row.status, row.reason.partition(":")[0]) for row in rows.values()] == [
        ("edited", ""), ("edit_failed", "unusable_image"), ("edit_failed", "missing_image"),
    ]  # fmt: skip
    assert rows["24"].reason == "missing_image: there is no 24.png"
    assert (rows["22"].seconds, rows["22"].device) == (None, "")

    save(folder / "23.png", "mended")
    save(folder / "24.png", "late")
    again = bring()
    assert [row.status for row in again.values()] == ["edited"] * 3
    assert again["22"] == rows["22"]
    save(folder / "22.jpeg", "another")
    assert bring()["22"].key != again["22"].key
    assert bring()["23"] == again["23"]


def test_the_colours_of_an_edit_are_those_that_its_profile_means(tmp_path: Path) -> None:
    bring = bringing(tmp_path, "imgedit")
    p3 = draw("theirs")
    path = tmp_path / "edits" / "22.png"
    path.parent.mkdir()
    p3.save(path, icc_profile=icc.rgb_profile(icc.DISPLAY_P3))
    with Image.open(tmp_path / "results" / bring()["22"].image) as kept:
        assert "icc_profile" not in kept.info
        shown = np.asarray(kept, float)
    assert np.abs(shown - icc.in_srgb(np.asarray(p3), icc.DISPLAY_P3)).max() <= 2


def test_an_edit_of_several_sources(tmp_path: Path) -> None:
    bring = bringing(tmp_path, "kris")
    save(tmp_path / "edits" / "temporal_prediction" / "1.jpg")
    assert bring()["temporal_prediction-1"].status == "edited"


def test_two_images_of_one_sample_are_refused(tmp_path: Path) -> None:
    bring = bringing(tmp_path, "imgedit")
    save(tmp_path / "edits" / "22.png")
    save(tmp_path / "edits" / "22.jpg")
    with pytest.raises(UserError, match=r"22.png: sample 22 has another edit, 22.jpg; remove one"):
        bring()


@pytest.mark.parametrize("place", ["physics/1.jpg", "theirs/22.png", "deep/down/22.png"])
def test_a_folder_of_another_benchmark_is_refused(tmp_path: Path, place: str) -> None:
    bring = bringing(tmp_path, "imgedit")
    save(tmp_path / "edits" / place)
    with pytest.raises(UserError, match=r"none of its 1 images lies .* such as 22.png; is it"):
        bring()


def test_images_that_are_taken_by_their_order_have_to_be_all(tmp_path: Path) -> None:
    bring = bringing(tmp_path, "complex_edit")
    save(tmp_path / "edits" / "C1" / "a.png")
    with pytest.raises(UserError, match=r"edits/C1: 1 images for 2 rows; .*those of other rows"):
        bring()
    save(tmp_path / "edits" / "C1" / "b.png", "second")
    rows = bring()
    assert [name for name, row in rows.items() if row.status == "edited"] == [
        "real-0001-C1", "real-0002-C1",
    ]  # fmt: skip


def exported(tmp_path: Path, bring: Bring, layout: str, out: str = "out") -> list[str]:
    """Places of the images of a run that collected what ``bring`` gives."""
    rows = list(bring().values())
    write_rows(Layout(tmp_path / "results").edit_table("theirs", "any"), rows)
    export(tmp_path / "results", "theirs", layout, tmp_path / out)
    files = (tmp_path / out).rglob("*.*")
    return sorted(path.relative_to(tmp_path / out).as_posix() for path in files)


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    bring = bringing(tmp_path, "complex_edit")
    for name in ("a", "b"):
        save(tmp_path / "edits" / "C1" / f"{name}.png", name)
    with pytest.raises(UserError, match=r"has no edit of real-0001-C2 .*pair images with rows"):
        exported(tmp_path, bring, "complex_edit")
    with pytest.raises(UserError, match="real-0001-C1 is not one of the benchmark gedit"):
        exported(tmp_path, bring, "gedit")
    assert exported(tmp_path, bring, "id") == ["real-0001-C1.png", "real-0002-C1.png"]
    with pytest.raises(UserError, match="out: not empty"):
        exported(tmp_path, bring, "id")
    with pytest.raises(UserError, match="no finished edits of model ours; it has some of: theirs"):
        export(tmp_path / "results", "ours", "id", tmp_path / "ours")
    (image, *_) = (tmp_path / "results/store/edits").rglob("*.png")
    image.unlink()
    with pytest.raises(UserError, match=f"{image.name}: the edited image cannot be read"):
        export(tmp_path / "results", "theirs", "id", tmp_path / "without one")


def test_an_earlier_runs_other_categories_are_not_exported(tmp_path: Path) -> None:
    bring = bringing(tmp_path, "imgedit")
    for name in ("22", "23", "24"):
        save(tmp_path / "edits" / f"{name}.png", name)
    layout = Layout(tmp_path / "results")
    assert exported(tmp_path, bring, "imgedit") == ["22.png", "23.png", "24.png"]
    write_rows(layout.samples, read_rows(layout.samples, Sample)[:1])
    assert exported(tmp_path, bring, "imgedit", "of one") == ["22.png"]


def config(tmp_path: Path, **model: object) -> dict[str, object]:
    (tmp_path / "b").write_text("{}")
    return {
        "benchmark": {"path": str(tmp_path / "b"), "format": "imgedit"},
        "models": {"theirs": {"editor": "folder"} | model},
        "judges": {"j": {"judge": "class_path", "class_path": "a.B"}},
    }


def test_the_layout_is_the_benchmarks_own(tmp_path: Path) -> None:
    chosen = resolve(config(tmp_path, path=str(tmp_path))).models["theirs"]
    assert isinstance(chosen, FolderEditorSettings)
    assert chosen.layout == "imgedit"
    with pytest.raises(UserError, match=r"layout rise is not that of the benchmark.*imgedit"):
        resolve(config(tmp_path, path=str(tmp_path), layout="rise"))
    turns = {"benchmark": {"path": str(tmp_path), "format": "imgedit", "subset": "multiturn"}}
    with pytest.raises(UserError, match=r"layout imgedit is not that.*imgedit \(multiturn\); id"):
        resolve(config(tmp_path, path=str(tmp_path), layout="imgedit") | turns)
    with pytest.raises(UserError, match=r"models.theirs: path .*nowhere is not a folder"):
        resolve(config(tmp_path, path=str(tmp_path / "nowhere")))


def test_a_run_notices_images_that_come_and_change(project: Project) -> None:
    edits = project.root / "edits"
    one_category(project, 2, models={"theirs": {"editor": "folder", "path": "edits"}}, shards=1)
    save(edits / "physical-0.png")
    table = "results/edits/theirs/physical/edits.jsonl"
    project.run(table)
    first = project.edits("physical", "theirs")
    assert [row.status for row in first.values()] == ["edited", "edit_failed"]
    save(edits / "physical-1.png", "late")
    project.run(table)
    second = project.edits("physical", "theirs")
    assert second["physical-0"] == first["physical-0"]
    assert second["physical-1"].status == "edited"
    assert "Nothing to be done" in project.run(table, "-n")
    (record,) = (project.root / "results/store/edits").glob(f"??/{second['physical-1'].key}.json")
    assert json.loads(record.read_text())["fields"]["key_fields"]["editor"] == "folder"

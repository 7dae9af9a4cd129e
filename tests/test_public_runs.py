"""Public benchmarks through the command line: brought from a folder, judged, exported again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

import public_layouts as layouts
from conftest import Project, draw
from edit_benchmark.config.judges import RUBRICS
from edit_benchmark.dataset.layouts import LAYOUTS
from edit_benchmark.records import Sample
from edit_benchmark.results.tables import read_rows
from protocol_fixtures import ANSWERS, checkout

#: For each benchmark what its configuration says, the place of one edit, and its category.
RUNS: dict[str, tuple[dict[str, Any], str, str]] = {
    "gedit": ({}, "fullset/subject-add/en/a1.png", "subject-add"),
    "imgedit": ({}, "22.png", "adjust"),
    "rise": (
        {}, "images/spatial_reasoning/spatial_reasoning_1.jpg", "spatial_reasoning"
    ),
    "kris": ({}, "physics/2.jpg", "physics"),
    "complex_edit": ({}, "C2/anything.png", "C2"),
    "unicbench": ({"language": "zh"}, "Background_Change/cn/b1.png", "Background_Change"),
    "gedit_v2": ({}, "v1.png", "gedit_v2"),
    "parquet": (layouts.DATA_SET, "7-2.png", "Add_Remove"),
}  # fmt: skip


def rubric(project: Project) -> str:
    """A rubric for any category, in the project; its path."""
    content = yaml.safe_load((RUBRICS / "reasoning.yaml").read_text(encoding="utf-8"))
    content["categories"] = {"other": content["categories"]["physical"]}
    path = project.root / "config" / "any.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return "config/any.yaml"


def configure(project: Project, format: str, said: dict[str, Any], **changes: Any) -> None:
    """With the benchmark's own protocol, where there is one."""
    judge: dict[str, Any] = {"judge": "class_path", "class_path": "toys.Ruler"}
    if format in ANSWERS:
        prompts = checkout(format, project.root / "prompts", said["categories"][0])
        judge |= {"class_path": "toys.Scribe", "protocol": format, "prompts": str(prompts),
                  "params": {"answers": ANSWERS[format][0]}}  # fmt: skip
    else:
        judge["rubric"] = rubric(project)
    project.configure(**{
        "benchmark": {"path": f"data/{format}", "format": format} | said,
        "models": {"theirs": {"editor": "folder", "path": "data/edits"}},
        "judges": {"judge": judge},
        "shards": 1,
    } | changes)  # fmt: skip


@pytest.mark.parametrize("format", RUNS)
def test_edits_of_others_are_judged_and_exported_again(project: Project, format: str) -> None:
    said, place, category = RUNS[format]
    layouts.MAKERS[format](project.root / "data" / format)
    theirs = project.root / "data" / "edits" / place
    theirs.parent.mkdir(parents=True)
    draw("theirs", (32, 24)).save(theirs)
    if format == "complex_edit":  # whose images are taken by their order
        draw("first", (32, 24)).save(theirs.with_name("aaa.png"))
    configure(project, format, {"categories": [category]} | said)
    # The report is the same whatever the benchmark.
    project.run(*() if format == "gedit" else [f"results/scores/judge/theirs/{category}.jsonl"])

    samples = read_rows(project.root / "results/benchmark/samples.jsonl", Sample)
    rows = project.scores(category, model="theirs", judge="judge")
    assert list(rows) == [sample.id for sample in samples]
    scored = [row for row in rows.values() if row.status == "scored"]
    assert len(scored) == (2 if format == "complex_edit" else 1)
    for row in rows.values():
        if row in scored:
            assert format not in ANSWERS or row.score == pytest.approx(ANSWERS[format][1])
        else:
            assert (row.status, row.score) == ("edit_failed", None)
            assert row.reason.startswith("missing_image: there is no ")
    with Image.open(project.root / "results" / scored[-1].image) as image:
        assert image.size == (32, 24)
    assert (project.root / "results/report/index.html").exists() == (format == "gedit")

    layout = format if format in LAYOUTS else "id"
    printed = project.python("scripts/export.py", f"--format={layout}", "--out=out", "results")
    assert f"out/theirs: {len(scored)} edits written" in printed
    exported = sorted(
        str(path.relative_to(project.root / "out/theirs"))
        for path in (project.root / "out/theirs").rglob("*.*")
    )
    ending = LAYOUTS[layout].ending
    wanted = [Path(place).with_suffix(ending).as_posix()]
    if format == "complex_edit":
        wanted = ["C2/0001.png", "C2/0002.png"]
    if format == "gedit":
        wanted.append("fullset/subject-add/en/a1_SRCIMG.png")
    assert exported == sorted(wanted)

"""Whole runs through the command line, with toys in place of models."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import shutil
import subprocess
import sys
from typing import Any, NamedTuple

import pytest
from filelock import FileLock

from conftest import Project, clone, five_each, png
from edit_benchmark.categories import CATEGORIES
from edit_benchmark.dataset.samples import seed
from runs import one_category

SIZES = {"物理": 50, "环境": 50, "社会": 70, "因果": 50, "指代": 50}


def original_items(sizes: dict[str, int]) -> list[dict[str, object]]:
    """Items of the original format, a tiny image in each."""
    encoded = base64.b64encode(png("x")).decode()
    names = [category for category, count in sizes.items() for _ in range(count)]
    return [
        {
            "subset": category,
            "edit_instruction": f"修改 {number}",
            "edit_instruction_en": f"change {number}",
            "original_description": "场景",
            "original_description_en": "a scene",
            "src_img_b64": encoded,
            "rationale_short": "难",
            "rationale_short_en": "hard",
            "tags": ["a"],
            "difficulty": "easy",
            "original_image_path": f"generated_images_2/{number:05d}_{category}_easy.png",
            "seed": 1,
        }
        for number, category in enumerate(names)
    ]


def test_the_six_gpu_run_plans_thirty_edit_jobs_without_importing_torch(project: Project) -> None:
    data = project.root / "data"
    data.mkdir()
    items = original_items(SIZES)
    (data / "benchmark.json").write_text(json.dumps(items, ensure_ascii=False), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "snakemake", "--cores", "all",
         "--resources", "gpu=6", "-n"],
        cwd=project.root, env=project.environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    stats = result.stdout.split("Job stats:")[1]
    counts = dict(line.split()[:2] for line in stats.splitlines() if len(line.split()) == 2)
    assert counts["edit"] == "30"
    assert counts["collect_edits"] == "5"
    assert counts["score"] == "5"
    assert counts["aggregate"] == "1"
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines() if "|" in line}
    assert "edit_benchmark.config.resolve" in imported
    assert not imported & {"torch", "diffusers", "transformers"}


def test_the_assignment_is_printed_and_logged_before_work_starts(project: Project) -> None:
    (project.root / "data").mkdir()
    (project.root / "data" / "b.json").write_text(json.dumps(original_items({"物理": 50})))
    project.configure(
        benchmark={"path": "data/b.json", "format": "original", "categories": ["物理"]}, shards=6
    )
    output = project.run("results/benchmark/samples.jsonl")
    assert "physical 物理: 50 samples on 6 shards: 9, 9, 8, 8, 8, 8" in output
    first = "shard 1-of-6 (9): 00000_物理_easy 00006_物理_easy 00012_物理_easy"
    assert first in output
    assert first in (project.root / "results/benchmark/assignment.txt").read_text()


class Finished(NamedTuple):
    """A run that has ended, which no test may change, and what its terminal showed."""

    project: Project
    rows: list[dict[str, Any]]
    output: str


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One of two devices, with an edit that fails, one that is skipped, an answer that cannot be
    read and a category without samples."""
    rows = [row for row in five_each(4) if row["category"] != "referential"]
    wishes = {"physical-0": "fail", "environmental-0": "unreadable", "social-0": "skip this"}
    for row in rows:
        row["instruction"] = wishes.get(row["id"], row["instruction"])
    # The processes of pytest-xdist, each with a folder of its own, share the one above.
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "finished"
    output = folder / "output.txt"
    with FileLock(folder.with_suffix(".lock")):
        if not output.exists():
            shutil.rmtree(folder, ignore_errors=True)  # a run that failed for another process
            folder.mkdir()
            output.write_text(_finish(clone(folder / "clone"), rows), encoding="utf-8")
    return Finished(Project(folder / "clone"), rows, output.read_text(encoding="utf-8"))


def _finish(project: Project, rows: list[dict[str, Any]]) -> str:
    project.benchmark(rows)
    painter = {"editor": "class_path", "class_path": "toys.Painter", "params": {"delay": 0.1}}
    project.configure(models={"painter": painter}, device_ids=["cpu", "cpu"])
    return project.run(PYTHONIOENCODING="ascii:strict")


def test_a_run_ends_with_one_status_for_every_sample(finished: Finished) -> None:
    scores = finished.project.scores
    physical, environmental, social = map(scores, ("physical", "environmental", "social"))
    assert physical["physical-0"].status == "edit_failed"
    assert physical["physical-0"].reason == "ValueError: the toy was told to fail"
    assert physical["physical-1"].status == "scored"
    assert environmental["environmental-0"].status == "judge_failed"
    assert "nonsense" in environmental["environmental-0"].reason
    assert social["social-0"].status == "skipped"
    everything = [row for key in CATEGORIES for row in scores(key).values()]
    assert sorted(row.id for row in everything) == sorted(row["id"] for row in finished.rows)


def test_a_failed_edit_is_never_scored_and_has_no_number_anywhere(finished: Finished) -> None:
    project = finished.project
    assert "physical-0" not in project.calls("judge")
    assert not (project.root / "results/edits/painter/physical/images/physical-0.png").exists()
    score = project.scores("physical")["physical-0"]
    assert score.score is None
    assert score.criteria == {}
    lines = (project.root / "results/report/scores.csv").read_text("utf-8-sig").splitlines()
    header = lines[0].split(",")
    line = next(line for line in lines if "physical-0" in line)
    cells = dict(zip(header, line.split(","), strict=False))
    assert cells["status"] == "edit_failed"
    assert cells["score"] == ""


def test_no_score_is_a_default_when_the_judge_cannot_be_read(finished: Finished) -> None:
    scores = finished.project.scores("environmental")
    assert scores["environmental-0"].score is None
    failed = [row for row in scores.values() if row.status == "judge_failed"]
    assert [row.id for row in failed] == ["environmental-0"]


def test_a_category_without_samples_is_reported_as_such(finished: Finished) -> None:
    project = finished.project
    assert project.scores("referential") == {}
    lines = (project.root / "results/report/summary.csv").read_text("utf-8-sig").splitlines()
    line = next(line for line in lines if "referential" in line)
    assert ",0,0,0,0" in line
    assert "5.0" not in line


def test_the_terminal_tells_what_is_done_and_what_failed(finished: Finished) -> None:
    output = finished.output
    lines = [line for line in output.splitlines() if "painter: " in line]
    edits = [line for line in lines if " physical " in line and "edited" in line]
    assert re.search(r"2 of 4 edited.*, [\d.]+ images/s, about 0 s left$", edits[0])
    assert "4 of 4 edited (1 failed: 1 ValueError), " in edits[1]
    assert any("4 judged by ruler (1 failed: 1 unparsable_answer)" in line for line in lines)
    assert re.search(r"overall \(micro\) +16 +13 +1 +1 +1 ", output)
    assert "1x painter: edit failed (physical-0): ValueError: the toy was told to fail" in output
    assert "report: results/report/index.html" in output


def test_snakemakes_own_report_is_built(finished: Finished) -> None:
    project = finished.project
    project.snakemake("--configfile", "config/test.yaml", "--report", "report.html")
    page = (project.root / "report.html").read_text()
    for text in ("summary.csv", "comparison.csv", "overview-ruler.svg", "Contact sheets"):
        assert text in page
    for category in CATEGORIES:
        assert f'"labels": {{"model": "painter", "category": "{category}"}}' in page


def test_pictures_are_the_same_for_any_number_of_shards(project: Project) -> None:
    project.benchmark(five_each(3))
    targets = [f"results/edits/painter/{key}/edits.jsonl" for key in ("physical", "causal")]
    project.configure(shards=1)
    project.run(*targets)
    alone = project.images()
    assert len(alone) == 6
    for shards in (2, 7):
        # Another results folder, so that nothing comes out of the store.
        (project.root / "results").rename(project.root / f"before-{shards}")
        project.configure(shards=shards, device_ids=["cpu", "cpu"])
        project.run(*targets)
        assert project.images() == alone


def test_pictures_do_not_depend_on_the_categories_chosen_or_the_order(project: Project) -> None:
    rows = five_each(3)
    project.benchmark(rows)
    project.configure()
    target = "results/edits/painter/causal/edits.jsonl"
    project.run(target)
    first = project.images()
    (project.root / "results").rename(project.root / "earlier")
    random.Random(0).shuffle(rows)
    project.benchmark(rows)
    path = "data/benchmark.jsonl"
    project.configure(benchmark={"path": path, "categories": ["因果"]})
    project.run(target)
    assert project.images() == first


def test_one_category_by_either_name(project: Project) -> None:
    project.benchmark(five_each())
    project.configure()
    project.run("物理")
    assert (project.root / "results/report/categories/physical/index.html").is_file()
    assert not (project.root / "results/edits/painter/social").exists()
    project.run("social")
    assert (project.root / "results/report/categories/social/index.html").is_file()


def test_the_readmes_command_line_takes_the_target_first(project: Project) -> None:
    project.benchmark(five_each())
    project.configure()
    result = project.snakemake(
        "物理", "--configfile", "config/test.yaml", "--resources", "gpu=6", "-n"
    )
    assert "edit" in result.stdout


def test_several_models_and_judges_have_a_row_for_each(project: Project) -> None:
    categories = ["physical", "causal"]
    project.benchmark([row for row in five_each() if row["category"] in categories])
    painter = {"editor": "class_path", "class_path": "toys.Painter"}
    ruler = {"judge": "class_path", "class_path": "toys.Ruler"}
    project.configure(
        benchmark={"path": "data/benchmark.jsonl", "categories": categories},
        models={"a": painter, "b": painter | {"seed": 7}, "floor": {"editor": "identity"}},
        judges={"first": ruler, "second": ruler},
    )
    project.run()
    table = (project.root / "results/report/summary.csv").read_text("utf-8-sig")
    for model in ("a", "b", "floor"):
        for judge in ("first", "second"):
            lines = [line for line in table.splitlines() if f"{model},{judge}," in line]
            assert len(lines) == 4, table  # two categories, micro and macro


def test_a_category_with_many_edits_has_several_score_jobs(project: Project) -> None:
    one_category(project, 5, score_chunk=2)
    project.run()
    parts = sorted(path.name for path in (project.root / "results/scores").rglob("part-*.jsonl"))
    assert parts == ["part-1.jsonl", "part-2.jsonl", "part-3.jsonl"]
    assert list(project.scores("physical")) == [f"physical-{k}" for k in range(5)]


def test_a_fresh_run_needs_no_profile(project: Project) -> None:
    one_category(project, 1)
    project.snakemake("--configfile", "config/test.yaml", "--workflow-profile", "none")
    assert (project.root / "results/report/index.html").is_file()


def test_seeds_come_from_the_sample_alone() -> None:
    assert seed(42, "a") == seed(42, "a")
    assert len({seed(42, "a"), seed(43, "a"), seed(42, "b"), seed(42, "a", 1)}) == 4
    assert 0 <= seed(42, "a") < 2**32


def test_the_picture_says_how_it_was_made(project: Project) -> None:
    from PIL import Image

    project.benchmark(five_each())
    project.configure()
    project.run("results/edits/painter/causal/edits.jsonl")
    row = project.edits("causal")["causal-0"]
    with Image.open(project.root / "results" / row.image) as image:
        assert image.text["instruction"] == "change causal 0"  # type: ignore[attr-defined]
        made_by = json.loads(image.text["made_by"])  # type: ignore[attr-defined]
    assert made_by["seed"] == row.seed
    assert made_by["class_path"] == "toys.Painter"

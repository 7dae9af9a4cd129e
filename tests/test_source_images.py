"""What a run makes of source images that are replaced, missing or broken."""

from __future__ import annotations

import json
import os

from conftest import Project, draw
from runs import asked, one_category


def replace_image(project: Project, sample: str) -> None:
    draw("another " + sample).save(project.root / "data" / f"{sample}.png")


def test_images_that_are_missing_broken_touched_replaced_and_mended(project: Project) -> None:
    one_category(project, 4, shards=2)
    data = project.root / "data"
    (data / "physical-1.png").unlink()
    (data / "physical-2.png").write_bytes(b"no image")
    problems = [
        "data/benchmark.jsonl, line 2: image data/physical-1.png does not exist.",
        "data/benchmark.jsonl, line 3: sample physical-2: not an image in a known format",
    ]
    output = project.run()
    assert "warning: 2 of 4 source images cannot be read." in output
    assignment = (project.root / "results/benchmark/assignment.txt").read_text()
    assert all(problem in output and problem in assignment for problem in problems)
    scores = project.scores("physical")
    statuses = {name: row.status for name, row in scores.items()}
    assert statuses == {"physical-0": "scored", "physical-1": "skipped",
                        "physical-2": "skipped", "physical-3": "scored"}  # fmt: skip
    assert scores["physical-1"].reason == f"unreadable_source: {problems[0]}"
    assert asked(project) == ["change physical 0", "change physical 3"]
    report = json.loads((project.root / "results/report/summary.json").read_text())
    sentence = "2 of 4 source images are missing or broken"
    assert any(sentence in warning for warning in report["warnings"]), report["warnings"]

    first = project.edits("physical")
    project.forget_calls()
    image = data / "physical-0.png"
    later = image.stat().st_mtime + 10
    os.utime(image, (later, later))
    project.run()
    assert project.calls("load") == asked(project) == project.calls("judge") == []

    replace_image(project, "physical-0")
    replace_image(project, "physical-1")
    output = project.run()
    assert asked(project) == ["change physical 0", "change physical 1"]
    assert sorted(project.calls("judge")) == ["physical-0", "physical-1"]
    second = project.edits("physical")
    changed = [name for name in first if second[name].image_sha256 != first[name].image_sha256]
    assert changed == ["physical-0", "physical-1"]
    assert project.scores("physical")["physical-1"].status == "scored"
    assert "report: results/report/index.html" in output
    assert "Nothing to be done" in project.run("-n")

    project.configure(benchmark={"path": "data/benchmark.jsonl", "strict": True,
                                 "categories": ["physical"]})  # fmt: skip
    assert f"error: {problems[1]}" in project.run(code=1)

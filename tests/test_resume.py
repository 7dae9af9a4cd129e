"""A rerun makes only what is missing or changed."""

from __future__ import annotations

from conftest import Project, five_each
from runs import asked, one_category, tables


def test_other_shards_and_devices_or_a_moved_folder_edit_nothing_again(project: Project) -> None:
    one_category(project)
    project.run()
    before = {row["id"]: row for row in tables(project)}
    project.forget_calls()
    one_category(project, shards=5, device_ids=["cpu"])
    project.run()
    assert not project.calls("edit")
    assert not project.calls("load")
    assert not project.calls("judge")
    assert {row["id"]: row for row in tables(project)} == before
    (project.root / "results").rename(project.root / "results-2")
    one_category(project, results="results-2")
    project.run("--forcerun", "edit")
    assert not project.calls("edit")


def test_only_what_changed_in_the_benchmark_is_edited(project: Project) -> None:
    categories = ["physical", "environmental", "social"]
    rows = [row for row in five_each(2) if row["category"] in categories]
    project.benchmark(rows)
    project.configure(benchmark={"path": "data/benchmark.jsonl", "categories": categories})
    project.run()
    project.forget_calls()
    rows[0]["instruction"] = "another wish"  # changed
    del rows[3]  # removed
    rows.append({"id": "new", "category": "社会", "instruction": "a new one"})  # added
    rows.reverse()  # another order
    for row in rows:
        row["description"] = "a comment"
    project.benchmark(rows)
    project.run()
    assert asked(project) == ["a new one", "another wish"]
    assert set(project.scores("environmental")) == {"environmental-0"}
    assert "new" in project.scores("social")


def test_a_changed_setting_is_another_edit_and_a_changed_path_is_not(project: Project) -> None:
    one_category(project, 2)
    project.run()
    project.forget_calls()
    painter = {"editor": "class_path", "class_path": "toys.Painter"}
    one_category(project, 2, models={"painter": painter | {"seed": 1}})
    project.run()
    assert len(asked(project)) == 2
    times = (project.root / "results/report/timings.csv").read_text("utf-8-sig")
    for number in (0, 1):
        assert f"edit,painter,seed={number},,2,2,0," in times
    project.forget_calls()
    (project.root / "data").rename(project.root / "moved")
    benchmark = {"path": "moved/benchmark.jsonl", "categories": ["physical"]}
    project.configure(benchmark=benchmark, models={"painter": painter | {"seed": 1}})
    project.run()
    assert not asked(project)

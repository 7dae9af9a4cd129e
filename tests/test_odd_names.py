"""Names, paths and texts that a shell, Snakemake or a file system could take for something else."""

from __future__ import annotations

import json

from conftest import Project, five_each


def test_odd_names_go_through_a_whole_run(project: Project) -> None:
    """Of the results folder, and of a model, a judge and a category, the longest ones and such as
    folders and files of the run are called."""
    name = 'my "results" it\'s [a]* $HOME \\ ;& %s 中文'
    longest = "".join(map(str, range(37)))
    categories = ["part-1", f"c{longest[1:]}"]
    project.benchmark(
        [{"id": f"id {key}", "category": key, "instruction": "x"} for key in categories]
    )
    project.configure(
        benchmark={"path": "data/benchmark.jsonl", "categories": categories},
        results=name,
        models={longest: {"editor": "class_path", "class_path": "toys.Painter"}},
        judges={"all.json": {"judge": "class_path", "class_path": "toys.Ruler"}},
    )
    project.run()
    project.run("part-1")
    report = project.root / name / "report"
    assert (report / "categories/part-1/index.html").is_file()
    assert len((report / "scores.csv").read_text("utf-8-sig").splitlines()) == 1 + 2


def test_texts_with_braces_reach_the_jobs_as_they_are(project: Project) -> None:
    project.benchmark([row for row in five_each(1) if row["category"] == "physical"])
    with (project.root / "toys.py").open("a") as file:
        file.write(
            "\n\nclass Labelled(Painter):\n"
            "    def __init__(self, checkpoint, dtype, device, label):\n"
            "        super().__init__(checkpoint, dtype, device)\n"
            "        _count(f'label {label}')\n"
        )
    label = "{wish} {0} {{model}} {"
    benchmark = {"path": "data/benchmark.jsonl", "categories": ["physical"]}
    project.configure(
        benchmark=benchmark,
        note="a {note} of {model}",
        models={"painter": {"editor": "class_path", "class_path": "toys.Labelled",
                            "params": {"label": label}}},
    )  # fmt: skip
    project.run()
    project.run("physical")
    assert project.calls("label")[0] == label
    page = (project.root / "results/report/index.html").read_text(encoding="utf-8")
    assert "a {note} of {model}" in page
    record = json.loads((project.root / "results/run.json").read_text(encoding="utf-8"))
    assert record["config"]["models"]["painter"]["params"]["label"] == label

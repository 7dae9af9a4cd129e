"""Names, paths and texts that a shell, Snakemake or a file system could take for something else."""

from __future__ import annotations

import json

from conftest import Project


def test_odd_names_and_texts_go_through_a_whole_run(project: Project) -> None:
    """Of the results folder, and of a model, a judge and a category, the longest ones and such as
    folders and files of the run are called; texts with braces reach the jobs as they are."""
    name = 'my "results" it\'s [a]* $HOME \\ ;& %s 中文'
    longest = "".join(map(str, range(37)))
    categories = ["part-1", f"c{longest[1:]}"]
    label = "{wish} {0} {{model}} {"
    project.benchmark(
        [{"id": f"id {key}", "category": key, "instruction": "x"} for key in categories]
    )
    with (project.root / "toys.py").open("a") as file:
        file.write(
            "\n\nclass Labelled(Painter):\n"
            "    def __init__(self, checkpoint, dtype, device, label):\n"
            "        super().__init__(checkpoint, dtype, device)\n"
            "        _count(f'label {label}')\n"
        )
    project.configure(
        benchmark={"path": "data/benchmark.jsonl", "categories": categories},
        results=name,
        note="a {note} of {model}",
        models={longest: {"editor": "class_path", "class_path": "toys.Labelled",
                          "params": {"label": label}}},
        judges={"all.json": {"judge": "class_path", "class_path": "toys.Ruler"}},
    )  # fmt: skip
    project.run()
    project.run("part-1")
    report = project.root / name / "report"
    assert "a {note} of {model}" in (report / "index.html").read_text(encoding="utf-8")
    category = (report / "categories/part-1/index.html").read_text(encoding="utf-8")
    assert "a {note} of {model}" in category
    assert len((report / "scores.csv").read_text("utf-8-sig").splitlines()) == 1 + 2
    assert project.calls("label")[0] == label
    record = json.loads((project.root / name / "run.json").read_text(encoding="utf-8"))
    assert record["config"]["models"][longest]["params"]["label"] == label

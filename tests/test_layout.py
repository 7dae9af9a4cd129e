"""The rules write where the library looks, and the documentation names every path."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import ROOT
from edit_benchmark.results.layout import Layout

RULES = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted((ROOT / "workflow/rules").glob("*.smk"))
)
#: Every path that a rule declares or reads.
DECLARED = set(re.findall(r'"<results>/([^"]+)"', RULES))


def test_the_rules_write_where_the_library_looks() -> None:
    layout = Layout(Path("<results>"))
    model, judge, category = "{model}", "{judge}", "{category}"
    paths = [
        layout.samples,
        layout.sources,
        layout.shard_table(model, category, "{scatteritem}"),
        layout.edit_table(model, category),
        layout.score_table(judge, model, category),
        layout.score_part(judge, model, category, "{chunk}"),
        layout.preference_table(judge, "{first}", "{second}", category),
        layout.preference_part(judge, "{first}", "{second}", category, "{chunk}"),
        layout.job_log("edit", model, category, "{scatteritem}"),
        layout.job_log("score", judge, model, category, "part-{chunk}"),
        layout.job_log("compare", judge, "{first}", "{second}", category, "part-{chunk}"),
        layout.job_log("selftest_part", judge, model, "{scatteritem}"),
        layout.run,
        layout.assignment,
        layout.editor_checkpoint(model),
        layout.judge_checkpoint(judge),
        layout.selftest_part(judge, model, "{scatteritem}"),
        layout.selftest(judge, model),
        layout.report / "index.html",
        layout.category_report(category) / "index.html",
    ]
    for path in paths:
        assert layout.relative(path) in DECLARED


def test_finished_tables_are_listed(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    tables = [layout.shard_table("m", "causal", shard) for shard in ("1-of-2", "2-of-2", "1-of-3")]
    part = tmp_path / "scores" / "j" / "m" / "causal" / "part-1.jsonl"
    whole = layout.score_table("j", "m", "causal")
    for path in [*tables, layout.edit_table("m", "causal"), part, whole]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert set(layout.shard_tables()) == set(tables)
    assert list(layout.shard_tables("m", "causal", 2)) == tables[:2]
    assert not list(layout.shard_tables("other"))
    assert list(layout.edit_tables("m")) == [layout.edit_table("m", "causal")]
    assert list(layout.score_parts()) == [part]
    assert list(layout.score_tables(model="m")) == [whole]


def test_the_documentation_names_every_path() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`]+)`", page))
    for path in DECLARED:
        if path.startswith(("logs/", "benchmarks/")):
            continue
        path = path.replace("part-1.", "part-{chunk}.")  # the first part, named outright
        path = re.sub(r"^edits/\{(first|second)\}", "edits/{model}", path)  # those of two models
        assert {path, f"{path}/"} & named, path

"""Finished work is redone on purpose with one command."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import Project, five_each
from edit_benchmark.records import Sample
from edit_benchmark.results.tables import write_rows
from runs import asked, tables


def test_redo_what_failed_with_one_command(project: Project) -> None:
    project.benchmark([{"id": f"s{k}", "category": "physical", "instruction": wish}
                       for k, wish in enumerate(["a", "fail", "b"])])  # fmt: skip
    benchmark = {"path": "data/benchmark.jsonl", "categories": ["physical"]}
    project.configure(benchmark=benchmark, shards=1)
    project.run()
    # The cause goes away: here, the toy no longer fails, with the same class file.
    project.forget_calls()
    project.run("--forcerun", "edit")
    assert asked(project) == ["fail"]


def redo(project: Project, *arguments: str, code: int = 0) -> str:
    """scripts/redo.py with the workflow behind it."""
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "2"]
    result = subprocess.run(
        [sys.executable, "scripts/redo.py", *arguments, "--", *snakemake,
         "--configfile", "config/test.yaml"],
        cwd=project.root, env=project.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_redo_on_purpose_with_one_command_each(project: Project) -> None:
    categories = ["physical", "social", "referential"]
    rows = [row for row in five_each(2) if row["category"] in categories]
    rows[0]["instruction"] = "fail"
    rows[1]["instruction"] = "unreadable"
    project.benchmark(rows)
    benchmark = {"path": "data/benchmark.jsonl", "categories": categories}
    project.configure(benchmark=benchmark, shards=2, device_ids=["cpu", "cpu"])
    project.run()
    before = {row["id"]: row for row in tables(project)}

    def redone(*arguments: str) -> tuple[list[str], list[str]]:
        """What is edited and what is judged by a redo."""
        project.forget_calls()
        redo(project, *arguments)
        return asked(project), sorted(project.calls("judge"))

    one = redone("--sample", "social-1")
    category = redone("--category", "指代")
    failed = redone("--failed")
    scores = redone("--scores")
    failed_scores = redone("--scores", "--failed")
    assert one == (["change social 1"], ["social-1"])
    assert category == (
        ["change referential 0", "change referential 1"],
        ["referential-0", "referential-1"],
    )
    assert failed == (["fail"], ["physical-1"])
    assert scores == ([], sorted(row["id"] for row in rows if row["id"] != "physical-0"))
    assert failed_scores == ([], ["physical-1"])
    assert {row["id"]: row for row in tables(project)} == before
    assert (project.root / "results/report/index.html").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "say what to redo: --sample"),
        (["--sample", "nobody"], "--sample nobody: no sample of results/benchmark/samples.jsonl"),
        (["--category", "nothing"], "--category nothing: no sample of"),
        (["--failed", "--results", "elsewhere"], "nothing was run in elsewhere"),
    ],
)
def test_a_redo_of_nothing_is_refused(
    project: Project, arguments: list[str], sentence: str
) -> None:
    sample = {
        "id": "a", "category": "physical", "index": 0, "instruction": "x", "source": "s",
        "source_sha256": "0", "width": 1, "height": 1,
    }  # fmt: skip
    table = project.root / "results/benchmark/samples.jsonl"
    write_rows(table, [Sample(**sample)])
    output = redo(project, *arguments, code=2)
    assert sentence in output
    assert "Traceback" not in output

"""Results of several runs in one report: only what can share a column does."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import report_fixtures as fixtures
from edit_benchmark.config.resolve import editor_settings, judge_settings
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.verdicts import SelfTest, verdicts
from edit_benchmark.report.words import load
from test_report import aggregate, embedded, small

# What was written before 0.2: every key of every kind, with its default.
EARLIER_EDITOR: dict[str, Any] = {
    "allow_pickle": False, "block_cache": None, "call": {}, "checkpoint": None, "class_path": None,
    "dtype": "bfloat16", "editor": "identity", "exact": "numeric", "fp8": False, "height": None,
    "lora": None, "negative_prompt": None, "num_inference_steps": None, "params": {},
    "revision": None, "seed": 0, "true_cfg_scale": None, "trust_remote_code": False, "width": None,
}  # fmt: skip
EARLIER_JUDGE: dict[str, Any] = {
    "allow_pickle": False, "batch_size": 16, "checkpoint": "Qwen/Qwen3-VL-8B-Instruct",
    "class_path": None, "dtype": "bfloat16", "judge": "transformers", "max_new_tokens": 256,
    "max_pixels": 1048576, "method": "expected", "min_mass": 0.5, "params": {}, "repeat": 0,
    "revision": None, "rubric": "reasoning", "trust_remote_code": False,
}  # fmt: skip
DIFFUSERS = {"editor": "diffusers", "checkpoint": "a/b", "true_cfg_scale": 4, "negative_prompt": ""}


def written(settings: dict[str, Any], kind: str) -> dict[str, Any]:
    """Settings as they are written into a record now."""
    read = editor_settings if kind == "models" else judge_settings
    return read(json.dumps(settings), "m").model_dump(mode="json")


def renamed(inputs: Inputs, results: Path, **names: str) -> Inputs:
    """The same run with other names of models and judges, in its own folder."""
    text = json.dumps(inputs.run)
    for old, new in names.items():
        text = text.replace(f'"{old}"', f'"{new}"').replace(f'/{old}"', f'/{new}"')
    shutil.copytree(inputs.results, results, dirs_exist_ok=True)
    shutil.rmtree(results / "scores", ignore_errors=True)
    scores = [
        replace(row, model=names.get(row.model, row.model), judge=names.get(row.judge, row.judge))
        for row in inputs.scores
    ]
    return replace(inputs, scores=scores, run=json.loads(text), results=results)


def changed(run: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of ``run`` with the field at ``path`` (parts parted by spaces) set to ``value``."""
    copy: dict[str, Any] = json.loads(json.dumps(run))
    *parents, last = path.split(" ")
    place = copy
    for part in parents:
        place = place[part]
    place[last] = value
    return copy


def test_earlier_results_are_merged(tmp_path: Path) -> None:
    mine = small(tmp_path / "mine")
    other = renamed(mine, tmp_path / "other", alpha="gamma", beta="delta")
    fixtures.write(other)
    aggregate(mine, tmp_path / "report", "--merge", other.results)
    summary = pd.read_csv(tmp_path / "report" / "summary.csv")
    assert list(summary["model"].unique()) == ["alpha", "beta", "delta", "gamma"]
    means = summary[summary["category"] == "overall (micro)"].set_index("model")["mean"]
    assert means["alpha"] == means["gamma"]
    comparison = pd.read_csv(tmp_path / "report" / "comparison.csv")
    assert len(comparison["a"].astype(str).str.cat(comparison["b"]).unique()) == 6


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("config judges judge method", "generated", "judge judge is not the same in both runs: me"),
        ("config judges judge dtype", "float32", "dtype is 'bfloat16-judge' here and 'float32' th"),
        ("checkpoints judges/judge commit", "e" * 40, "checkpoint (commit or fingerprint) is 'aaa"),
        ("rubrics resources/rubrics/reasoning.yaml", "f" * 64, "rubric hash is ['ccc"),
        ("config benchmark language", "zh", "benchmark.language is 'en' here and 'zh' there"),
    ],
)
def test_judges_that_differ_cannot_share_a_column(
    tmp_path: Path, path: str, value: str, sentence: str
) -> None:
    mine = small(tmp_path / "mine")
    other = renamed(mine, tmp_path / "other", alpha="gamma", beta="delta")
    fixtures.write(replace(other, run=changed(other.run, path, value)))
    output = aggregate(mine, tmp_path / "report", "--merge", other.results, code=2)
    assert sentence in output
    assert "their numbers cannot share a column; rename it in one of the configs." in output


def test_a_model_with_an_approximation_cannot_join_one_without(tmp_path: Path) -> None:
    mine = small(tmp_path / "mine")
    scores = [row for row in mine.scores if row.category == "social"]
    other = replace(renamed(mine, tmp_path / "other"), scores=scores)
    run = changed(other.run, "config models alpha fp8", True)
    fixtures.write(replace(other, run=run))
    kept = [row for row in mine.samples if row.category != "social"]
    mine = replace(
        mine,
        samples=kept,
        scores=[row for row in mine.scores if row.category != "social"],
        categories=[name for name in mine.categories if name != "social"],
    )
    output = aggregate(mine, tmp_path / "report", "--merge", other.results, code=2)
    assert "model alpha is not the same in both runs: fp8 is False here and True there" in output


@pytest.mark.parametrize("mine_is_broken", [True, False])
def test_a_source_image_that_one_run_could_not_read(tmp_path: Path, mine_is_broken: bool) -> None:
    whole = small(tmp_path / "mine")
    first = whole.samples[0]
    lost = replace(first, source="", source_sha256="", width=0, height=0, problem="it is gone")
    broken = replace(
        whole,
        samples=[lost, *whole.samples[1:]],
        scores=[
            fixtures.failed(row, "skipped", row.model, row.judge) if row.id == lost.id else row
            for row in whole.scores
        ],
    )
    mine, other = (broken, whole) if mine_is_broken else (whole, broken)
    other = renamed(other, tmp_path / "other", alpha="gamma", beta="delta")
    fixtures.write(other)
    aggregate(mine, tmp_path / "report", "--merge", other.results)
    table = pd.read_csv(tmp_path / "report" / "scores.csv")
    rows = table[table["id"] == first.id].set_index("model")
    assert set(rows["source_sha256"]) == {first.source_sha256}
    skipped = {"alpha", "beta"} if mine_is_broken else {"gamma", "delta"}
    assert set(rows.index[rows["status"] == "skipped"]) == skipped


@pytest.mark.parametrize("mine_has_it", [True, False])
def test_the_target_of_either_run_is_shown(tmp_path: Path, mine_has_it: bool) -> None:
    """Both may have it, each in its own folder under the name of its hash."""
    mine = small(tmp_path / "mine", each=1)
    other = renamed(mine, tmp_path / "other", alpha="gamma", beta="delta")
    place = "benchmark/sources/ab/abc.png"

    def with_target(inputs: Inputs) -> Inputs:
        fixtures.draw(inputs.results / place, 0, "target")
        first = replace(inputs.samples[0], fields={"target_image": place})
        return replace(inputs, samples=[first, *inputs.samples[1:]])

    fixtures.write(with_target(other))
    aggregate(
        with_target(mine) if mine_has_it else mine, tmp_path / "report", "--merge", other.results
    )
    shown = embedded(tmp_path / "report")["samples"]
    assert [bool(sample["target"]) for sample in shown] == [True, *[False] * 4]


def test_a_score_that_is_in_both_runs_is_refused(tmp_path: Path) -> None:
    mine = small(tmp_path / "mine")
    other = renamed(mine, tmp_path / "other")
    fixtures.write(other)
    output = aggregate(mine, tmp_path / "report", "--merge", other.results, code=2)
    assert "has a score of model alpha and judge judge in both runs; leave one of the" in output


def test_runs_in_two_languages_stand_side_by_side(tmp_path: Path) -> None:
    mine = small(tmp_path / "mine", each=5)
    other = renamed(mine, tmp_path / "other", alpha="alpha-zh", beta="beta-zh", judge="judge-zh")
    chinese = [replace(row, instruction=row.instruction_zh) for row in other.samples]
    run = changed(other.run, "config benchmark language", "zh")
    fixtures.write(replace(other, samples=chinese, run=run))
    output = aggregate(mine, tmp_path / "report", "--merge", other.results)
    assert "alpha-zh" in output
    table = pd.read_csv(tmp_path / "report" / "breakdown.csv")
    rows = table[table["dimension"] == "language"].set_index("model")["value"].to_dict()
    assert rows == {"alpha": "en", "beta": "en", "alpha-zh": "zh", "beta-zh": "zh"}


@pytest.mark.parametrize(
    ("kind", "earlier", "given"),
    [
        ("models", {}, {"editor": "identity"}),
        ("models", DIFFUSERS, DIFFUSERS),
        (
            "models",
            {"editor": "class_path", "class_path": "own.Editor", "params": {"a": 1}},
            {"editor": "class_path", "class_path": "own.Editor", "params": {"a": 1}},
        ),
        (
            "models",
            DIFFUSERS | {"lora": {"path": "a.safetensors", "scale": 1, "scheduler": {}}},
            DIFFUSERS | {"lora": {"path": "a.safetensors"}},
        ),
        (
            "judges",
            {},
            {"judge": "transformers", "checkpoint": EARLIER_JUDGE["checkpoint"],
             "max_pixels": 1048576},
        ),
        (
            "judges",
            {"method": "generated"},
            {"judge": "transformers", "checkpoint": EARLIER_JUDGE["checkpoint"],
             "max_pixels": 1048576, "method": "generated", "answer": "text"},
        ),
        (
            "judges",
            {"judge": "class_path", "class_path": "own.Judge", "checkpoint": None},
            {"judge": "class_path", "class_path": "own.Judge"},
        ),
    ],
)  # fmt: skip
def test_a_run_of_an_earlier_version_is_the_same_if_its_settings_mean_the_same(
    tmp_path: Path, kind: str, earlier: dict[str, Any], given: dict[str, Any]
) -> None:
    """Half of the samples are scored by the earlier version, half by this one."""
    mine = small(tmp_path / "mine")
    other = renamed(mine, tmp_path / "other")
    name = {"models": "alpha", "judges": "judge"}[kind]
    whole = {"models": EARLIER_EDITOR, "judges": EARLIER_JUDGE}[kind] | earlier
    now = written(given, kind)
    assert now != whole
    first = replace(
        fixtures.only(mine, "social"), run=changed(mine.run, f"config {kind} {name}", now)
    )
    second = replace(
        fixtures.only(other, "causal"), run=changed(other.run, f"config {kind} {name}", whole)
    )
    fixtures.write(second)
    aggregate(first, tmp_path / "report", "--merge", second.results)
    # A field that differs is named as ever.
    fixtures.write(replace(second, run=changed(second.run, f"config {kind} {name} dtype", "other")))
    output = aggregate(first, tmp_path / "report", "--merge", second.results, code=2)
    was = f"{now.get('dtype')!r}"
    assert f"{kind[:-1]} {name} is not the same in both runs: dtype is {was} here and 'other'" in (
        output
    )


@pytest.mark.parametrize("method", ["expected", "generated"])
def test_a_self_test_of_an_earlier_version_counts_if_the_judge_is_the_same(method: str) -> None:
    judge = {"judge": "transformers", "checkpoint": EARLIER_JUDGE["checkpoint"]}
    now = written(judge | {"max_pixels": 1048576}, "judges")
    record = SelfTest("j", "m", "passes", [], EARLIER_JUDGE | {"method": method})
    (verdict,) = verdicts([record], ["j"], {"j": now}, load("en"))
    assert verdict.state == ("passes" if method == "expected" else "missing")

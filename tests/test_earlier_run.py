"""A run that was begun before 0.2 goes on: no edit and no answer is made again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from conftest import Project
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.config.judges import RUBRICS
from edit_benchmark.config.resolve import editor_settings, judge_settings
from edit_benchmark.dataset.samples import seed
from edit_benchmark.editing import registry as editors
from edit_benchmark.judging import registry as judges
from edit_benchmark.judging.job import question_fields
from edit_benchmark.judging.rubrics import load
from edit_benchmark.records import Edit, Sample, dumps
from edit_benchmark.results.former_keys import former_keys
from edit_benchmark.results.store import key_of
from edit_benchmark.runtime import kinds
from edit_benchmark.runtime.kinds import Kind

EARLIER = Path(__file__).parent / "data" / "run_before_0_2"
KEYS = json.loads((EARLIER / "keys.json").read_text(encoding="utf-8"))
VERSIONS = {"torch": "2.11.0", "diffusers": "0.42.1", "transformers": "5.17.0"}
SAMPLE = Sample(
    id="a", category="physical", index=0, instruction="move {it}", source="s",
    source_sha256="5" * 64, width=1, height=1, rationale_en="gravity", rationale_zh="重力",
)  # fmt: skip


@pytest.fixture
def earlier(project: Project) -> Project:
    """Physical is finished, causal lacks an answer, social was killed after its first edit."""
    shutil.copytree(EARLIER / "data", project.root / "data")
    shutil.copytree(EARLIER / "results", project.root / "results")
    shutil.copy(EARLIER / "own.py", project.root)
    shutil.copy(EARLIER / "config.yaml", project.root / "config" / "test.yaml")
    # As the run left them: a checkout gives all files the time at which it was made.
    results = project.root / "results"
    ages = ["benchmark", "checkpoints", "*-of-*.jsonl", "edits.jsonl", "pictures", "scores"]
    for path in [*results.rglob("*"), *(project.root / "data").rglob("*")]:
        names = path.relative_to(project.root).parts
        age = [number for number, pattern in enumerate(ages, start=1)
               if any(fnmatch(name, pattern) for name in names)]  # fmt: skip
        when = time.time() - 1000 + 100 * max(age, default=0)
        os.utime(path, (when, when))
    return project


def stored(project: Project) -> dict[str, bytes]:
    folder = project.root / "results" / "store"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_an_earlier_run_is_finished_without_anything_made_again(earlier: Project) -> None:
    before = stored(earlier)
    earlier.run()
    assert earlier.calls("edit") == ["change social 1"]
    assert sorted(earlier.calls("judge")) == ["causal-1", "social-0", "social-1"]
    after = stored(earlier)
    assert {name: after[name] for name in before} == before
    rows = {**earlier.scores("physical"), **earlier.scores("causal"), **earlier.scores("social")}
    assert {row.status for row in rows.values()} == {"scored"}
    assert len(rows) == 6
    for row in rows.values():
        assert (earlier.root / "results" / row.image).is_file()
    # Nor when every job runs again.
    earlier.forget_calls()
    earlier.run("--forceall")
    assert not earlier.calls("edit")
    assert not earlier.calls("judge")


@dataclass(frozen=True)
class Keys:
    """The key of a piece of work, and those that it may have had before."""

    now: str
    former: set[str]


def keys(entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Keys:
    """The keys of the work of ``entry``, as a job puts them together."""
    monkeypatch.setattr(
        kinds, "installed", lambda *names: {n: VERSIONS[n] for n in names if n in VERSIONS}
    )
    monkeypatch.setattr(editors, "file_fingerprint", lambda path: "adapter")
    for registry in (editors, judges):
        monkeypatch.setattr(
            registry, "source_hashes", lambda path: {path.rpartition(".")[0]: "source"}
        )
    checkpoint = None
    if entry["settings"].get("checkpoint"):
        checkpoint = Checkpoint("a/b", "path", "commit", "fingerprint", "Pipeline", 1)
    text = json.dumps(entry["settings"])
    settings: Any
    if entry["kind"] == "model":
        settings = editor_settings(text, "m")
        kind: Kind[Any, Any] = editors.KINDS[settings.editor]
        asked = {
            "source_sha256": SAMPLE.source_sha256,
            "instruction": SAMPLE.instruction,
            "seed": seed(settings.seed, SAMPLE.id),
        }
    else:
        settings = judge_settings(text, "j")
        kind = judges.KINDS[settings.judge]
        rubric = load(RUBRICS / "reasoning.yaml", "physical", entry["language"])
        edit = Edit("a", "physical", "m", "edited", image_sha256="6" * 64)
        asked = question_fields(settings, rubric, SAMPLE, edit)
    fields = kind.key_fields(settings, checkpoint)
    former = kind.former_key_fields(settings, checkpoint, fields)
    return Keys(key_of({**fields, **asked}), set(former_keys(former, asked)))


@pytest.mark.parametrize("entry", KEYS, ids=lambda entry: entry["key"][:8])
def test_stored_work_is_found_under_its_former_key(
    entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys are those that the version before 0.2 gave to the same settings."""
    # A judge of transformers is shown images of other sizes now: its answers are other ones.
    is_same = entry["settings"].get("judge") != "transformers"
    found = keys(entry, monkeypatch)
    assert (entry["key"] in found.former) is is_same
    assert found.now not in found.former


def test_arguments_of_a_class_are_looked_up_as_they_are_written() -> None:
    params = {"strength": 1.0} | {name: number for number, name in enumerate("abcdefgh")}
    as_written = hashlib.sha256(dumps({"params": params}).encode()).hexdigest()[:40]
    assert as_written in former_keys({"params": params}, {})
    # Another argument is another edit, whatever it is called.
    assert key_of({"params": {}}) not in former_keys({"params": {"scale": 1}}, {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"true_cfg_scale": 4}, {"true_cfg_scale": 4.0}),
        ({"call": {"guidance_scale": 3}}, {"call": {"guidance_scale": 3.0}}),
        ({"lora": {"path": "x.safetensors"}}, {"lora": {"path": "y.safetensors", "scale": 1}}),
        ({"seed": 7}, {"seed": 7.0, "call": {}, "exact": "numeric", "fp8": False, "lora": None}),
        ({"num_inference_steps": 8}, {"num_inference_steps": 8.0}),
        ({"height": 512, "width": 512}, {"height": 512.0, "width": 512}),
    ],
)
def test_equal_settings_are_one_edit(
    one: dict[str, Any], other: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = {"editor": "diffusers", "checkpoint": "a/b", "negative_prompt": " "}
    entries = [{"kind": "model", "settings": base | changes} for changes in (one, other)]
    first, second = (keys(entry, monkeypatch).now for entry in entries)
    assert first == second
    changed = {"kind": "model", "settings": base | one | {"num_inference_steps": 9}}
    assert keys(changed, monkeypatch).now != first

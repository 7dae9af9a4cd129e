"""Each mistake is answered by one clear sentence with its place, before any model is loaded."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Project, five_each
from edit_benchmark.categories import CATEGORIES
from edit_benchmark.config.resolve import resolve
from edit_benchmark.dataset.samples import Import, prepare
from edit_benchmark.errors import UserError
from edit_benchmark.records import Sample

PAINTER = {"editor": "class_path", "class_path": "toys.Painter"}
DIFFUSERS = {"editor": "diffusers", "checkpoint": "nowhere/at/all"}


def refused(project: Project, *sentence: str, arguments: tuple[str, ...] = ()) -> str:
    """Run, expect a refusal that has all of ``sentence`` in one line, no traceback, no model."""
    result = project.snakemake("--configfile", "config/test.yaml", *arguments, code=1)
    lines = result.stdout.splitlines()
    assert any(all(part in line for part in sentence) for line in lines), result.stdout[-3000:]
    assert "Traceback" not in result.stdout, result.stdout[-3000:]
    assert not project.calls("load")
    return result.stdout


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"modles": {}}, ["config: unknown key modles", "known keys: results, note, benchmark"]),
        (
            {"models": {"painter": PAINTER | {"steps": 5}}},
            ["config: models.painter: unknown key steps", "class_path, params, seed"],
        ),
        (
            {"models": {"painter": PAINTER | {"num_inference_steps": 5}}},
            [
                "config: models.painter: num_inference_steps is not used by class_path; remove it, "
                "it is a setting of diffusers and openai."
            ],
        ),
        (
            {"models": {"floor": {"editor": "identity", "seed": 5}}},
            [
                "config: models.floor: seed is not used by identity; remove it, it is a setting of "
                "diffusers, class_path and openai."
            ],
        ),
        (
            {"models": {"m": {"editor": "difusers"}}},
            ["config: models.m: editor: 'difusers' is not one of identity, diffusers, class_path"],
        ),
        (
            {"models": {"m": DIFFUSERS | {"dtype": "int8"}}},
            ["config: models.m.dtype: 'int8' is not one of bfloat16, float16, float32"],
        ),
        (
            {"models": {"m": DIFFUSERS | {"height": 8, "width": 64}}},
            ["config: models.m.height: 8 is less than the minimum of 16"],
        ),
        (
            {"models": {"m": DIFFUSERS | {"lora": {"path": "x", "strength": 1}}}},
            ["config: models.m.lora: unknown key strength; known keys: path, scale, scheduler"],
        ),
        (
            {"models": {"m": DIFFUSERS | {"call": {"sigma": float("nan")}}}},
            ["config: models.m.call: it holds a value that JSON does not have"],
        ),
        ({"models": {}}, ["config: models: {} is empty"]),
        (
            {"models": {"m": {"edtor": "identity"}}},
            ["config: models.m: unknown key edtor; known keys"],
        ),
        (
            {"models": {"m": {"editor": "diffusers", "chekpoint": "a/b"}}},
            ["config: models.m: unknown key chekpoint; known keys:", "checkpoint"],
        ),
        (
            {"human_ratings": {"path": "r.csv", "lowst": 0, "highest": 5}},
            ["config: human_ratings: unknown key lowst; known keys: path, model, lowest, highest."],
        ),
        ({"results": "a{b}"}, ["config: results: 'a{b}' holds a brace, which stands for a wild"]),
        ({"models": "qwen"}, ["config: models: 'qwen' is not of type 'object'"]),
        ({"load_slots": 0}, ["config: load_slots: 0 is less than the minimum of 1"]),
        ({"load_slots": True}, ["config: load_slots: True is not of type 'integer'"]),
        ({"load_slots": None}, ["config: load_slots: None is not of type 'integer'"]),
        (
            {"stage_checkpoints": "scratch"},
            ["config: stage_checkpoints: 'scratch' is neither a whole path nor begins with a var"],
        ),
        (
            {"stage_checkpoints": "$1"},
            ["config: stage_checkpoints: '$1' holds a $ that names no variable; write $NAME or"],
        ),
        (
            {"models": {"a b": PAINTER}},
            ["config: models: 'a b' cannot be a name"],
        ),
        (
            {"models": {"painter": PAINTER | {"seed": "x"}}},
            ["config: models.painter.seed: 'x' is not of type 'integer'"],
        ),
        (
            {"device_ids": ["gpu0"]},
            ["config: device_ids.0: 'gpu0' is neither a GPU number nor cpu"],
        ),
        ({"device_ids": [0, "cpu"]}, ["config: device_ids: GPU numbers and cpu cannot be mixed"]),
        ({"device_ids": [1, 1]}, ["config: device_ids: a GPU number stands there twice"]),
        (
            {"benchmark": {"path": "data/none.jsonl"}},
            ["config: benchmark.path: data/none.jsonl does not exist"],
        ),
        (
            {"benchmark": {"path": "data/benchmark.jsonl", "categories": ["物理", "physical"]}},
            ["config: benchmark.categories: 'physical' stands there twice"],
        ),
        (
            {"benchmark": {"path": "data/benchmark.jsonl", "categories": ["物理学"]}},
            ["config: benchmark.categories: '物理学' is not a category"],
        ),
        (
            {"models": {"m": DIFFUSERS}},
            ["config: models.m: checkpoint nowhere/at/all does not exist"],
        ),
        (
            {"models": {"m": DIFFUSERS | {"checkpoint": "config", "true_cfg_scale": 4.0}}},
            ["config: models.m: true_cfg_scale 4.0 asks for guidance", "negative_prompt"],
        ),
        (
            {"models": {"m": {"editor": "diffusers"}}},
            ["config: models.m: checkpoint is missing"],
        ),
        (
            {"models": {"m": {"editor": "class_path"}}},
            ["config: models.m: class_path is missing"],
        ),
        (
            {
                "judges": {
                    "j": {"judge": "class_path", "class_path": "toys.Ruler", "rubric": "none"}
                }
            },
            ["config: judges.j: rubric none is neither a file nor one of: reasoning"],
        ),
    ],
)
def test_a_mistake_in_the_config(
    project: Project, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], sentence: list[str]
) -> None:
    project.benchmark(five_each())
    path = project.configure(**changes)
    monkeypatch.chdir(project.root)
    with pytest.raises(UserError) as caught:
        resolve(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert all(part in str(caught.value) for part in sentence), str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_the_config_stops_the_run(project: Project) -> None:
    project.benchmark(five_each())
    project.configure(modles={})
    refused(project, "config: unknown key modles; known keys: results", arguments=("-n",))


def with_line(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(path.read_text() + text + "\n", encoding="utf-8")


def row(**changes: Any) -> str:
    fields = {"id": "new", "category": "物理", "instruction": "x", "image": "physical-0.png"}
    return json.dumps(
        {key: value for key, value in (fields | changes).items() if value is not None}
    )


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"id": 1,', "line 6: not JSON"),
        ('["a"]', "line 6: not an object with named fields"),
        (row(category=None), "line 6: field category is missing"),
        (row(instruction=None), "line 6: sample new: the instruction in language en is missing"),
        (row(id="physical-0"), "line 6: id 'physical-0' is a duplicate of data/benchmark.jsonl, l"),
        (row(id="Physical-0"), "line 6: id 'Physical-0' is a duplicate"),
        (row(id="../../etc/x"), "line 6: id '../../etc/x' holds '/'"),
        (row(id="a" * 300), "is longer than 150 bytes"),
        (row(category="chemie"), "line 6: unknown category 'chemie'; known are 物理/physical"),
        (row(tags="a"), "line 6: field tags is not a list of texts"),
        (row(human_score="good"), "line 6: field human_score is not a number"),
        (row(after="social-0"), "line 6: fields after and image are both given"),
        (row(image=None, after="social-0", mask="m.png"), "fields after and mask are both given"),
        (row(image=None, after="later"), "line 6: field after: 'later' is the id of no sample abo"),
        (row(image=None, after="new"), "line 6: field after: 'new' is the id of no sample above"),
        (row(image=None, after="social-0"), "line 6: sample new is in category 物理, and the samp"),
    ],
)
def test_a_mistake_in_the_benchmark_file(
    project: Project, monkeypatch: pytest.MonkeyPatch, line: str, sentence: str
) -> None:
    with_line(line)(project.benchmark(five_each()))
    monkeypatch.chdir(project.root)
    with pytest.raises(UserError) as caught:
        imported()
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def imported(strict: bool = False, categories: Sequence[str] = tuple(CATEGORIES)) -> list[Sample]:
    path, results = Path("data/benchmark.jsonl"), Path("results")
    benchmark = Import(path, "jsonl", "en", categories, strict=strict)
    return prepare(benchmark, results / "sources", results)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (row(image=None), "line 6: field image is missing"),
        (row(image="gone.png"), "line 6: image data/gone.png does not exist"),
        (row(image="."), "line 6: image data cannot be read (Is a directory)"),
        (row(image="pipe.png"), "line 6: image data/pipe.png is not a file"),
        (row(image="broken.png"), "line 6: sample new: the image is broken"),
        (row(image="text.png"), "line 6: sample new: not an image in a known format"),
        (row(image="x" * 300), "xxx cannot be read (File name too long)"),
        (row(image="data:image/png;base64,%"), "line 6: field image is not base64"),
    ],
)
def test_an_image_that_cannot_be_read_is_skipped_or_refused_if_strict(
    project: Project, monkeypatch: pytest.MonkeyPatch, line: str, sentence: str
) -> None:
    path = project.benchmark(five_each())
    whole = (project.root / "data/physical-0.png").read_bytes()
    (project.root / "data/broken.png").write_bytes(whole[: len(whole) // 2])
    (project.root / "data/text.png").write_text("<svg/>")
    os.mkfifo(project.root / "data/pipe.png")
    with_line(line)(path)
    monkeypatch.chdir(project.root)
    samples = imported()
    assert [sample.problem for sample in samples[:-1]] == [""] * 5
    assert sentence in samples[-1].problem
    assert samples[-1].source == samples[-1].source_sha256 == ""
    with pytest.raises(UserError) as caught:
        imported(strict=True)
    assert str(caught.value) == samples[-1].problem
    path.write_text(line + "\n")
    with pytest.raises(UserError, match="not one of 1 source images can be read; the first: "):
        imported()


def test_a_disk_that_fails_is_no_samples_failure(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.benchmark(five_each())
    monkeypatch.chdir(project.root)

    whole = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path.name == "causal-0.png":
            raise OSError(errno.EIO, "Input/output error")
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    with pytest.raises(UserError, match=r"jsonl, line 4: image .* read .Input/output error"):
        imported()


def test_a_mistake_in_the_benchmark_file_stops_the_run(project: Project) -> None:
    with_line(row(id="../../etc/x"))(project.benchmark(five_each()))
    project.configure()
    refused(project, "error: data/benchmark.jsonl, line 6: id '../../etc/x' holds '/'")


def test_a_category_of_the_config_that_no_sample_has(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.benchmark(five_each())
    monkeypatch.chdir(project.root)
    sentence = "no sample has the category phisical that benchmark.categories asks for"
    with pytest.raises(UserError, match=sentence):
        imported(categories=["social", "phisical"])


def test_a_gpu_that_is_not_there(project: Project) -> None:
    project.benchmark(five_each())
    project.configure(device_ids=[0, 97])
    refused(project, "config: device_ids: GPU", "97 is not there")


def test_no_gpu_granted(project: Project) -> None:
    project.benchmark(five_each())
    project.configure()
    refused(project, "--resources gpu=0 means no limit", arguments=("--resources", "gpu=0"))


def test_a_half_downloaded_checkpoint(project: Project) -> None:
    folder = project.root / "model"
    (folder / "transformer").mkdir(parents=True)
    (folder / "model_index.json").write_text('{"_class_name": "X", "vae": ["diffusers", "V"]}')
    project.benchmark(five_each())
    project.configure(models={"m": {"editor": "diffusers", "checkpoint": "./model"}})
    refused(project, "config: models.m: checkpoint model is incomplete: vae/ is missing")


def test_a_class_that_is_not_there(project: Project) -> None:
    project.benchmark(five_each())
    project.configure(models={"m": {"editor": "class_path", "class_path": "toys.Nobody"}})
    output = project.snakemake("--configfile", "config/test.yaml", code=1).stdout
    assert "config: class_path toys.Nobody: toys has no class Nobody." in output

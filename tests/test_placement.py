"""A model that is placed over several devices has so many, end to end."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import Project
from edit_benchmark.checkpoints import reading
from edit_benchmark.checkpoints.prefetch import Prefetch
from edit_benchmark.config.editors import OwnEditorSettings
from edit_benchmark.editing import placement
from edit_benchmark.editing.registry import KINDS
from edit_benchmark.errors import UserError
from runs import SLOW, one_category
from test_editors import settings

GIB = 2**30
# Gibibytes of FLUX.2 [dev] in bfloat16.
FLUX2 = {"transformer": 60 * GIB, "vae": GIB // 4, "text_encoder": 45 * GIB, "tokenizer": 0}


def test_a_text_encoder_goes_where_the_transformer_is_not() -> None:
    movable = ["text_encoder", "tokenizer"]
    found = placement.plan(FLUX2, movable, [79 * GIB, 79 * GIB], "flux")
    assert found == {"transformer": 0, "vae": 0, "text_encoder": 1, "tokenizer": 1}
    # Three encoders, the largest first, each where most room is left.
    sizes = {"unet": 20, "one": 30, "two": 25, "three": 10}
    found = placement.plan(sizes, ["three", "two", "one"], [50, 50], "other")
    assert found == {"unet": 0, "one": 1, "two": 0, "three": 1}


@pytest.mark.parametrize(("free", "problem"), [
    ([50, 79], "its 2 GPUs: transformer, vae need 60.2 GiB on one of them, where 50.0 GiB"),
    ([79, 40], "its 2 GPUs: text_encoder needs 45.0 GiB on one of them, where 40.0 GiB"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_and_not_left_on_the_host(
    free: Sequence[int], problem: str
) -> None:
    with pytest.raises(UserError, match=rf"checkpoint flux does not fit on {problem} are free"):
        placement.plan(FLUX2, ["text_encoder"], [room * GIB for room in free], "flux")


def test_weights_are_read_onto_the_device_of_their_component(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / "transformer", tmp_path / "text_encoder"]
    for folder in folders:
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        header = json.dumps({"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}).encode()
        (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    read: dict[str, str] = {}

    def note(files: Sequence[Path], device: str) -> dict[str, torch.Tensor]:
        read[files[0].parent.name] = device
        return {}

    monkeypatch.setattr(reading, "read", note)
    chosen = settings(tmp_path, gpu=2)
    Prefetch(folders, chosen, "cuda", {folders[1]: "cuda:1"})._reader.join()
    assert read == {"transformer": "cuda", "text_encoder": "cuda:1"}


class Made:
    """Stands for a tensor that a component elsewhere returns, and says where it was sent."""

    def __init__(self) -> None:
        self.sent: list[torch.device] = []

    def to(self, device: torch.device, **_: Any) -> Made:
        self.sent.append(torch.device(device))
        return self


class Encoder(torch.nn.Module):
    """Has its weights where no tensor of the pipeline is, and says where it was given its input."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2, device="meta"))
        self.given: list[str] = []

    def forward(self, ids: torch.Tensor, *, mask: torch.Tensor) -> Made:
        self.given += [ids.device.type, mask.device.type]
        return Made()


class Pipeline:
    """Asks its first component where it works, as pipelines of diffusers do."""

    def __init__(self) -> None:
        self.text_encoder = Encoder()
        self.transformer = torch.nn.Linear(2, 2)
        self.components = {"text_encoder": self.text_encoder, "transformer": self.transformer}

    @property
    def _execution_device(self) -> torch.device:
        return self.text_encoder.weight.device


def test_tensors_travel_to_a_component_elsewhere_and_back() -> None:
    pipeline: Any = Pipeline()
    placement.join(pipeline, "cpu")
    assert pipeline._execution_device == torch.device("cpu")
    made = pipeline.text_encoder(torch.zeros(1), mask=torch.zeros(1))
    assert pipeline.text_encoder.given == ["meta", "meta"]
    assert made.sent == [torch.device("cpu")]
    assert pipeline.transformer(torch.ones(2)).device.type == "cpu"
    assert type(pipeline).__name__ == "Pipeline"


def test_a_class_of_ones_own_may_make_other_images_on_two_devices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent / "plugins")
    fields = [
        KINDS["class_path"].key_fields(
            OwnEditorSettings(editor="class_path", class_path="toys.Painter", gpu=gpu), None
        )
        for gpu in (1, 2)
    ]
    assert fields[1] == fields[0] | {"gpu": 2}


# ----- Through the workflow -----

WIDE = SLOW | {"gpu": 2}


def test_a_model_on_two_devices_has_both_of_them_alone(project: Project) -> None:
    one_category(project, 4, shards=2, models={"wide": WIDE, "painter": SLOW})
    project.run()
    # Loaded once over both; the other one on each of them.
    assert len(project.calls("load")) <= 3
    spans = [span for model in ("wide", "painter") for span in edited(project, model)]
    assert {len(devices) for devices, *_ in spans} == {1, 2}
    for devices, began, ended in spans:
        for others, start, end in spans:
            if (devices, began) != (others, start) and devices & others:
                assert ended <= start or end <= began
    assert {row.status for row in project.edits("physical", "wide").values()} == {"edited"}


def edited(project: Project, model: str) -> list[tuple[frozenset[str], str, str]]:
    """The devices of each job of a model, and the times of its first and last picture."""
    spans = []
    for path in (project.root / "results/logs/edit" / model).rglob("*.log"):
        log = path.read_text(encoding="utf-8")
        found = re.search(r"INFO device (.*)", log)
        times = re.findall(r"^(\S+ \S+) INFO sample \S+ edited", log, re.MULTILINE)
        assert found
        spans.append((frozenset(found[1].split(" and ")), times[0], times[-1]))
    return spans


@pytest.mark.parametrize(("change", "arguments", "problem"), [
    ({"models": {"wide": WIDE | {"gpu": 3}}}, (),
     r"models\.wide\.gpu: 3 devices for a model, and device_ids names 2"),
    ({"models": {"wide": WIDE}}, ("--resources", "gpu=1"), r"gpu=1 is too few: .* over 2 devices"),
])  # fmt: skip
def test_too_few_devices_are_refused_before_anything_runs(
    project: Project, change: dict[str, Any], arguments: Sequence[str], problem: str
) -> None:
    one_category(project, 1, **change)
    output = project.snakemake("--configfile", "config/test.yaml", *arguments, code=1).stdout
    assert re.search(problem, output), output
    assert "Traceback" not in output

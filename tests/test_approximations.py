"""The opt-in approximations: what they change and who says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file, save_file

import report_fixtures as fixtures
from conftest import draw
from demo.models import save_edit_pipeline
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.editing import registry
from edit_benchmark.editing.diffusers_pipeline import DiffusersEditor
from edit_benchmark.editing.float8 import Float8Linear
from edit_benchmark.errors import UserError
from edit_benchmark.report.inputs import Sources, load
from edit_benchmark.report.write import write_report
from test_editors import settings


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "edit"
    save_edit_pipeline(path, "edit")
    return path


@pytest.fixture(scope="module")
def adapter(checkpoint: Path) -> Path:
    """A LoRA of random weights for the tiny transformer."""
    transformer = diffusers.QwenImageTransformer2DModel.from_pretrained(checkpoint / "transformer")
    torch.manual_seed(5)
    targets = ["to_q", "to_v", "img_mlp.net.2"]
    transformer.add_adapter(peft.LoraConfig(r=4, target_modules=targets, init_lora_weights=False))
    layers = peft.get_peft_model_state_dict(transformer)
    folder = checkpoint.parent / "adapter"
    diffusers.QwenImageEditPipeline.save_lora_weights(folder, layers)
    return next(folder.glob("*.safetensors"))


def edited(path: Path, **changes: Any) -> tuple[DiffusersEditor, np.ndarray]:
    chosen = settings(path, **changes)
    editor = registry.build(chosen, resolve(chosen, "models.m"), "cpu")
    assert isinstance(editor, DiffusersEditor)
    return editor, np.asarray(editor.edit(draw("a"), "make it red", 1))


@pytest.fixture(scope="module")
def exact(checkpoint: Path) -> np.ndarray:
    return edited(checkpoint)[1]


def test_a_float8_layer_is_near_the_exact_one() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(256, 64)
    tokens = torch.randn(3, 50, 256) * torch.logspace(-3, 3, 50)[:, None]
    with torch.no_grad():
        expected, output = layer(tokens), Float8Linear(layer)(tokens)
    # e4m3 has 3 bits behind the point: a relative error of up to 1/16 each, 0.026 on average.
    error = ((output - expected).norm(dim=-1) / expected.norm(dim=-1)).max()
    assert 0.001 < error < 0.06


def test_fp8_makes_another_image_and_leaves_modulation_alone(
    checkpoint: Path, exact: np.ndarray
) -> None:
    editor, image = edited(checkpoint, fp8=True)
    block = editor.pipeline.transformer.transformer_blocks[0]
    assert isinstance(block.attn.to_q, Float8Linear)
    assert isinstance(block.img_mlp.net[2], Float8Linear)
    assert not any(isinstance(layer, Float8Linear) for layer in block.img_mod.modules())
    assert not np.array_equal(image, exact)
    assert np.abs(image.astype(int) - exact).mean() < 20


def test_a_lora_changes_the_image_by_its_scale(
    checkpoint: Path, adapter: Path, exact: np.ndarray
) -> None:
    editor, image = edited(checkpoint, lora={"path": str(adapter)})
    _, none = edited(checkpoint, lora={"path": str(adapter), "scale": 0.0})
    assert not np.array_equal(image, exact)
    assert np.array_equal(none, exact)
    # Fused: nothing is left of the adapter that would cost time.
    assert type(editor.pipeline.transformer.transformer_blocks[0].attn.to_q) is torch.nn.Linear


def test_a_lora_brings_its_schedule(checkpoint: Path, adapter: Path) -> None:
    lora = {"path": str(adapter), "scheduler": {"shift_terminal": None}}
    editor, _ = edited(checkpoint, lora=lora)
    assert editor.pipeline.scheduler.config.shift_terminal is None


def test_a_file_that_is_no_adapter_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"something.lora_A.weight": torch.zeros(4, 4)}, path)
    with pytest.raises(UserError, match=r"lora: .* does not fit the pipeline QwenImage"):
        edited(checkpoint, lora={"path": str(path)})


def test_a_block_cache_skips_blocks_and_forgets_between_images(
    checkpoint: Path, exact: np.ndarray
) -> None:
    editor, image = edited(checkpoint, block_cache=1e9, num_inference_steps=4)
    forwards = {0: 0, 1: 0}
    for number, block in enumerate(editor.pipeline.transformer.transformer_blocks):

        def count(*_: Any, number: int = number) -> None:
            forwards[number] += 1

        block.attn.to_out[0].register_forward_pre_hook(count)
    again = np.asarray(editor.edit(draw("a"), "make it red", 1))
    assert forwards == {0: 8, 1: 2}  # the first step with and without the instruction
    assert np.array_equal(again, image)
    _, never = edited(checkpoint, block_cache=1e-9)
    assert np.array_equal(never, exact)


def test_a_lora_of_which_a_part_fits_nowhere_is_refused(
    checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    layers = load_file(adapter)
    strange = {
        key.replace("transformer_blocks.0.", "transformer_blocks.70."): tensor.clone()
        for key, tensor in layers.items()
        if "transformer_blocks.0." in key
    }
    save_file(layers | strange, tmp_path / "half.safetensors")
    with pytest.raises(UserError, match=r"layers are not in it: .*transformer_blocks\.70\."):
        edited(checkpoint, lora={"path": str(tmp_path / "half.safetensors")})


def named(form: str) -> Callable[[str], str]:
    """How a program names the tensor of an adapter that diffusers names ``transformer.LAYER``."""

    def rename(name: str) -> str:
        layer, _, tensor = name.removeprefix("transformer.").partition(".lora_")
        side = tensor[0]
        kohya = {"A": "down", "B": "up"}[side]
        return form.format(layer=layer, flat=layer.replace(".", "_"), side=side, kohya=kohya)

    return rename


@pytest.fixture(scope="module")
def adapted(checkpoint: Path, adapter: Path) -> np.ndarray:
    return edited(checkpoint, lora={"path": str(adapter)})[1]


@pytest.mark.parametrize("form", [
    "diffusion_model.{layer}.lora_{side}.weight",
    "transformer.{layer}.lora_{side}.default.weight",
    "base_model.model.{layer}.lora_{side}.default.weight",
    "lora_unet_{flat}.lora_{kohya}.weight",
    "transformer.{layer}.lora_{kohya}.weight",
])  # fmt: skip
def test_a_lora_is_the_same_however_its_layers_are_named(
    checkpoint: Path, adapter: Path, adapted: np.ndarray, tmp_path: Path, form: str
) -> None:
    rename = named(form)
    layers = {rename(name): tensor.clone() for name, tensor in load_file(adapter).items()}
    assert len(layers) == 12
    # A rank of 4, so that the scale of these alphas is 1.
    alphas = {name.partition(".lora_")[0] + ".alpha": torch.tensor(4.0) for name in layers}
    path = tmp_path / "renamed.safetensors"
    save_file(layers | (alphas if "kohya" in form else {}), path)
    assert np.array_equal(edited(checkpoint, lora={"path": str(path)})[1], adapted)


def test_a_lora_with_anything_that_matches_nothing_is_refused_before_a_device_is_taken(
    checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    layers = load_file(adapter)
    path = tmp_path / "a.safetensors"
    chosen = settings(checkpoint, lora={"path": str(path)})
    for strange in (
        "transformer.transformer_blocks.70.attn.to_q.lora_A.weight",
        "diffusion_model.img_inn.lora_down.weight",
        "transformer.transformer_blocks.0.attn.to_q.dora_scale",
    ):
        save_file(layers | {strange: torch.zeros(4, 4)}, path)
        shown = strange.partition(".lora_")[0].removeprefix("transformer.")
        with pytest.raises(UserError, match=rf"1 of its layers are not in it: .*{shown}"):
            resolve(chosen, "models.m")
    # Of another model: told by its pipeline's class, which knows more ways of naming.
    other = {name.replace("transformer_blocks", "double"): x for name, x in layers.items()}
    save_file({name: tensor.clone() for name, tensor in other.items()}, path)
    with pytest.raises(UserError, match=r"6 of its layers are not in it: double\.0"):
        resolve(chosen, "models.m")


def test_a_lora_that_is_cut_off_or_none_is_refused_before_a_device_is_taken(
    checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    chosen = settings(checkpoint, lora={"path": str(path)})
    path.write_bytes(adapter.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"lora.path .* is incomplete: a.safetensors has "):
        resolve(chosen, "models.m")
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="holds no tensor of a LoRA"):
        resolve(chosen, "models.m")


def test_each_approximation_is_another_edit(checkpoint: Path, adapter: Path) -> None:
    def key(**changes: Any) -> str:
        chosen = settings(checkpoint, **changes)
        resolved = resolve(chosen, "models.m")
        fields = registry.KINDS["diffusers"].key_fields(chosen, resolved)
        return json.dumps(fields, sort_keys=True)

    off = key()
    assert "fp8" not in off  # an edit without is the edit that it was before there were any
    lora = {"path": str(adapter)}
    keys = [off, key(fp8=True), key(block_cache=0.1), key(block_cache=0.2), key(lora=lora)]
    assert len(set(keys)) == len(keys)
    copy = adapter.with_name("copy.safetensors")
    copy.write_bytes(adapter.read_bytes())
    assert key(lora={"path": str(copy)}) == key(lora=lora)


def test_every_table_names_them(tmp_path: Path) -> None:
    inputs = fixtures.synthesise(tmp_path / "results", ("alpha", "beta"), ("judge",), each=2)
    scores = [
        replace(row, approximations=["lora", "fp8"]) if row.model == "alpha" else row
        for row in inputs.scores
    ]
    paths = fixtures.write(replace(inputs, scores=scores))
    results = inputs.results
    sources = Sources(results / "benchmark/samples.jsonl", paths, results, run=results / "run.json")
    write_report(load(sources), tmp_path / "report", [], "en")
    for name in ("scores", "summary", "breakdown", "comparison", "ranks", "timings"):
        text = (tmp_path / "report" / f"{name}.csv").read_text(encoding="utf-8")
        assert "alpha+lora+fp8" in text, name
        assert "alpha," not in text, name
    for name in ("summary.md", "summary.tex", "summary.json", "index.html"):
        assert "alpha+lora+fp8" in (tmp_path / "report" / name).read_text(encoding="utf-8"), name

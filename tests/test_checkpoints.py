"""A checkpoint that is not whole is refused by one sentence, before a device is taken."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from edit_benchmark.checkpoints import record
from edit_benchmark.checkpoints.resolve import resolve, weights_size, weights_state
from edit_benchmark.config.editors import DiffusersEditorSettings
from edit_benchmark.config.judges import TransformersJudgeSettings
from edit_benchmark.editing.registry import KINDS
from edit_benchmark.errors import UserError

Spoil = Callable[[Path], object]

INDEX = {
    "_class_name": "AnyPipeline",
    "transformer": ["diffusers", "AnyTransformer"],
    "text_encoder": ["transformers", "AnyEncoder"],
    "tokenizer": ["transformers", "AnyTokenizer"],
    "extra": [None, None],
}
WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"
SHARDS = "text_encoder/model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pipeline without meaning, and whole as far as its files tell."""
    for name in ("transformer", "text_encoder", "tokenizer"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "model_index.json").write_text(json.dumps(INDEX))
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{}")
    (tmp_path / "README.md").symlink_to("gone.md")
    save_file({"a": np.zeros(4, np.float32)}, tmp_path / WEIGHTS)
    for number in (1, 2):
        shard = tmp_path / "text_encoder" / f"model-{number}.safetensors"
        save_file({f"b{number}": np.zeros(4, np.float32)}, shard)
    places = {"b1": "model-1.safetensors", "b2": "model-2.safetensors"}
    (tmp_path / SHARDS).write_text(json.dumps({"weight_map": places}))
    return tmp_path


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        resolve(DiffusersEditorSettings(editor="diffusers", checkpoint=str(folder)), "models.m")
    text = str(caught.value)
    assert text.startswith(f"config: models.m: checkpoint {folder}")
    assert text.endswith(".")
    return text


def test_a_whole_checkpoint_is_taken(folder: Path) -> None:
    found = resolve(DiffusersEditorSettings(editor="diffusers", checkpoint=str(folder)), "m")
    assert found is not None
    assert (found.pipeline, found.weight_bytes) == ("AnyPipeline", 24)


def test_a_file_whose_name_is_no_utf8_counts_as_any_other(folder: Path) -> None:
    settings = DiffusersEditorSettings(editor="diffusers", checkpoint=str(folder))
    before, state = resolve(settings, "m"), weights_state(settings)
    (folder / os.fsdecode(b"notes-\xff.txt")).write_text("x")
    after = resolve(settings, "m")
    assert before is not None
    assert after is not None
    assert weights_state(settings) != state
    assert after.fingerprint != before.fingerprint
    assert after.content_sha256 != before.content_sha256


JSON = ["model_index.json", SHARDS, "transformer/config.json", "tokenizer/tokenizer.json"]


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize(
    ("content", "problem"),
    [("", "is empty"), ('{"a": [1,', "is no JSON"), ("[]", "holds a list"), ("3", "holds a int"),
     (b"\xff\xfe{}", "is no JSON"), ("[" * 100_000, "is no JSON")],
)  # fmt: skip
def test_a_broken_file_of_settings_is_named(
    folder: Path, name: str, content: str | bytes, problem: str
) -> None:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    assert f"is incomplete: {name} {problem}" in refusal(folder)


@pytest.mark.parametrize("name", [*JSON[1:], WEIGHTS])
def test_a_folder_or_a_dangling_link_in_place_of_a_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to("gone")
    assert f"is incomplete: {name} is a link to nothing" in refusal(folder)
    (folder / name).unlink()
    (folder / name).mkdir()
    assert f"is incomplete: {name} is a folder" in refusal(folder)


def rename(old: str, new: str) -> Spoil:
    return lambda folder: (folder / old).rename(folder / new)


def resize(change: int) -> Spoil:
    return lambda folder: os.truncate(folder / WEIGHTS, (folder / WEIGHTS).stat().st_size + change)


def write(name: str, content: object) -> Spoil:
    return lambda folder: (folder / name).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (write("model_index.json", INDEX | {"vae": []}), "names no class of vae"),
        (write("model_index.json", {"_class_name": None}), "names no pipeline"),
        (write("model_index.json", INDEX | {"vae": ["diffusers", "V"]}), "vae/ is missing"),
        (write(SHARDS, {"weight_map": []}), "has no weight_map"),
        (write(SHARDS, {"weight_map": {"c": "model-2.safetensors"}}), "2.safetensors lacks c"),
        (write(SHARDS, {"weight_map": {"c": 3}}), "text_encoder/3 is missing"),
        (rename(WEIGHTS, "transformer/diffusion_pytorch_model.fp16.safetensors"),
         "transformer/ has its weights only as a variant or under another name, "
         "diffusion_pytorch_model.fp16.safetensors"),
        (rename(WEIGHTS, "transformer/any-Q4.gguf"), "only in GGUF, any-Q4.gguf"),
        (lambda folder: (folder / WEIGHTS).unlink(), "transformer/ has no weights"),
        (rename(WEIGHTS, "any-Q4.gguf"), "has no weights but any-Q4.gguf, which is GGUF"),
        (rename("tokenizer/tokenizer.json", "tokenizer/notes.txt"),
         "tokenizer/ has no vocabulary of its tokenizer"),
        (rename("transformer/config.json", "transformer/notes.txt"), "transformer/ has no setting"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b""), "is no safetensors file"),
        (resize(-1), "diffusion_pytorch_model.safetensors has 79 of 80 bytes"),
        (resize(1), "diffusion_pytorch_model.safetensors has 81 of 80 bytes"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"\2" + b"\0" * 7 + b"[]"),
         "is no safetensors file"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"\7" + b"\0" * 7 + b'{"a":3}'),
         "is no safetensors file"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_checkpoint_is_said(folder: Path, spoil: Spoil, problem: str) -> None:
    spoil(folder)
    assert problem in refusal(folder)


def test_a_file_that_the_disk_does_not_give_is_no_traceback(folder: Path) -> None:
    (folder / "merges.txt").symlink_to("/proc/self/mem")  # whose first bytes nobody can read
    assert "cannot be read (Input/output error); mend it" in refusal(folder)


def test_a_checkpoint_of_another_kind_is_refused(folder: Path) -> None:
    settings = TransformersJudgeSettings(judge="transformers", checkpoint=str(folder))
    with pytest.raises(UserError, match=r"has no config\.json"):
        resolve(settings, "judges.j")
    (folder / "config.json").write_text("{}")
    (folder / "model_index.json").unlink()
    assert "has no model_index.json" in refusal(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"name": "x"}'])
def test_a_broken_record_of_a_checkpoint_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"m\.json: not the record of a checkpoint"):
        record.read(path)


def test_weights_that_were_cut_off_after_the_run_began_are_refused(folder: Path) -> None:
    found = resolve(DiffusersEditorSettings(editor="diffusers", checkpoint=str(folder)), "m")
    assert found is not None
    (folder / WEIGHTS).write_bytes(b"")
    with pytest.raises(UserError, match="changed after this run began"):
        record.check_unchanged(found, "m.json")


# ----- Only what is loaded counts -----

FP16 = "transformer/diffusion_pytorch_model.fp16.safetensors"
NOT_LOADED = [
    "flux-dev.safetensors", "transformer/consolidated.safetensors", FP16, "old/model.safetensors",
    "transformer/flux-Q4.gguf",
]  # fmt: skip


def edit_settings(folder: Path, **changes: Any) -> DiffusersEditorSettings:
    return DiffusersEditorSettings(editor="diffusers", checkpoint=str(folder), **changes)


@pytest.mark.parametrize("name", NOT_LOADED)
def test_weights_that_are_not_loaded_are_neither_counted_nor_asked_for(
    folder: Path, name: str
) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    before = weights_size(edit_settings(folder))
    save_file({"x": np.zeros(1000, np.float32)}, folder / name)
    found = resolve(edit_settings(folder), "models.m")
    assert found is not None
    assert found.weight_bytes == 24
    assert weights_size(edit_settings(folder)) == before
    (folder / name).write_bytes(b"cut off")  # its download goes on, or broke off
    assert resolve(edit_settings(folder), "models.m") is not None
    (folder / name).unlink()
    (folder / name).symlink_to("gone")
    assert resolve(edit_settings(folder), "models.m") is not None


def test_a_variant_is_chosen_by_its_key_and_determines_edits(folder: Path) -> None:
    save_file({"a": np.zeros(6, np.float16)}, folder / FP16)
    plain, fp16 = edit_settings(folder), edit_settings(folder, variant="fp16")
    found = [resolve(settings, "models.m") for settings in (plain, fp16)]
    # The text encoder has no variant.
    assert [one.weight_bytes for one in found if one] == [4 * 2 + 8 * 2, 6 * 2 + 8 * 2]
    fields = [KINDS["diffusers"].key_fields(plain, found[0]),
              KINDS["diffusers"].key_fields(fp16, found[1])]  # fmt: skip
    assert fields[1] == fields[0] | {"variant": "fp16"}
    assert "variant" not in fields[0]  # as before there was such a key
    with pytest.raises(UserError, match="has no weights of the variant bf16"):
        resolve(edit_settings(folder, variant="bf16"), "models.m")
    (folder / WEIGHTS).unlink()
    assert "set variant: fp16, or download" in refusal(folder)
    assert resolve(fp16, "models.m") is not None


@pytest.mark.parametrize("scale", ["a.weight_scale", "a.scale_weight", "scaled_fp8"])
def test_scales_that_would_be_dropped_are_refused_by_name(folder: Path, scale: str) -> None:
    weights = {"a.weight": torch.zeros(4, 4).to(torch.float8_e4m3fn), scale: torch.ones(1)}
    save_torch(weights, folder / WEIGHTS)
    assert f"{WEIGHTS} holds F8_E4M3 weights with scales of their own ({scale})" in refusal(folder)
    quantised = {"quantization_config": {"quant_method": "fp8"}}
    (folder / "transformer" / "config.json").write_text(json.dumps(quantised))
    assert resolve(edit_settings(folder), "models.m") is not None


def test_where_a_model_is_placed_is_in_no_key(folder: Path) -> None:
    found = resolve(edit_settings(folder), "models.m")
    keys = [KINDS["diffusers"].key_fields(edit_settings(folder, gpu=gpu), found) for gpu in (1, 2)]
    assert keys[0] == keys[1]
    assert "gpu" not in keys[0]

"""Weights: read beside the imports, the same as the libraries read them, and whole or refused."""

from __future__ import annotations

import json
import shutil
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import diffusers
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import modeling_utils

from demo.models import save_edit_pipeline, save_judge
from edit_benchmark.checkpoints import loading, reading
from edit_benchmark.checkpoints.prefetch import Prefetch
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.base import ModelSettings
from edit_benchmark.editing import registry
from edit_benchmark.editing.diffusers_pipeline import DiffusersEditor
from edit_benchmark.errors import UserError
from judge_fixtures import load as load_judge
from test_editors import settings as editor_settings

PARTS = {
    "transformer": diffusers.QwenImageTransformer2DModel,
    "text_encoder": transformers.Qwen2_5_VLForConditionalGeneration,
    "vae": diffusers.AutoencoderKLQwenImage,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny")
    save_edit_pipeline(path / "edit", "edit")
    save_judge(path / "judge")
    return path


@pytest.fixture
def edit(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved / "edit", tmp_path / "edit"))


@pytest.fixture
def judge(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved / "judge", tmp_path / "judge"))


def load_editor(folder: Path, dtype: str = "float32") -> DiffusersEditor:
    chosen = editor_settings(folder, dtype=dtype)
    editor = registry.build(chosen, resolve(chosen, "models.m"), "cpu")
    assert isinstance(editor, DiffusersEditor)
    return editor


def assert_equal(loaded: torch.nn.Module, expected: torch.nn.Module, dtype: torch.dtype) -> None:
    ours, theirs = loaded.state_dict(), expected.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[key], value) for key, value in theirs.items())
    assert {value.dtype for value in ours.values()} == {dtype}
    buffers = dict(loaded.named_buffers())  # computed, not stored
    assert all(torch.equal(buffers[key], value) for key, value in expected.named_buffers())
    assert not loaded.training


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose weights were read ahead and used."""
    folders: list[Path] = []
    for name in ("_place_diffusers", "_place_transformers"):
        place = getattr(loading, name)

        def noted(folder: Path, *rest: object, place: Callable[..., object] = place) -> object:
            folders.append(folder)
            return place(folder, *rest)

        monkeypatch.setattr(loading, name, noted)
    return folders


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("sharded", [False, True])
def test_the_editor_has_the_weights_that_the_libraries_read(
    edit: Path, dtype: str, sharded: bool, placed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIECE", 1000)  # tensors of many pieces, the last one short
    wanted, references = getattr(torch, dtype), {}
    for name, kind in PARTS.items():
        model = kind.from_pretrained(edit / name, dtype=wanted)
        for file in (edit / name).glob("*.safetensors"):
            file.unlink()
        model.save_pretrained(edit / name, max_shard_size="50KB" if sharded else "1GB")
        assert (len(list((edit / name).glob("*.safetensors"))) > 1) == sharded
        references[name] = kind.from_pretrained(edit / name, dtype=wanted)
    pipeline = load_editor(edit, dtype).pipeline
    assert {path.name for path in placed} == {"transformer", "text_encoder"}
    for name, reference in references.items():
        assert_equal(getattr(pipeline, name), reference, wanted)


@pytest.mark.parametrize("sharded", [False, True])
def test_the_judge_is_the_model_that_transformers_reads(
    judge: Path, sharded: bool, placed: list[Path]
) -> None:
    kind = transformers.AutoModelForImageTextToText
    reference = kind.from_pretrained(judge)
    if sharded:
        (judge / "model.safetensors").unlink()
        reference.save_pretrained(judge, max_shard_size="100KB")
    model = load_judge(judge).model
    assert placed == [judge]
    assert type(model) is type(reference)
    assert_equal(model, reference, torch.float32)
    assert model.generation_config.to_dict() == reference.generation_config.to_dict()


def test_loading_takes_no_second_copy_of_a_models_memory(
    judge: Path, placed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def allocate(*_: object) -> None:
        pytest.fail("as much as the weights take, beside the weights that are there")

    monkeypatch.setattr(modeling_utils, "caching_allocator_warmup", allocate)
    # What stands for a GPU here: transformers is given a map of devices, as it is for one.
    monkeypatch.setattr(loading, "device_map", lambda device: device)
    load_judge(judge)
    assert placed == [judge]
    assert modeling_utils.caching_allocator_warmup is allocate


def test_tied_weights_are_one_tensor(edit: Path) -> None:
    path = edit / "text_encoder" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = True
    path.write_text(json.dumps(config), encoding="utf-8")
    drop(edit / "text_encoder", "lm_head.weight")
    encoder = load_editor(edit).pipeline.text_encoder
    assert encoder.lm_head.weight is encoder.get_input_embeddings().weight


def test_weights_in_another_dtype_are_left_to_the_libraries(
    saved: Path, placed: list[Path]
) -> None:
    assert load_editor(saved / "edit", "bfloat16").pipeline.transformer.dtype == torch.bfloat16
    assert load_judge(saved / "judge", dtype="bfloat16").model.dtype == torch.bfloat16
    assert placed == []


def test_what_was_read_in_vain_is_gone_before_it_is_read_again(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model of 40 GB would not be on its device twice."""
    read, kind = reading.read, diffusers.QwenImageTransformer2DModel
    seen: list[weakref.ref[torch.Tensor]] = []

    def noted(files: Sequence[Path], device: str) -> dict[str, torch.Tensor]:
        state = read(files, device)
        if "transformer" in str(files[0]):
            seen.extend(map(weakref.ref, state.values()))
        else:
            time.sleep(0.5)  # the reader is still at work when the first model is loaded
        return state

    def from_pretrained(*arguments: object, **named: object) -> object:
        assert seen
        assert all(tensor() is None for tensor in seen)
        return usual(*arguments, **named)

    usual = kind.from_pretrained
    monkeypatch.setattr(reading, "read", noted)
    monkeypatch.setattr(kind, "from_pretrained", from_pretrained)
    monkeypatch.setattr(kind, "_keep_in_fp32_modules", ["norm_out"])  # only diffusers knows how
    folders = [saved / "edit" / name for name in ("transformer", "text_encoder")]
    Prefetch(folders, ModelSettings(dtype="float32"), "cpu").load(folders[0], kind)


def drop(folder: Path, key: str) -> None:
    """Take a tensor out of a model's weights."""
    (file,) = folder.glob("*.safetensors")
    state = load_file(file)
    state.pop(next(name for name in state if name.endswith(key)))
    save_file(state, file, {"format": "pt"})


def cut(folder: Path, key: str) -> None:
    """Halve a tensor of a model's weights."""
    (file,) = folder.glob("*.safetensors")
    state = load_file(file)
    name = next(name for name in state if name.endswith(key))
    state[name] = state[name][: len(state[name]) // 2].contiguous()
    save_file(state, file, {"format": "pt"})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])  # read by us, and by the libraries
@pytest.mark.parametrize("spoil", [drop, cut])
@pytest.mark.parametrize(("part", "key"), [
    ("transformer", "img_in.bias"), ("text_encoder", "visual.merger.ln_q.weight"),
    ("vae", "decoder.conv_in.bias"),
])  # fmt: skip
def test_an_editor_without_its_own_weights_is_refused(
    edit: Path, part: str, key: str, spoil: Callable[[Path, str], None], dtype: str
) -> None:
    spoil(edit / part, key)
    with pytest.raises(UserError, match=rf"{part}: the weights do not fit its config.json .*{key}"):
        load_editor(edit, dtype)


def add(folder: Path, key: str) -> None:
    """Add a tensor that no layer of the model has."""
    (file,) = folder.glob("*.safetensors")
    save_file(load_file(file) | {key: torch.zeros(2)}, file, {"format": "pt"})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("part", ["transformer", "text_encoder", "vae"])
def test_an_editor_with_weights_that_its_config_does_not_know_is_refused(
    edit: Path, part: str, dtype: str
) -> None:
    """Its config.json describes fewer layers than were trained."""
    add(edit / part, "blocks.99.weight")
    with pytest.raises(UserError, match=rf"{part}: .*not in the model: blocks\.99\.weight"):
        load_editor(edit, dtype)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_judge_with_weights_that_its_config_does_not_know_is_refused(
    judge: Path, dtype: str
) -> None:
    add(judge, "rotary_emb.inv_freq")  # computed, and in old checkpoints
    load_judge(judge, dtype=dtype)
    add(judge, "model.layers.99.weight")
    with pytest.raises(UserError, match=r"not in the model: model\.layers\.99\.weight"):
        load_judge(judge, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("spoil", [drop, cut])
def test_a_judge_without_its_own_weights_is_refused(
    judge: Path, spoil: Callable[[Path, str], None], dtype: str
) -> None:
    key = "visual.merger.norm.weight"
    spoil(judge, key)
    with pytest.raises(UserError, match=rf"the weights do not fit its config.json .*{key}"):
        load_judge(judge, dtype=dtype)


class _Quantised(torch.nn.Module):
    """Stands for a quantised model, which takes a GPU: its loading says what it calls missing."""

    @classmethod
    def from_pretrained(cls, *_: object, **__: object) -> tuple[_Quantised, dict[str, list[str]]]:
        return cls(), {
            "missing_keys": ["layer.weight"], "mismatched_keys": [],
            "unexpected_keys": ["layer.scale"],
        }  # fmt: skip


def test_what_a_quantiser_calls_missing_or_left_over_is_only_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = tmp_path / "config.json"
    prefetch = Prefetch([tmp_path], ModelSettings(dtype="float32"), "cpu")
    config.write_text('{"quantization_config": {"quant_method": "fp8"}}', encoding="utf-8")
    assert isinstance(prefetch.load(tmp_path, _Quantised), _Quantised)
    assert "missing: layer.weight" in caplog.text
    assert "not in the model: layer.scale" in caplog.text
    config.write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"missing: layer\.weight"):
        prefetch.load(tmp_path, _Quantised)

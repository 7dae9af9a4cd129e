"""The accelerations change how fast a transformer is, never what it computes."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from edit_benchmark.editing.acceleration import modulation_cache
from edit_benchmark.editing.acceleration.apply import apply_accelerations
from edit_benchmark.editing.acceleration.compilation import compile_cache_dir, warm_up
from edit_benchmark.editing.acceleration.modulation_cache import CachedModulation, cache_modulation
from edit_benchmark.errors import UserError
from qwen_transformer import inputs, transformer

KINDS = [(dtype, zero) for dtype in (torch.float32, torch.bfloat16) for zero in (False, True)]


@torch.no_grad()
def outputs(model: Any, dtype: torch.dtype) -> list[torch.Tensor]:
    """Pairs of two text lengths at three steps, of which the first comes again."""
    return [
        model(**inputs(dtype, text, step))[0] for step in (0.75, 0.25, 0.75) for text in (3, 9, 4)
    ]


@pytest.mark.parametrize(("dtype", "zero_cond_t"), KINDS)
def test_bitwise_accelerations_leave_every_bit(dtype: torch.dtype, zero_cond_t: bool) -> None:
    expected = outputs(transformer(zero_cond_t, dtype), dtype)
    model = transformer(zero_cond_t, dtype)
    names = apply_accelerations(SimpleNamespace(transformer=model), "bitwise")
    assert names == ["modulation_cache"]
    assert all(map(torch.equal, outputs(model, dtype), expected))


@torch.no_grad()
@pytest.mark.parametrize(("cached", "computed"), [(256, 2), (1, 3)])
def test_modulation_is_computed_once_for_each_time_step_that_is_kept(
    cached: int, computed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modulation_cache, "MAX_CACHED_STEPS", cached)
    model = transformer(False, torch.float32)
    cache_modulation(model)
    calls = []
    compute = CachedModulation.compute

    def counted(layer: Any, temb: torch.Tensor) -> torch.Tensor:
        calls.append(layer)
        return compute(layer, temb)

    monkeypatch.setattr(CachedModulation, "compute", counted)
    outputs(model, torch.float32)
    assert len(calls) == computed * 2 * len(model.transformer_blocks)


@torch.no_grad()
def test_modulation_follows_a_model_that_is_moved_to_another_type() -> None:
    model = transformer(True, torch.float32)
    cache_modulation(model)
    outputs(model, torch.float32)
    model.to(torch.bfloat16)
    expected = outputs(transformer(True, torch.bfloat16), torch.bfloat16)
    assert all(map(torch.equal, outputs(model, torch.bfloat16), expected))


def test_parameters_keep_their_names() -> None:
    model = transformer(False, torch.float32)
    names = set(model.state_dict())
    cache_modulation(model)
    assert set(model.state_dict()) == names


@torch.no_grad()
def test_compiled_blocks_see_the_modulation_of_each_step() -> None:
    expected = outputs(transformer(True, torch.float32), torch.float32)
    model = transformer(True, torch.float32)
    cache_modulation(model)
    # Traced as it is for a GPU, but run without a C compiler's help.
    model.compile_repeated_blocks(fullgraph=True, dynamic=True, backend="eager")
    for output, reference in zip(outputs(model, torch.float32), expected, strict=True):
        torch.testing.assert_close(output, reference, rtol=1e-5, atol=1e-6)


def test_fused_blocks_compute_what_the_reference_computes() -> None:
    """In Triton's interpreter, which must be chosen before anything imports Triton."""
    pytest.importorskip("triton")
    checks = [str(path) for path in sorted(Path(__file__).parent.glob("check_fused_*.py"))]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *checks]
    done = subprocess.run(
        command,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("exact", ["bitwise", "numeric"])
def test_an_unknown_pipeline_on_a_cpu_is_left_as_it_is_and_said_so(
    exact: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert apply_accelerations(SimpleNamespace(transformer=torch.nn.Linear(2, 2)), exact) == []
        assert apply_accelerations(SimpleNamespace(unet=torch.nn.Linear(2, 2)), exact) == []
    assert caplog.text.count("left as it is") == 2


def test_nothing_is_warmed_up_on_a_cpu() -> None:
    model = transformer(False, torch.float32)
    names = apply_accelerations(SimpleNamespace(transformer=model), "numeric")
    assert names == ["modulation_cache"]
    assert warm_up(SimpleNamespace(transformer=model), names, {}) == 0.0
    assert warm_up(SimpleNamespace(), [], {}) == 0.0


class Trial:
    """A pipeline that notes how it is called, and may fail."""

    transformer = None

    def __init__(self, failure: Exception | None = None) -> None:
        self.calls: list[dict[str, Any]] = []
        self.failure = failure

    def __call__(self, **arguments: Any) -> None:
        self.calls.append(arguments)
        if self.failure is not None:
            raise self.failure


def test_compiled_blocks_are_warmed_by_an_edit_of_the_same_image_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    pipeline = Trial()
    for steps in (50, 4):
        arguments = {"num_inference_steps": steps, "guidance_scale": 2.5}
        warm_up(pipeline, ["regional_compile"], arguments)
    first, second = (
        {**call, "generator": call["generator"].initial_seed()} for call in pipeline.calls
    )
    assert first == second
    assert (first["num_inference_steps"], first["guidance_scale"]) == (2, 2.5)


def test_a_machine_that_cannot_compile_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    with pytest.raises(UserError, match=r"no compiler.*install a C compiler.*exact: bitwise"):
        warm_up(Trial(RuntimeError("no compiler\nat all")), ["regional_compile"], {})
    warm_up(Trial(ValueError("a mask is needed")), ["regional_compile"], {})
    assert "a mask is needed" in caplog.text


def test_kernels_are_kept_in_the_users_cache_unless_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)
    path = compile_cache_dir()
    assert path.is_relative_to(tmp_path)
    assert path.is_dir()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(path)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "named"))
    assert compile_cache_dir() == tmp_path / "named"


AUTOENCODERS = {
    "qwen": lambda: diffusers.AutoencoderKLQwenImage(base_dim=8, z_dim=4, num_res_blocks=1),
    "wan": lambda: diffusers.AutoencoderKLWan(base_dim=8, z_dim=4, num_res_blocks=1),
}


@pytest.mark.parametrize("name", AUTOENCODERS)
@pytest.mark.parametrize("frames", [1, 5])
@torch.no_grad()
def test_a_video_autoencoder_makes_the_same_of_an_image_and_of_a_film(
    name: str, frames: int
) -> None:
    torch.manual_seed(0)
    model = AUTOENCODERS[name]().eval()
    film = torch.rand(1, 3, frames, 32, 48) * 2 - 1

    def through() -> list[torch.Tensor]:
        latents = model.encode(film).latent_dist.mode()
        return [latents, model.decode(latents).sample]

    expected = through()
    assert expected[1].shape == film.shape
    assert apply_accelerations(SimpleNamespace(vae=model), "bitwise") == []
    assert all(map(torch.equal, through(), expected))
    with FlopCounterMode(display=False) as before:
        through()
    assert apply_accelerations(SimpleNamespace(vae=model), "numeric") == ["single_frame"]
    with FlopCounterMode(display=False) as after:
        made = through()
    for output, reference in zip(made, expected, strict=True):
        torch.testing.assert_close(output, reference, rtol=1e-4, atol=1e-5)
    if frames == 1:
        assert after.get_total_flops() < 0.5 * before.get_total_flops()

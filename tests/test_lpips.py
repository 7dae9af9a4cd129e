"""LPIPS, with networks of random weights: torchmetrics' own value, from files that run nothing."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torchmetrics.functional.image import lpips

from conftest import draw
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.judges import PixelsJudgeSettings
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging import registry
from edit_benchmark.judging.judge import Answer, Case, Judge
from edit_benchmark.judging.pixels import perceptual
from edit_benchmark.judging.pixels.measures import pixels
from edit_benchmark.judging.variations import rubric_of
from edit_benchmark.records import Sample

SAMPLE = Sample("s", "physical", 0, "paint it red", "", "source hash", 64, 48)
CLASSES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


def network(name: str) -> Any:
    torch.manual_seed(0)
    return getattr(torchvision.models, CLASSES[name])(weights=None)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SqueezeNet, the smallest of the three, as torchvision gives out weights."""
    path = tmp_path_factory.mktemp("weights") / "squeezenet1_1.pth"
    torch.save(network("squeeze").state_dict(), path)
    return path


def settings_of(path: Path, name: str = "squeeze", **changes: Any) -> PixelsJudgeSettings:
    return PixelsJudgeSettings(
        judge="pixels", measures=["lpips"], network=name, checkpoint=str(path), **changes
    )


def judge_of(path: Path, name: str = "squeeze") -> Judge:
    settings = settings_of(path, name)
    return registry.build(settings, resolve(settings, "judges.j"), "cpu")


def answer(judge: Judge, edited: Image.Image, source: Image.Image) -> Answer | SampleError:
    settings = PixelsJudgeSettings(judge="pixels", measures=["l1"])
    (found,) = judge.judge([Case(SAMPLE, source, edited, rubric_of(settings, "physical", "en"))])
    return found


def value(judge: Judge, edited: Image.Image, source: Image.Image) -> float:
    found = answer(judge, edited, source)
    assert isinstance(found, Answer)
    number = found.criteria["lpips"]
    assert number is not None
    return number


@pytest.mark.parametrize("name", CLASSES)
def test_values_are_those_of_torchmetrics(
    name: str, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = network(name)
    monkeypatch.setattr(perceptual, "_tensors", lambda checkpoint: own.state_dict())
    judge = judge_of(weights, name)
    # What torchmetrics would download.
    monkeypatch.setattr(lpips, "_get_tv_model_features", lambda net, pretrained: own.features)
    one, other = draw("one", (80, 64)), draw("another", (80, 64))
    tensors = [torch.from_numpy(2 * pixels(image) - 1)[None].float() for image in (one, other)]
    expected = lpips.learned_perceptual_image_patch_similarity(*tensors, net_type=name)
    assert value(judge, one, other) == pytest.approx(float(expected), rel=1e-5)
    assert expected > 1e-4
    assert value(judge, one, one.copy()) == 0


def test_a_file_of_either_format_and_its_bytes_are_in_the_key(
    weights: Path, tmp_path: Path
) -> None:
    save_file(torch.load(weights, weights_only=True), tmp_path / "same.safetensors")
    images = draw("one", (50, 40)), draw("another")
    values = [value(judge_of(path), *images) for path in (weights, tmp_path / "same.safetensors")]
    assert values[0] == values[1] > 0

    def fields(path: Path, **changes: Any) -> dict[str, Any]:
        settings = settings_of(path, **changes)
        return registry.KINDS["pixels"].key_fields(settings, resolve(settings, "judges.j"))

    (tmp_path / "copy.pth").write_bytes(weights.read_bytes())
    (tmp_path / "other.pth").write_bytes(weights.read_bytes() + b"\0")
    assert fields(tmp_path / "copy.pth") == fields(weights)
    assert fields(tmp_path / "other.pth") != fields(weights)
    assert fields(weights, dtype="bfloat16") != fields(weights)
    assert fields(weights, name="alex") != fields(weights)


class Burglar:
    """Does something where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_file_is_read_without_running_what_it_holds(tmp_path: Path) -> None:
    for kind, save in (("zip", torch.save), ("pickle", lambda it, f: pickle.dump(it, f, 2))):
        with (tmp_path / f"{kind}.pth").open("wb") as file:
            save({"features.0.weight": Burglar(tmp_path / "loot")}, file)
        with pytest.raises(UserError, match=r"cannot be read as tensors alone .* is not run: name"):
            judge_of(tmp_path / f"{kind}.pth")
    assert not (tmp_path / "loot").exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<html>404</html>", "cannot be read as tensors alone"),
        ({"epoch": 3, "state_dict": {}}, "holds something else than the tensors of a network"),
        ({1: torch.zeros(1)}, "holds something else than the tensors of a network"),
        ([1, 2], "holds something else than the tensors of a network"),
        ({"features.0.weight": torch.zeros(1)}, "does not fit network: squeeze, which is torchvis"),
    ],
)
def test_a_file_of_something_else_is_refused_by_one_sentence(
    tmp_path: Path, content: Any, sentence: str
) -> None:
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(UserError) as raised:
        judge_of(path)
    assert sentence in str(raised.value)
    assert str(raised.value).startswith(f"checkpoint {path} ")
    assert "\n" not in str(raised.value)
    path.rename(tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="cannot be read as tensors alone"):
        judge_of(tmp_path / "w.safetensors")


def test_weights_of_another_network_and_files_that_are_not_there_are_refused(
    weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        UserError, match=r"does not fit network: alex, which is torchvision's alexn"
    ):
        judge_of(weights, "alex")
    for name, further in (("more", {"more": torch.zeros(1)}), ("fewer", {})):
        state = network("squeeze").state_dict() | further
        if not further:
            state.popitem()
        torch.save(state, tmp_path / name)
        with pytest.raises(UserError, match=r"squeezenet1_1 \((Unexpected|Missing) key"):
            judge_of(tmp_path / name)
    with pytest.raises(UserError, match=r"^config: judges.j: checkpoint .* cannot be read \(No"):
        judge_of(tmp_path / "none.pth")


def test_images_that_are_too_small_have_no_value(weights: Path) -> None:
    judge = judge_of(weights)
    assert value(judge, draw("one", (17, 17)), draw("another", (17, 17))) >= 0
    found = answer(judge, draw("one"), draw("another", (40, 16)))
    assert isinstance(found, SampleError)
    assert str(found).startswith("too_small: LPIPS with squeeze needs images of at least 17 pixels")

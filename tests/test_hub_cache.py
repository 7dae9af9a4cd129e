"""A cache of the Hugging Face hub serves a run without a network, if what is loaded is in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import constants

from conftest import draw
from demo.models import save_edit_pipeline, save_judge
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.judges import TransformersJudgeSettings
from edit_benchmark.editing import registry
from edit_benchmark.errors import UserError
from test_editors import settings

COMMIT = "c" * 40
EXTRA = {
    "qwen.safetensors": b"for other programs",
    "transformer/diffusion_pytorch_model.fp16.safetensors": b"a second variant",
    "README.md": b"# A model",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved")
    save_edit_pipeline(path / "edit")
    save_judge(path / "judge")
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def fill(cache: Path, name: str, source: Path, *, knows_files: bool = False) -> Path:
    """Lay ``source`` out as the hub's cache does; the snapshot's folder.

    Of a repository that holds :data:`EXTRA` as well, which from_pretrained does not read.
    """
    repository = cache / f"models--owner--{name}"
    snapshot = repository / "snapshots" / COMMIT
    for folder in ("blobs", "refs", "trees"):
        (repository / folder).mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    tree = {path: {"size": len(data), "blob_id": "0" * 40} for path, data in EXTRA.items()}
    for path in sorted(source.rglob("*")):
        if path.is_file():
            data, place = path.read_bytes(), path.relative_to(source)
            digest = hashlib.sha256(data).hexdigest()
            (repository / "blobs" / digest).write_bytes(data)
            (snapshot / place).parent.mkdir(parents=True, exist_ok=True)
            up = Path(*[".."] * (2 + len(place.parent.parts)))
            (snapshot / place).symlink_to(up / "blobs" / digest)
            tree[place.as_posix()] = {"size": len(data), "blob_id": "0" * 40}
    if knows_files:
        listing = {"format_version": 1, "files": tree}
        (repository / "trees" / f"{COMMIT}.json").write_text(json.dumps(listing))
    return snapshot


@pytest.mark.parametrize("knows_files", [False, True])
def test_a_cache_that_from_pretrained_filled_edits_without_a_network(
    cache: Path, saved: Path, knows_files: bool
) -> None:
    fill(cache, "edit", saved / "edit", knows_files=knows_files)
    cached = settings(Path("owner/edit"))
    found = resolve(cached, "models.m")
    assert found is not None
    assert found.commit == COMMIT
    if knows_files:
        images = [
            np.asarray(
                registry.build(chosen, resolve(chosen, "models.m"), "cpu").edit(
                    draw("a"), "make it red", 1
                )
            )
            for chosen in (cached, settings(saved / "edit"))
        ]
        assert np.array_equal(*images)


def remove(name: str) -> Callable[[Path], object]:
    return lambda snapshot: (snapshot / name).unlink()


def lose_blob(name: str) -> Callable[[Path], object]:
    return lambda snapshot: (snapshot / name).resolve().unlink()


@pytest.mark.parametrize("knows_files", [False, True])
@pytest.mark.parametrize("spoil", [
    remove("transformer/diffusion_pytorch_model.safetensors"), remove("vae/config.json"),
    lose_blob("text_encoder/model.safetensors"), remove("tokenizer/tokenizer.json"),
    remove("scheduler/scheduler_config.json"),
])  # fmt: skip
def test_a_cache_that_holds_a_part_is_refused_before_a_device_is_taken(
    cache: Path, saved: Path, spoil: Callable[[Path], object], knows_files: bool
) -> None:
    spoil(fill(cache, "edit", saved / "edit", knows_files=knows_files))
    match = "in part .1 files are missing: .*hf download" if knows_files else "is incomplete: "
    with pytest.raises(UserError, match=match):
        resolve(settings(Path("owner/edit")), "models.m")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "processor_config.json"])
def test_a_judge_of_which_only_the_model_was_loaded_is_refused(
    cache: Path, saved: Path, name: str
) -> None:
    chosen = TransformersJudgeSettings(judge="transformers", checkpoint="owner/judge")
    snapshot = fill(cache, "judge", saved / "judge")
    assert resolve(chosen, "judges.j") is not None
    for path in snapshot.glob("vocab.json") if name == "tokenizer.json" else ():
        path.unlink()
    (snapshot / name).unlink()
    with pytest.raises(UserError, match=r"is incomplete: (it has no |there are no weights)"):
        resolve(chosen, "judges.j")


def test_what_is_not_in_the_cache_at_all_is_said(cache: Path) -> None:
    with pytest.raises(UserError, match=r"is not in the local cache and the hub cannot be reached"):
        resolve(settings(Path("owner/edit")), "models.m")


def test_only_what_is_loaded_is_downloaded(
    cache: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = fill(cache, "edit", saved / "edit")
    names = [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*")]
    asked: set[str] = set()

    def download(repository: str, **options: Any) -> str:
        asked.update(options["allow_patterns"])
        return str(snapshot)

    files = [SimpleNamespace(rfilename=name) for name in (*names, *EXTRA)]
    info = SimpleNamespace(siblings=files)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    resolve(settings(Path("owner/edit")), "models.m")
    assert {name for name in asked if name.endswith(".safetensors")} == {
        "transformer/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    }

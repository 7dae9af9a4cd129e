"""Whether a checkpoint's files are whole, as far as the files alone can tell.

What is wrong with it is said before a device is taken, and before any heavy library is imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from edit_benchmark.checkpoints import files
from edit_benchmark.checkpoints.safetensors import BROKEN, read_header, tensors
from edit_benchmark.errors import UserError

_PIPELINE, _MODEL = "model_index.json", "config.json"
# JSON that the libraries read, an object each.
_READ = (
    _PIPELINE, _MODEL, "*_config.json", "*.index.json", "tokenizer.json", "vocab.json",
    "added_tokens.json", "special_tokens_map.json",
)  # fmt: skip
_LIBRARIES = ("diffusers", "transformers")
_NO_MODELS = ("Tokenizer", "TokenizerFast", "Processor", "FeatureExtractor", "Scheduler")
# The names by which from_pretrained finds weights when no variant is asked for.
_WEIGHTS = ("diffusion_pytorch_model", "model", "adapter_model", "pytorch_model")


def check(folder: Path, where: str, *, allow_pickle: bool, standard: str = "") -> int:
    """Refuse an incomplete checkpoint; return the bytes of pickled weights.

    Parameters
    ----------
    where
        Its key, such as ``models.qwen``, for messages.
    standard
        The file that names its classes if the libraries load it: ``model_index.json`` of a
        pipeline, ``config.json`` of a model. Empty for a class of the user's own, which may lay its
        weights out as it likes.

    Raises
    ------
    UserError
        It names the file, and what is wrong with it.
    """
    try:
        return _check(folder, where, allow_pickle, standard)
    except _Incomplete as problem:
        raise UserError(
            f"config: {where}: checkpoint {folder} is incomplete: {problem}; download it again."
        ) from None


def check_adapter(path: Path, where: str) -> None:
    """Refuse a LoRA file that is cut off or holds no LoRA.

    Raises
    ------
    UserError
        If so.
    """
    try:
        names = _header(path, path.parent)
    except _Incomplete as problem:
        raise UserError(
            f"config: {where}: lora.path {path} is incomplete: {problem}; download it again."
        ) from None
    if not any("lora" in name.lower() for name in names):
        raise UserError(
            f"config: {where}: lora.path {path} holds no tensor of a LoRA; give an adapter's file."
        )


class _Incomplete(Exception):
    """What is missing or broken, relative to the checkpoint."""


def _check(folder: Path, where: str, allow_pickle: bool, standard: str) -> int:
    if not any((folder / name).is_file() for name in (standard or _PIPELINE, standard or _MODEL)):
        named = f"no {standard}" if standard else f"neither {_PIPELINE} nor {_MODEL}"
        raise UserError(
            f"config: {where}: checkpoint {folder} has {named}; it is not a folder in the layout "
            "of save_pretrained, or its download is incomplete."
        )
    _check_links(folder)
    objects = {path: _object(path, folder) for path in _read_as_json(folder)}
    weights = files.find(folder, "*.safetensors")
    headers = {path: _header(path, folder) for path in weights}
    for path, content in objects.items():
        if path.name.endswith(".safetensors.index.json"):
            _check_shards(path, content, headers, folder)
    models = _models(folder, objects.get(folder / _PIPELINE))
    pickled = [path for path in files.content(folder) if path.suffix in files.PICKLED]
    if not weights and not pickled:
        other = [path for path in files.content(folder) if path.suffix == ".gguf"]
        only = f" but {other[0].relative_to(folder)}, which is GGUF" if other else ""
        raise _Incomplete(f"there are no weights in it{only}")
    if not weights and not allow_pickle:
        raise UserError(
            f"config: {where}: checkpoint {folder} has only pickled weights ({pickled[0].name}), "
            "which can run any code when they are loaded; convert it to safetensors, or set "
            "allow_pickle: true if you trust it."
        )
    if standard:
        for model in models:
            _check_weights(model, folder, allow_pickle)
    return 0 if weights else sum(path.stat().st_size for path in pickled)


def _check_links(folder: Path) -> None:
    for path in files.find(folder, "*"):
        if path.is_symlink() and not path.exists() and not files.is_documentation(path):
            raise _Incomplete(f"{path.relative_to(folder)} is a link to nothing")


def _read_as_json(folder: Path) -> Iterator[Path]:
    for path in files.find(folder, "*.json"):
        if any(fnmatch(path.name, pattern) for pattern in _READ):
            yield path


def _object(path: Path, folder: Path) -> dict[str, Any]:
    relative = path.relative_to(folder)
    if path.is_dir():
        raise _Incomplete(f"{relative} is a folder")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        problem = "empty" if path.stat().st_size == 0 else f"no JSON ({error})"
        raise _Incomplete(f"{relative} is {problem}") from None
    if not isinstance(content, dict):
        raise _Incomplete(f"{relative} holds a {type(content).__name__} and no object")
    return content


def _header(path: Path, folder: Path) -> set[str]:
    """The names of the tensors of a safetensors file that is as long as its header says."""
    relative = path.relative_to(folder)
    if path.is_dir():
        raise _Incomplete(f"{relative} is a folder")
    try:
        with path.open("rb") as file:
            header, start = read_header(file.fileno())
        entries = tensors(header)
        for entry in entries.values():
            first, last = entry["data_offsets"]
            if not 0 <= first <= last or not isinstance(entry["dtype"], str):
                raise ValueError("no tensor")
            sum(entry["shape"])  # numbers, and nothing else
        expected = start + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    except BROKEN:
        raise _Incomplete(f"{relative} is no safetensors file") from None
    size = path.stat().st_size
    if size != expected:
        raise _Incomplete(f"{relative} has {size:,} of {expected:,} bytes")
    return set(entries)


def _check_shards(
    path: Path, index: dict[str, Any], headers: dict[Path, set[str]], folder: Path
) -> None:
    """Refuse weights in several files of which one, or a tensor of one, is missing."""
    places = index.get("weight_map")
    if not isinstance(places, dict) or not places:
        raise _Incomplete(f"{path.relative_to(folder)} has no weight_map")
    for tensor, name in sorted(places.items()):
        shard = path.parent / str(name)
        relative = path.parent.relative_to(folder) / str(name)
        if shard not in headers:
            raise _Incomplete(f"{relative} is missing")
        if tensor not in headers[shard]:
            raise _Incomplete(f"{relative} lacks {tensor}")


def _models(folder: Path, index: dict[str, Any] | None) -> list[Path]:
    """The folders of the models: of a pipeline's components, or the folder itself."""
    if index is None:
        return [folder]
    if not isinstance(index.get("_class_name"), str):
        raise _Incomplete(f"{_PIPELINE} names no pipeline in _class_name")
    models = []
    for name, value in index.items():
        if not isinstance(value, list):
            continue
        if len(value) < 2:
            raise _Incomplete(f"{_PIPELINE} names no class of {name}")
        if value[0] is None:
            continue
        if not (folder / name).is_dir():
            raise _Incomplete(f"{name}/ is missing")
        is_model = value[0] in _LIBRARIES and not str(value[1]).endswith(_NO_MODELS)
        if is_model and (folder / name / _MODEL).is_file():
            models.append(folder / name)
    return models


def _check_weights(model: Path, folder: Path, allow_pickle: bool) -> None:
    """Refuse a model whose weights from_pretrained would not find under their usual names."""
    endings = [".safetensors", *(sorted(files.PICKLED) if allow_pickle else ())]
    usual = {
        f"{name}{ending}{index}"
        for name in _WEIGHTS
        for ending in endings
        for index in ("", ".index.json")
    }
    present = [path.name for path in model.iterdir()]
    if usual & set(present):
        return
    others = sorted(
        name for name in present if name.endswith((".safetensors", ".gguf", *files.PICKLED))
    )
    relative = model.relative_to(folder).as_posix()
    place = "" if relative == "." else f"{relative}/"
    if not others:
        raise _Incomplete(f"{place or 'it'} has no weights")
    kind = "in GGUF" if others[0].endswith(".gguf") else "as a variant or under another name"
    wanted = "diffusion_pytorch_model.safetensors or model.safetensors"
    raise _Incomplete(f"{place} has its weights only {kind}, {others[0]}, and no {wanted}".strip())

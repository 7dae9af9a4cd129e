"""Whether a checkpoint's files are whole, as far as the files alone can tell.

What is wrong with it is said before a device is taken, and before any heavy library is imported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from edit_benchmark.checkpoints import files, selection
from edit_benchmark.checkpoints.safetensors import BROKEN, read_header, tensors
from edit_benchmark.checkpoints.selection import MODEL, PIPELINE, Choice
from edit_benchmark.errors import UserError, shorten

# JSON that the libraries read, an object each; and the indices of weights that are loaded.
_READ = (
    PIPELINE, MODEL, "*_config.json", "tokenizer.json", "vocab.json", "added_tokens.json",
    "special_tokens_map.json",
)  # fmt: skip
_LIBRARIES = ("diffusers", "transformers")
_TOKENIZERS = ("Tokenizer", "TokenizerFast")
_NO_MODELS = (
    *_TOKENIZERS, "Processor", "ProcessorFast", "FeatureExtractor", "Scheduler",
)  # fmt: skip
# What a tokenizer's words are in: one of them.
_VOCABULARIES = (
    "tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "*.model", "*.tiktoken",
    "tekken.json",
)  # fmt: skip
_WEIGHTS = (".safetensors", ".gguf", *sorted(files.PICKLED))
_VARIANT = re.compile(r"(?:diffusion_pytorch_)?model\.([^.]+?)(?:-\d+-of-\d+)?\.safetensors")
# Beside an 8-bit weight: what it has to be multiplied by. No model of the libraries has them.
_SCALES = re.compile(r"(.+)\.(?:weight_scale(?:_inv|_2)?|scale_weight|scale_input|input_scale)")


def check(folder: Path, where: str, choice: Choice) -> None:
    """Refuse a checkpoint that is incomplete, or of which something would be dropped.

    Only what is loaded counts.

    Parameters
    ----------
    where
        Its key, such as ``models.qwen``, for messages.

    Raises
    ------
    UserError
        It names the file, and what is wrong with it.
    """
    try:
        _check(folder, where, choice)
    except _Incomplete as problem:
        raise UserError(
            f"config: {where}: checkpoint {folder} is incomplete: {problem}; download it again."
        ) from None
    except _Unusable as problem:
        raise UserError(f"config: {where}: checkpoint {folder} {problem}.") from None


def tensor_types(path: Path, what: str) -> dict[str, str]:
    """The tensors of a safetensors file: types by their names.

    Raises
    ------
    UserError
        If it is cut off or none; it begins with ``what``.
    """
    try:
        return _header(path, path.parent)
    except _Incomplete as problem:
        raise UserError(f"{what} is incomplete: {problem}; download it again.") from None


class _Incomplete(Exception):
    """What is missing or broken, relative to the checkpoint."""


class _Unusable(Exception):
    """What cannot be loaded as it is, and what to do."""


def _check(folder: Path, where: str, choice: Choice) -> None:
    standard = choice.standard
    if not any((folder / name).is_file() for name in (standard or PIPELINE, standard or MODEL)):
        named = f"no {standard}" if standard else f"neither {PIPELINE} nor {MODEL}"
        raise UserError(
            f"config: {where}: checkpoint {folder} has {named}; it is not a folder in the layout "
            "of save_pretrained, or its download is incomplete."
        )
    weights = selection.loaded(folder, choice)
    _check_links(folder, weights)
    objects = {path: _object(path, folder) for path in _read_as_json(folder)}
    index = objects.get(folder / PIPELINE) if standard == PIPELINE else None
    models = _models(folder, index)
    _check_kinds(folder, where, choice)
    if not standard:
        headers = {path: _header(path, folder) for path in weights}
        for path in files.find(folder, "*.safetensors.index.json"):
            _check_shards(path, folder, headers)
        return
    for model in models:
        _check_weights(model, folder, choice)
    if choice.variant and not any(
        choice.has_variant([path.name for path in model.iterdir()]) for model in models
    ):
        raise _Unusable(
            f"has no weights of the variant {choice.variant}; leave variant out, or take one that "
            "is there"
        )
    if standard == MODEL and choice.has_words:
        _check_processor(folder)


def _check_kinds(folder: Path, where: str, choice: Choice) -> None:
    """Refuse a checkpoint without weights, or with none but pickled ones that are not allowed."""
    pickled = files.pickled(folder)
    if files.find(folder, "*.safetensors") or (pickled and choice.allow_pickle):
        return
    if pickled:
        raise UserError(
            f"config: {where}: checkpoint {folder} has only pickled weights ({pickled[0].name}), "
            "which can run any code when they are loaded; convert it to safetensors, or set "
            "allow_pickle: true if you trust it."
        )
    raise _Incomplete(f"there are no weights in it{_but_gguf(folder)}")


def _but_gguf(folder: Path) -> str:
    other = [path for path in files.content(folder) if path.suffix == ".gguf"]
    return f" but {other[0].relative_to(folder)}, which is GGUF" if other else ""


def _check_links(folder: Path, weights: list[Path]) -> None:
    for path in files.find(folder, "*"):
        if files.is_documentation(path) or (path.suffix in _WEIGHTS and path not in weights):
            continue
        if path.is_symlink() and not path.exists():
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


def _header(path: Path, folder: Path) -> dict[str, str]:
    """The tensors of a safetensors file that is as long as its header says: types by their names.

    Of any other file there are none.
    """
    relative = path.relative_to(folder)
    if not path.exists():
        raise _Incomplete(f"{relative} is missing")
    if path.is_dir():
        raise _Incomplete(f"{relative} is a folder")
    if path.suffix != ".safetensors":
        return {}
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
    return {name: str(entry["dtype"]) for name, entry in entries.items()}


def _models(folder: Path, index: dict[str, Any] | None) -> list[Path]:
    """The folders of the models: of a pipeline's components, or the folder itself."""
    if index is None:
        return [folder]
    if not isinstance(index.get("_class_name"), str):
        raise _Incomplete(f"{PIPELINE} names no pipeline in _class_name")
    models = []
    for name, value in index.items():
        if not isinstance(value, list):
            continue
        if len(value) < 2:
            raise _Incomplete(f"{PIPELINE} names no class of {name}")
        if value[0] is None:
            continue
        if not (folder / name).is_dir():
            raise _Incomplete(f"{name}/ is missing")
        if value[0] not in _LIBRARIES:
            continue
        kind = str(value[1])
        _check_settings(folder / name, kind)
        if not kind.endswith(_NO_MODELS) and (folder / name / MODEL).is_file():
            models.append(folder / name)
    return models


def _check_settings(component: Path, kind: str) -> None:
    """Refuse a component of which a download left out what it is made from."""
    names = [path.name for path in component.iterdir()]
    words = _has(names, _VOCABULARIES)
    if not words and not _has(names, ("*config.json",)):
        raise _Incomplete(f"{component.name}/ has no settings")
    # The words of ByT5 are bytes.
    if kind.endswith(_TOKENIZERS) and not kind.startswith("ByT5") and not words:
        raise _Incomplete(f"{component.name}/ has no vocabulary of its tokenizer")


def _check_processor(folder: Path) -> None:
    """Refuse a judge without what makes its inputs, as a cache that only the model filled."""
    names = [path.name for path in folder.iterdir()]
    if not _has(names, _VOCABULARIES):
        raise _Incomplete("it has no vocabulary of its tokenizer")
    if not _has(names, ("*processor_config.json",)):
        raise _Incomplete("it has no preprocessor_config.json, nor a processor_config.json")


def _has(names: list[str], patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for name in names for pattern in patterns)


def _check_weights(model: Path, folder: Path, choice: Choice) -> None:
    """Refuse a model whose weights are not whole, or not what from_pretrained would load."""
    present = sorted(path.name for path in model.iterdir())
    found = choice.find(present)
    if found is None:
        raise _not_found(model, folder, present)
    headers = {path: _header(path, folder) for path in selection.weights_of(model, choice)}
    if found.endswith(".json"):
        _check_shards(model / found, folder, headers)
    if "quantization_config" not in (selection.read_object(model / MODEL) or {}):
        for path, entries in headers.items():
            _refuse_scales(path.relative_to(folder).as_posix(), entries)


def _check_shards(index: Path, folder: Path, headers: dict[Path, dict[str, str]]) -> None:
    """Refuse weights in several files of which one, or a tensor of one, is missing."""
    places = _object(index, folder).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise _Incomplete(f"{index.relative_to(folder)} has no weight_map")
    for tensor, name in sorted(places.items()):
        shard = index.parent / str(name)
        if shard not in headers:
            raise _Incomplete(f"{shard.relative_to(folder)} is missing")
        if shard.suffix == ".safetensors" and tensor not in headers[shard]:
            raise _Incomplete(f"{shard.relative_to(folder)} lacks {tensor}")


def _refuse_scales(name: str, entries: dict[str, str]) -> None:
    """Refuse weights in 8 bits whose scales nothing would multiply them by."""
    scales = [
        tensor
        for tensor in sorted(entries)
        if tensor == "scaled_fp8"
        or ((match := _SCALES.fullmatch(tensor)) and f"{match[1]}.weight" in entries)
    ]
    if scales:
        kinds = sorted({dtype for dtype in entries.values() if dtype.startswith(("F8", "I8"))})
        raise _Unusable(
            f"cannot be loaded as it is: {name} holds {'/'.join(kinds) or 'scaled'} weights with "
            f"scales of their own ({shorten(', '.join(scales))}), and no quantization_config in "
            "its config.json says how to load them: they would be dropped; take the checkpoint in "
            "bfloat16 (the setting fp8 makes 8 bits of it)"
        )


def _not_found(model: Path, folder: Path, present: list[str]) -> Exception:
    """Why from_pretrained would not find a model's weights."""
    others = [name for name in present if name.endswith(_WEIGHTS)]
    relative = model.relative_to(folder).as_posix()
    place = "" if relative == "." else f"{relative}/"
    if not others:
        return _Incomplete(f"{place or 'it'} has no weights{_but_gguf(folder)}")
    wanted = "diffusion_pytorch_model.safetensors or model.safetensors"
    if others[0].endswith(".gguf"):
        problem = f"{place} has its weights only in GGUF, {others[0]}, and no {wanted}".strip()
        return _Unusable(f"is incomplete: {problem}; download the weights in safetensors")
    problem = f"{place} has its weights only as a variant or under another name, {others[0]}"
    variant = next((match[1] for name in others if (match := _VARIANT.fullmatch(name))), None)
    advice = f"set variant: {variant}, or " if variant else ""
    return _Unusable(
        f"is incomplete: {problem.strip()}, and no {wanted}; {advice}download the weights that "
        "from_pretrained finds"
    )

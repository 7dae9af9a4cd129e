"""Resolving a checkpoint: from a folder or the hub, checked to be complete.

This happens once per checkpoint, before any device is taken, so that a missing or half downloaded
one costs no GPU time and six jobs do not download the same files.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

from edit_benchmark.checkpoints import files
from edit_benchmark.checkpoints.fingerprint import content_hash, file_hash, fingerprint, state
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.checkpoints.safetensors import read_header, tensors
from edit_benchmark.config.base import ModelSettings
from edit_benchmark.config.editors import DiffusersEditorSettings, IdentityEditorSettings
from edit_benchmark.errors import UserError

# What from_pretrained may read; everything else in a repository (images, other formats) is not
# downloaded.
_DOWNLOADED = ("*.json", "*.txt", "*.jinja", "*.model", "*.safetensors", "*.py")
_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8, "BOOL": 8,
}  # fmt: skip
_FLOATS = {"F64", "F32", "F16", "BF16"}
_BYTES_OF = {"bfloat16": 2, "float16": 2, "float32": 4}


def resolve(settings: ModelSettings | IdentityEditorSettings, where: str) -> Checkpoint | None:
    """Find (or download) the checkpoint of a model or judge and check that it is complete.

    Parameters
    ----------
    settings
        One entry of ``models`` or ``judges`` of the configuration.
    where
        Its key, such as ``models.qwen``, for messages.

    Returns
    -------
    Checkpoint or None
        None if the model has no checkpoint.

    Raises
    ------
    UserError
        If it does not exist, cannot be downloaded, is incomplete, or holds pickled weights that
        were not allowed.
    """
    if settings.checkpoint is None:
        return None
    folder = Path(settings.checkpoint).expanduser()
    commit = ""
    if not folder.is_dir():
        folder, commit = _download(settings.checkpoint, settings, where)
    lora = settings.lora if isinstance(settings, DiffusersEditorSettings) else None
    pickled_bytes = _check_complete(folder, where, allow_pickle=settings.allow_pickle)
    return Checkpoint(
        name=settings.checkpoint,
        path=str(folder),
        commit=commit,
        fingerprint=fingerprint(folder),
        pipeline=_class_name(folder),
        weight_bytes=pickled_bytes + _weight_bytes(folder, settings.dtype),
        content_sha256="" if commit else content_hash(folder),
        adapter_sha256=file_hash(lora.file) if lora else "",
    )


def weights_state(settings: ModelSettings | IdentityEditorSettings) -> str:
    """A short hash of sizes and times of a model's files on this host, in a few milliseconds.

    It changes when one of them was written: then the checkpoint has to be resolved again. Of a hub
    repository the commit tells, and no file is looked at.
    """
    paths = [Path(settings.checkpoint).expanduser()] if settings.checkpoint else []
    if isinstance(settings, DiffusersEditorSettings) and settings.lora is not None:
        paths.append(settings.lora.file)
    return state(paths)


def _download(repository: str, settings: ModelSettings, where: str) -> tuple[Path, str]:
    """The folder of a hub repository in the local cache, and the commit that it holds."""
    import huggingface_hub
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    patterns = list(_DOWNLOADED)
    if settings.allow_pickle:
        patterns += [f"*{ending}" for ending in files.PICKLED]
    try:
        path = Path(
            huggingface_hub.snapshot_download(
                repository, revision=settings.revision, allow_patterns=patterns
            )
        )
    except GatedRepoError:
        problem = "needs a licence that this account has not accepted (log in with: hf auth login)"
    except RevisionNotFoundError:
        problem = f"has no revision {settings.revision}"
    except RepositoryNotFoundError:
        problem = "does not exist on the hub, nor as a folder, or is private (hf auth login)"
    except LocalEntryNotFoundError:
        problem = (
            "is not in the local cache and the hub cannot be reached; download it with: hf "
            f"download {repository}, or give the folder that holds it"
        )
    except (OSError, huggingface_hub.errors.HfHubHTTPError, ValueError) as error:
        problem = f"cannot be downloaded ({str(error).splitlines()[0]})"
    else:
        return path, path.name
    raise UserError(f"config: {where}: checkpoint {repository} {problem}.")


def _class_name(folder: Path) -> str:
    for name, key in (("model_index.json", "_class_name"), ("config.json", "architectures")):
        if (folder / name).is_file():
            value = json.loads((folder / name).read_text(encoding="utf-8")).get(key) or ""
            return value if isinstance(value, str) else str(value[0])
    return ""


def _check_complete(folder: Path, where: str, *, allow_pickle: bool) -> int:
    """Refuse an incomplete checkpoint; return the bytes of pickled weights."""
    if not any((folder / name).is_file() for name in ("model_index.json", "config.json")):
        raise UserError(
            f"config: {where}: checkpoint {folder} has neither model_index.json nor config.json; "
            "it is not a folder in the layout of save_pretrained, or its download is incomplete."
        )
    _check_components(folder, where)
    _check_shards(folder, where)
    weights = files.find(folder, "*.safetensors")
    for path in weights:
        _check_weight_file(path, folder, where)
    pickled = [path for path in files.content(folder) if path.suffix in files.PICKLED]
    if not weights and not pickled:
        raise _incomplete(where, folder, "there are no weights in it")
    if not weights and not allow_pickle:
        raise UserError(
            f"config: {where}: checkpoint {folder} has only pickled weights ({pickled[0].name}), "
            "which can run any code when they are loaded; convert it to safetensors, or set "
            "allow_pickle: true if you trust it."
        )
    return 0 if weights else sum(path.stat().st_size for path in pickled)


def _check_components(folder: Path, where: str) -> None:
    """Refuse a pipeline that lacks the folder of a component that it names."""
    index = folder / "model_index.json"
    if not index.is_file():
        return
    for name, value in json.loads(index.read_text(encoding="utf-8")).items():
        is_component = isinstance(value, list) and value[0] is not None
        if is_component and not (folder / name).is_dir():
            raise _incomplete(where, folder, f"{name}/ is missing")


def _check_shards(folder: Path, where: str) -> None:
    """Refuse weights in several files of which one is missing."""
    for path in files.find(folder, "*.safetensors.index.json"):
        names = set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values())
        missing = sorted(name for name in names if not (path.parent / name).is_file())
        if missing:
            relative = path.parent.relative_to(folder)
            raise _incomplete(where, folder, f"{relative / missing[0]} is missing")


def _check_weight_file(path: Path, folder: Path, where: str) -> None:
    """Refuse a safetensors file that is shorter or longer than its header says."""
    relative = path.relative_to(folder)
    with path.open("rb") as file:
        try:
            header, start = read_header(file.fileno())
            ends = [entry["data_offsets"][1] for entry in tensors(header).values()]
        except (ValueError, KeyError, struct.error):
            raise _incomplete(where, folder, f"{relative} is no safetensors file") from None
    size, expected = path.stat().st_size, start + max(ends, default=0)
    if size != expected:
        raise _incomplete(where, folder, f"{relative} has {size:,} of {expected:,} bytes")


def _incomplete(where: str, folder: Path, problem: str) -> UserError:
    return UserError(
        f"config: {where}: checkpoint {folder} is incomplete: {problem}; download it again."
    )


def _weight_bytes(folder: Path, dtype: str) -> int:
    """Bytes of all tensors once floating-point ones are cast to ``dtype``."""
    total = 0
    for path in files.find(folder, "*.safetensors"):
        with path.open("rb") as file:
            header, _ = read_header(file.fileno())
        for entry in tensors(header).values():
            kind = entry["dtype"]
            size = _BYTES_OF[dtype] if kind in _FLOATS else _BITS.get(kind, 8) // 8
            total += math.prod(entry["shape"]) * size
    return total

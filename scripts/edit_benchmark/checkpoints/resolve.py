"""Checkpoints: where the weights are, whether they are whole, what they weigh, which they are.

Resolving happens once per checkpoint, before any device is taken, so that a missing or half
downloaded one costs no GPU time and six jobs do not download the same files.
"""

from __future__ import annotations

import glob
import hashlib
import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edit_benchmark.errors import UserError
from edit_benchmark.results.files import write_text

# What from_pretrained may read; everything else in a repository (pictures, other formats) is not.
_FILES = ["*.json", "*.txt", "*.jinja", "*.model", "*.safetensors", "*.py"]
_PICKLED = {".bin", ".pt", ".pth", ".ckpt"}
_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8, "BOOL": 8,
}  # fmt: skip
_FLOATS = {"F64", "F32", "F16", "BF16"}
_BYTES_OF = {"bfloat16": 2, "float16": 2, "float32": 4}
_PROBE = 4096  # bytes read from the middle of each tensor for the fingerprint


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on this host's disk.

    Attributes
    ----------
    name
        As configured: a folder, or ``owner/name`` on the hub.
    path
        The folder that holds it.
    commit
        The resolved commit of a hub repository, empty for a folder.
    fingerprint
        Hash that any change of configuration or weights changes (see :func:`fingerprint`).
    pipeline
        The class that the checkpoint names, such as ``QwenImageEditPipeline``.
    weight_bytes
        Bytes of the weights once loaded in the configured dtype.
    """

    name: str
    path: str
    commit: str
    fingerprint: str
    pipeline: str
    weight_bytes: int

    @property
    def identity(self) -> str:
        """What stands for the weights in the key of an edit or an answer."""
        return self.commit or self.fingerprint


def resolve(settings: Mapping[str, Any], where: str) -> Checkpoint | None:
    """Find (or download) the checkpoint of a model or judge and check that it is whole.

    Parameters
    ----------
    settings
        One entry of ``models`` or ``judges`` of the configuration.
    where
        Its key, for messages.

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
    name = settings["checkpoint"]
    if name is None:
        return None
    folder = Path(name).expanduser()
    commit = ""
    if not folder.is_dir():
        folder, commit = _from_hub(name, settings, where)
    pickled = _check_whole(folder, where, allow_pickle=settings["allow_pickle"])
    return Checkpoint(
        name=name,
        path=str(folder),
        commit=commit,
        fingerprint=fingerprint(folder),
        pipeline=_class_name(folder),
        weight_bytes=pickled + _weight_bytes(folder, settings["dtype"]),
    )


def write(checkpoint: Checkpoint | None, path: Path) -> None:
    """Record a resolved checkpoint; the jobs that load it read this file."""
    write_text(path, json.dumps(asdict(checkpoint) if checkpoint else None, indent=1) + "\n")


def read(path: Path) -> Checkpoint | None:
    """The checkpoint recorded in ``path``."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    return Checkpoint(**fields) if fields else None


def check_unchanged(checkpoint: Checkpoint, record: str) -> None:
    """Refuse weights that are not those that were resolved.

    Raises
    ------
    UserError
        If the folder is gone or its fingerprint differs from the recorded one.
    """
    folder = Path(checkpoint.path)
    if not folder.is_dir():
        raise UserError(
            f"checkpoint {checkpoint.name}: {folder} is not there any more; delete {record} and "
            "run again to resolve it anew."
        )
    if fingerprint(folder) != checkpoint.fingerprint:
        raise UserError(
            f"checkpoint {checkpoint.name}: {folder} changed after this run began; delete "
            f"{record} and run again, so that its edits are not mixed with the earlier ones."
        )


def fingerprint(folder: Path) -> str:
    """Hash of what a checkpoint is, in about a second for 58 GB.

    It covers every configuration and tokenizer file whole, and of each safetensors file the header
    (names, shapes, types) and 4 KiB from the middle of every tensor: training or merging changes
    each tensor, so another set of weights of the same shapes is told apart without reading all of
    them. Names of folders above and time stamps do not enter.
    """
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        if path.suffix == ".safetensors":
            _probe(path, digest)
        elif path.suffix in _PICKLED:
            digest.update(f"{path.stat().st_size}\0{path.stat().st_mtime_ns}".encode())
        else:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def file_fingerprint(path: Path) -> str:
    """The same of one safetensors file."""
    digest = hashlib.sha256()
    _probe(path, digest)
    return digest.hexdigest()


def _probe(path: Path, digest: Any) -> None:
    """Add the header and the middle of every tensor of a safetensors file to ``digest``."""
    with path.open("rb") as file:
        header, start = safetensors_header(file.fileno())
        digest.update(json.dumps(header, sort_keys=True).encode())
        for tensor in sorted(header):
            if tensor == "__metadata__":
                continue
            first, last = header[tensor]["data_offsets"]
            middle = start + max(first, (first + last - _PROBE) // 2)
            digest.update(os.pread(file.fileno(), min(_PROBE, last - first), middle))


def _files(folder: Path) -> Iterator[Path]:
    """The checkpoint's own files, sorted; a download's hidden bookkeeping is not among them."""
    for path in _found(folder, "*"):
        if path.is_file() and path.suffix not in {".md", ".png", ".jpg", ".webp"}:
            yield path


def _found(folder: Path, pattern: str) -> list[Path]:
    """Paths below ``folder``, sorted: none that is hidden, those in linked folders too.

    A fine-tuned transformer among links to the parts of its base model is a checkpoint as well.
    """
    # Path.rglob passes linked folders by before Python 3.13.
    found = glob.iglob(f"**/{pattern}", root_dir=folder, recursive=True)  # noqa: PTH207
    return sorted(folder / path for path in found)


def _from_hub(name: str, settings: Mapping[str, Any], where: str) -> tuple[Path, str]:
    import huggingface_hub
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    patterns = _FILES + [f"*{ending}" for ending in _PICKLED] * settings["allow_pickle"]
    try:
        path = Path(
            huggingface_hub.snapshot_download(
                name, revision=settings["revision"], allow_patterns=patterns
            )
        )
    except GatedRepoError:
        problem = "needs a licence that this account has not accepted (log in with: hf auth login)"
    except RevisionNotFoundError:
        problem = f"has no revision {settings['revision']}"
    except RepositoryNotFoundError:
        problem = "does not exist on the hub, nor as a folder, or is private (hf auth login)"
    except LocalEntryNotFoundError:
        problem = (
            "is not in the local cache and the hub cannot be reached; download it with: hf "
            f"download {name}, or give the folder that holds it"
        )
    except (OSError, huggingface_hub.errors.HfHubHTTPError, ValueError) as error:
        problem = f"cannot be downloaded ({str(error).splitlines()[0]})"
    else:
        return path, path.name
    raise UserError(f"config: {where}: checkpoint {name} {problem}.")


def _class_name(folder: Path) -> str:
    for name, key in (("model_index.json", "_class_name"), ("config.json", "architectures")):
        if (folder / name).is_file():
            value = json.loads((folder / name).read_text(encoding="utf-8")).get(key) or ""
            return value if isinstance(value, str) else str(value[0])
    return ""


def _check_whole(folder: Path, where: str, *, allow_pickle: bool) -> int:
    """Refuse an incomplete checkpoint; return the bytes of pickled weights."""
    if not any((folder / name).is_file() for name in ("model_index.json", "config.json")):
        raise UserError(
            f"config: {where}: checkpoint {folder} has neither model_index.json nor config.json; "
            "it is not a folder in the layout of save_pretrained, or its download is incomplete."
        )
    index = folder / "model_index.json"
    if index.is_file():
        components = json.loads(index.read_text(encoding="utf-8"))
        for name, value in components.items():
            present = isinstance(value, list) and value[0] is not None
            if present and not (folder / name).is_dir():
                raise _incomplete(where, folder, f"{name}/ is missing")
    for path in _found(folder, "*.safetensors.index.json"):
        names = set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values())
        missing = sorted(name for name in names if not (path.parent / name).is_file())
        if missing:
            relative = path.parent.relative_to(folder)
            raise _incomplete(where, folder, f"{relative / missing[0]} is missing")
    weights = _found(folder, "*.safetensors")
    for path in weights:
        with path.open("rb") as file:
            try:
                header, start = safetensors_header(file.fileno())
                ends = [value["data_offsets"][1] for key, value in header.items()
                        if key != "__metadata__"]  # fmt: skip
            except (ValueError, KeyError, struct.error):
                raise _incomplete(
                    where, folder, f"{path.relative_to(folder)} is no safetensors file"
                ) from None
        size, wanted = path.stat().st_size, start + max(ends, default=0)
        if size != wanted:
            raise _incomplete(
                where, folder, f"{path.relative_to(folder)} has {size:,} of {wanted:,} bytes"
            )
    pickled = [path for path in _files(folder) if path.suffix in _PICKLED]
    if not weights and not pickled:
        raise _incomplete(where, folder, "there are no weights in it")
    if not weights and not allow_pickle:
        raise UserError(
            f"config: {where}: checkpoint {folder} has only pickled weights ({pickled[0].name}), "
            "which can run any code when they are loaded; convert it to safetensors, or set "
            "allow_pickle: true if you trust it."
        )
    return 0 if weights else sum(path.stat().st_size for path in pickled)


def _incomplete(where: str, folder: Path, what: str) -> UserError:
    return UserError(
        f"config: {where}: checkpoint {folder} is incomplete: {what}; download it again."
    )


def safetensors_header(descriptor: int) -> tuple[dict[str, Any], int]:
    """Header of a safetensors file and the offset at which its data starts.

    Format: 8 bytes of little-endian header length, the header as JSON, the data
    (https://github.com/huggingface/safetensors, "Format").
    """
    (length,) = struct.unpack("<Q", os.pread(descriptor, 8, 0))
    if length > 100_000_000:  # the format's own limit
        raise ValueError("header too long")
    return json.loads(os.pread(descriptor, length, 8)), 8 + length


def _weight_bytes(folder: Path, dtype: str) -> int:
    """Bytes of all tensors once floating-point ones are cast to ``dtype``."""
    total = 0
    for path in _found(folder, "*.safetensors"):
        with path.open("rb") as file:
            header, _ = safetensors_header(file.fileno())
        for name, tensor in header.items():
            if name == "__metadata__":
                continue
            count = math.prod(tensor["shape"])
            kind = tensor["dtype"]
            size = _BYTES_OF[dtype] if kind in _FLOATS else _BITS.get(kind, 8) // 8
            total += count * size
    return total

"""Resolving a checkpoint: from a folder or the hub, checked to be complete.

This happens once per checkpoint, before any device is taken, so that a missing or half downloaded
one costs no GPU time and six jobs do not download the same files.
"""

from __future__ import annotations

import math
from pathlib import Path

from edit_benchmark.checkpoints import adapter, completeness, files, hub, selection
from edit_benchmark.checkpoints.fingerprint import content_hash, file_hash, fingerprint
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.checkpoints.safetensors import read_header, tensors
from edit_benchmark.checkpoints.selection import MODEL, PIPELINE, Choice, read_object
from edit_benchmark.config.base import ModelSettings, PretrainedSettings
from edit_benchmark.config.editors import (
    DiffusersEditorSettings,
    FinishedSettings,
    IdentityEditorSettings,
)
from edit_benchmark.config.judges import PixelsJudgeSettings, TransformersJudgeSettings
from edit_benchmark.config.servers import Served
from edit_benchmark.errors import UserError
from edit_benchmark.results.files import state

_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8, "BOOL": 8,
}  # fmt: skip
# The file that names the classes of a checkpoint that the libraries load.
_NAMES_CLASSES: dict[type, str] = {
    DiffusersEditorSettings: PIPELINE,
    TransformersJudgeSettings: MODEL,
    PixelsJudgeSettings: MODEL,
}
# What may have weights here, or none.
Weighted = ModelSettings | IdentityEditorSettings | FinishedSettings | Served
_FLOATS = {"F64", "F32", "F16", "BF16"}
_EIGHT_BITS = {"F8_E4M3", "F8_E5M2"}
_BYTES_OF = {"bfloat16": 2, "float16": 2, "float32": 4}


def resolve(settings: Weighted, where: str) -> Checkpoint | None:
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
    if isinstance(settings, PixelsJudgeSettings) and settings.is_of_file:
        return _of_file(folder, str(settings.checkpoint), where)
    commit = ""
    if not folder.is_dir():
        folder, commit = hub.fetch(
            settings.checkpoint, settings.revision, choice_of(settings), where
        )
    try:
        return _identified(settings, folder, commit, where)
    except OSError as error:
        raise UserError(
            f"config: {where}: checkpoint {folder}: {error.filename or 'a file'} cannot be read "
            f"({error.strerror}); mend it or download the checkpoint again."
        ) from None


def _of_file(path: Path, name: str, where: str) -> Checkpoint:
    """A checkpoint that is one file; what is in it is seen when it is loaded."""
    try:
        return Checkpoint(
            name=name,
            path=str(path),
            commit="",
            weight_bytes=path.stat().st_size,
            fingerprint=fingerprint(path),
            pipeline="",
            content_sha256=content_hash(path),
        )
    except OSError as error:
        raise UserError(
            f"config: {where}: checkpoint {name} cannot be read ({error.strerror}); mend it."
        ) from None


def _identified(settings: ModelSettings, folder: Path, commit: str, where: str) -> Checkpoint:
    """The checkpoint in ``folder``, once it is known to be whole."""
    choice = choice_of(settings)
    completeness.check(folder, where, choice)
    lora = settings.lora if isinstance(settings, DiffusersEditorSettings) else None
    if lora is not None:
        adapter.check(lora.file, where, folder, choice)
    return Checkpoint(
        name=str(settings.checkpoint),
        path=str(folder),
        commit=commit,
        fingerprint=fingerprint(folder),
        pipeline=_class_name(folder),
        weight_bytes=sum(size_loaded(folder, choice, settings.dtype).values()),
        content_sha256="" if commit else content_hash(folder),
        adapter_sha256=file_hash(lora.file) if lora else "",
    )


def weights_state(settings: Weighted) -> str:
    """A short hash of sizes and times of a model's files on this host, in a few milliseconds.

    It changes when one of them was written: then the checkpoint has to be resolved again. Of a hub
    repository the commit tells, and no file is looked at.
    """
    folder = Path(settings.checkpoint).expanduser() if settings.checkpoint else None
    paths = list(files.content(folder)) if folder is not None else []
    if isinstance(settings, DiffusersEditorSettings) and settings.lora is not None:
        paths.append(settings.lora.file)
    return state(paths)


def weights_size(settings: Weighted) -> int | None:
    """Bytes of a model's weight files, 0 without any; None if they are not on this host yet.

    An estimate from the sizes of files, for planning; :func:`resolve` counts what is loaded.
    """
    if settings.checkpoint is None:
        return 0
    folder = Path(settings.checkpoint).expanduser()
    if folder.is_file():
        return folder.stat().st_size
    if not folder.is_dir():
        return None
    paths = [path for path in selection.loaded(folder, choice_of(settings)) if path.is_file()]
    return sum(path.stat().st_size for path in paths)


def _class_name(folder: Path) -> str:
    for name, key in ((PIPELINE, "_class_name"), (MODEL, "architectures")):
        found = read_object(folder / name)
        if found is not None:
            value = found.get(key) or ""
            return str(value[0]) if isinstance(value, list) else str(value)
    return ""


def choice_of(settings: ModelSettings) -> Choice:
    """What of a model's checkpoint is loaded."""
    standard = _NAMES_CLASSES.get(type(settings), "")
    variant = settings.variant if isinstance(settings, PretrainedSettings) else None
    # Of the models of measures some have no tokenizer; they take no device before that is seen.
    has_words = not isinstance(settings, PixelsJudgeSettings)
    return Choice(standard, variant, settings.allow_pickle, has_words)


def size_loaded(folder: Path, choice: Choice, dtype: str) -> dict[str, int]:
    """Bytes of the weights of each part of a checkpoint once they are loaded in ``dtype``.

    Parts are the components of a pipeline by their names; of another checkpoint it is one, ``""``.
    """
    if not choice.standard:
        return {"": sum(_bytes(path, dtype) for path in selection.loaded(folder, choice))}
    return {
        part: sum(_bytes(path, dtype) for path in selection.weights_of(folder / part, choice))
        for part in selection.parts(folder, choice)
    }


def _bytes(path: Path, dtype: str) -> int:
    """Bytes of all tensors of a file once floating-point ones are cast to ``dtype``."""
    if path.suffix != ".safetensors":
        return path.stat().st_size
    with path.open("rb") as file:
        header, _ = read_header(file.fileno())
    # Without a quantiser they are cast as well.
    is_quantised = "quantization_config" in (read_object(path.parent / MODEL) or {})
    cast = _FLOATS if is_quantised else _FLOATS | _EIGHT_BITS
    total = 0
    for entry in tensors(header).values():
        kind = entry["dtype"]
        size = _BYTES_OF[dtype] if kind in cast else _BITS.get(kind, 8) // 8
        total += math.prod(entry["shape"]) * size
    return total

"""Loading models: weights read at the speed of the bus, and all of them there or refused.

``from_pretrained`` reads one tensor after another, each through mapped pages. Here several threads
read large pieces into page-locked memory, from which the device copies them, and that beside the
imports. What of a model is not in its files ``from_pretrained`` draws at random; here it is an
error.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from edit_benchmark.checkpoints.resolve import safetensors_header
from edit_benchmark.errors import UserError

log = logging.getLogger(__name__)

#: Reading threads, and bytes that one reads at a time; each has a page-locked buffer of that size.
THREADS, PIECE = 12, 64 * 2**20
# While modules are imported, a reading thread would wait 5 ms for each turn of the interpreter,
# which is longer than its reading: 5 GB/s where 20 are possible.
_SWITCH_SECONDS = 0.0002
_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip

# Raised as an error they would be in a table of many lines, and the exception would not name them.
_MISMATCHES_ARE_TOLD = {"ignore_mismatched_sizes": True}
_BASES = {"diffusers": "ModelMixin", "transformers": "PreTrainedModel"}

#: The tensors of a model by their names, once they are read.
_State = Future[dict[str, torch.Tensor]]


@dataclass
class _Piece:
    """Successive bytes of a file, and the parts of tensors on the device where they belong."""

    file: int
    offset: int
    size: int = 0
    targets: list[torch.Tensor] = field(default_factory=list)

    def add(self, target: torch.Tensor) -> None:
        self.targets.append(target)
        self.size += len(target)


class Ahead:
    """Weights of models, read while the libraries that know these models are being imported.

    Parameters
    ----------
    folders
        Of the models, each with a ``config.json``.
    settings
        A model or judge of the configuration: ``dtype`` of the weights, what is in another is left
        to from_pretrained; ``allow_pickle``, whether that may load what is not safetensors.
    device
        ``cuda`` or ``cpu``.
    """

    def __init__(self, folders: Iterable[Path], settings: Mapping[str, Any], device: str) -> None:
        self._dtype: torch.dtype = getattr(torch, settings["dtype"])
        self._allow_pickle, self._device = settings["allow_pickle"], device
        files = {folder: _files(folder, self._dtype) for folder in folders}
        self._states: dict[Path, _State] = {at: Future() for at, paths in files.items() if paths}
        work = [(files[folder], state) for folder, state in self._states.items()]
        self._reader = threading.Thread(target=self._read, args=(work,), daemon=True)
        self._reader.start()

    def load(self, folder: Path, kind: type, **more: Any) -> Any:
        """The model in ``folder``, on the device, with all of its weights.

        ``from_pretrained`` draws those at random that its files lack, and only warns.

        Parameters
        ----------
        folder
            One of those that are read, or any other.
        kind
            The model's class, of diffusers or of transformers, or one of the latter's Auto classes.
        **more
            Further arguments of its ``from_pretrained``.

        Raises
        ------
        UserError
            If weights are not those of the model that its ``config.json`` describes. Of a quantised
            one that is only logged.
        """
        model, found = self._placed(folder, kind) or self._from_pretrained(folder, kind, more)
        lacking = sorted(found["missing_keys"])
        lacking += [f"{key} of shape {tuple(ours)} in place of {tuple(wanted)}"
                    for key, ours, wanted in sorted(found.get("mismatched_keys", []))]  # fmt: skip
        if lacking and "quantization_config" in (_config(folder) or {}):
            # Which tensors a quantised model has, is its quantiser's affair.
            log.warning("%s: its quantiser reports as missing: %s", folder, ", ".join(lacking))
        elif lacking:
            raise _misfit(folder, f"missing: {', '.join(lacking)}")
        return model.eval()

    def _placed(self, folder: Path, kind: type) -> tuple[Any, dict[str, Any]] | None:
        """The model with the weights read ahead; None if from_pretrained has to read them."""
        # Not kept beside the model: it would be on the device twice once layers are replaced.
        state = self._states.pop(folder, None)
        if state is None:
            return None
        place = _place_diffusers if _is_of_diffusers(kind) else _place_transformers
        placed = place(folder, kind, state, self._dtype, self._device)
        if placed is None:
            # What was read goes before it is read again: the device may not hold it twice.
            self._reader.join()
        return placed

    def _from_pretrained(
        self, folder: Path, kind: Any, more: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        if _is_of_diffusers(kind):
            try:
                return self._whole(kind, folder, **more)
            except (RuntimeError, ValueError) as error:
                if "expected shape" in str(error) or "size mismatch" in str(error):
                    raise _misfit(folder, str(error)) from None
                raise
        return self._whole(kind, folder, **_MISMATCHES_ARE_TOLD, **more)

    def _whole(self, kind: Any, folder: Path, **more: Any) -> tuple[Any, dict[str, Any]]:
        pair: tuple[Any, dict[str, Any]] = kind.from_pretrained(
            folder,
            dtype=self._dtype,
            use_safetensors=None if self._allow_pickle else True,
            device_map=self._device if self._device != "cpu" else None,
            local_files_only=True,
            output_loading_info=True,
            **more,
        )
        return pair

    def _read(self, work: Sequence[tuple[Sequence[Path], _State]]) -> None:
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        began = time.monotonic()
        try:
            for files, state in work:
                try:
                    state.set_result(read(files, self._device))
                except BaseException as error:
                    state.set_exception(error)
        finally:
            sys.setswitchinterval(usual)
        size = sum(path.stat().st_size for files, _ in work for path in files) / 2**30
        log.info("%.1f GiB of weights read in %.1f s", size, time.monotonic() - began)


def parts(checkpoint: Path) -> dict[str, tuple[str, str]]:
    """Library and class of the parts of a diffusers pipeline by their names."""
    index = _json(checkpoint / "model_index.json") or {}
    return {name: (value[0], value[1]) for name, value in index.items() if isinstance(value, list)}


def worth_reading(checkpoint: Path) -> list[Path]:
    """The folders of a pipeline's large models, the largest first.

    Nothing is known of them yet but their libraries. The others of diffusers' models are small, and
    it has to rename some of their old tensors.
    """
    found = parts(checkpoint)
    first = [name for name in ("transformer", "unet") if name in found]
    then = [name for name, (library, _) in found.items() if library == "transformers"]
    return [checkpoint / name for name in [*first, *then]]


def model_class(library: str, name: str) -> type | None:
    """A model's class, if it is one of the library's own; a tokenizer is none."""
    if library not in _BASES:
        return None
    module = importlib.import_module(library)
    kind = getattr(module, name, None)
    base = getattr(module, _BASES[library])
    return kind if isinstance(kind, type) and issubclass(kind, base) else None


def _is_of_diffusers(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "diffusers"


def import_classes(checkpoint: Path) -> dict[str, type]:
    """Import a pipeline and all that it is made of: its models' classes by the parts' names."""
    import diffusers

    index = _json(checkpoint / "model_index.json") or {}
    getattr(diffusers, index.get("_class_name", ""), None)
    found = {name: model_class(*part) for name, part in parts(checkpoint).items()}
    return {name: kind for name, kind in found.items() if kind is not None}


def is_plain(folder: Path) -> bool:
    """Whether a model is nothing but its config and its weights.

    Quantised ones, adapters and those with code of their own only from_pretrained can make.
    """
    config = _config(folder)
    return (
        config is not None
        and not {"quantization_config", "auto_map"} & set(config)
        and not (folder / "adapter_config.json").is_file()
    )


def _files(folder: Path, dtype: torch.dtype) -> list[Path]:
    """The weight files of a model; none if it is not plain, a variant, or in another dtype.

    Weights in another dtype would be on the device twice until they are converted.
    """
    if not is_plain(folder):
        return []
    for name in ("diffusion_pytorch_model.safetensors", "model.safetensors"):
        index = folder / f"{name}.index.json"
        if (folder / name).is_file():
            files = [folder / name]
        elif index.is_file():
            parts = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            files = [folder / part for part in sorted(set(parts))]
        else:
            continue
        return [] if any(_in_another(dtype, file) for file in files) else files
    return []


def _config(folder: Path) -> dict[str, Any] | None:
    return _json(folder / "config.json")


def _json(path: Path) -> dict[str, Any] | None:
    """A file's object; None if there is no such file, or nothing to be read in it."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content


def _in_another(dtype: torch.dtype, path: Path) -> bool:
    with path.open("rb") as file:
        header, _ = safetensors_header(file.fileno())
    kinds = {_DTYPES.get(entry["dtype"]) for name, entry in header.items() if name[:2] != "__"}
    return any(kind is None or (kind.is_floating_point and kind != dtype) for kind in kinds)


def _place_diffusers(
    folder: Path, kind: Any, state: _State, dtype: torch.dtype, device: str
) -> tuple[Any, dict[str, Any]] | None:
    import accelerate

    if getattr(kind, "_keep_in_fp32_modules", None):
        return None
    # Buffers are computed, not read, and so they are made for real.
    with accelerate.init_empty_weights(include_buffers=False):
        model: Any = kind.from_config(_config(folder))
    try:
        found = model.load_state_dict(state.result(), strict=False, assign=True)
    except RuntimeError as error:
        raise _misfit(folder, str(error)) from None
    if found.missing_keys:
        return None  # perhaps only renamed; what is really missing diffusers will say
    return model.to(device), {"missing_keys": []}


def _place_transformers(
    folder: Path, kind: Any, state: _State, dtype: torch.dtype, device: str
) -> tuple[Any, dict[str, Any]]:
    # transformers itself places the tensors: it knows which are renamed and which are tied.
    import transformers

    own = {}
    if (folder / "generation_config.json").is_file():
        own["generation_config"] = transformers.GenerationConfig.from_pretrained(folder)
    pair: tuple[Any, dict[str, Any]] = kind.from_pretrained(
        None,
        config=kind.config_class.from_pretrained(folder, local_files_only=True),
        state_dict=state.result(),
        dtype=dtype,
        device_map=device if device != "cpu" else None,
        output_loading_info=True,
        **_MISMATCHES_ARE_TOLD,
        **own,
    )
    return pair


def _misfit(folder: Path, problem: str) -> UserError:
    return UserError(
        f"{folder}: the weights do not fit its config.json ({' '.join(problem.split())[:300]}); "
        "download the checkpoint again."
    )


def read(files: Sequence[Path], device: str) -> dict[str, torch.Tensor]:
    """All tensors of safetensors files, by name, on ``device``."""
    state: dict[str, torch.Tensor] = {}
    pieces: queue.SimpleQueue[_Piece] = queue.SimpleQueue()
    handles = [os.open(path, os.O_RDONLY) for path in files]
    try:
        for handle in handles:
            for piece in _pieces(handle, device, state):
                pieces.put(piece)
        if device != "cpu":
            # The allocator's memory may still be read by what was queued before.
            torch.cuda.synchronize()
        errors: list[BaseException] = []
        workers = [
            threading.Thread(target=_work, args=(pieces, device, errors), daemon=True)
            for _ in range(THREADS)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if errors:
            raise errors[0]
    finally:
        for handle in handles:
            os.close(handle)
    return state


def _pieces(file: int, device: str, state: dict[str, torch.Tensor]) -> Iterator[_Piece]:
    """A file's data in pieces; its tensors, still empty, are added to ``state``."""
    header, start = safetensors_header(file)
    entries = [(name, entry) for name, entry in header.items() if name != "__metadata__"]
    piece = _Piece(file, start)
    for name, entry in sorted(entries, key=lambda item: item[1]["data_offsets"]):
        tensor = torch.empty(entry["shape"], dtype=_DTYPES[entry["dtype"]], device=device)
        state[name] = tensor
        rest = tensor.reshape(-1).view(torch.uint8)
        while len(rest):
            piece.add(rest[: PIECE - piece.size])
            rest = rest[len(piece.targets[-1]) :]
            if piece.size == PIECE:
                yield piece
                piece = _Piece(file, piece.offset + PIECE)
    if piece.size:
        yield piece


def _work(pieces: queue.SimpleQueue[_Piece], device: str, errors: list[BaseException]) -> None:
    try:
        reader = _to_host if device == "cpu" else _through_pinned_memory
        reader(pieces)
    except BaseException as error:
        errors.append(error)


def _take(pieces: queue.SimpleQueue[_Piece]) -> _Piece | None:
    try:
        return pieces.get_nowait()
    except queue.Empty:
        return None


def _to_host(pieces: queue.SimpleQueue[_Piece]) -> None:
    while (piece := _take(pieces)) is not None:
        offset = piece.offset
        for target in piece.targets:
            _fill(target, piece.file, offset)
            offset += len(target)


def _through_pinned_memory(pieces: queue.SimpleQueue[_Piece]) -> None:
    buffer = torch.empty(PIECE, dtype=torch.uint8, pin_memory=True)
    stream = torch.cuda.Stream()
    while (piece := _take(pieces)) is not None:
        _fill(buffer[: piece.size], piece.file, piece.offset)
        with torch.cuda.stream(stream):
            parts = buffer[: piece.size].split([len(target) for target in piece.targets])
            for target, part in zip(piece.targets, parts, strict=True):
                target.copy_(part, non_blocking=True)
        # Copying takes a twentieth of the time that reading takes: a second buffer gains nothing.
        stream.synchronize()


def _fill(target: torch.Tensor, file: int, offset: int) -> None:
    """Read bytes into host memory; one call may give fewer than asked for."""
    view = memoryview(target.numpy())  # type: ignore[arg-type]
    while view:
        count = os.preadv(file, [view], offset)
        if count == 0:
            raise EOFError("a weight file is shorter than its header says")
        view = view[count:]
        offset += count

"""Reading a model's weights at the speed of the bus.

``from_pretrained`` reads one tensor after another, each through mapped pages. Here several threads
read large pieces into page-locked memory and hand them to the device, which copies meanwhile.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from ..checkpoints import safetensors_header
from ..errors import UserError

#: Reading threads, and bytes that one reads at a time; each has two buffers of that size.
THREADS, PIECE = 12, 16 * 2**20
# While modules are imported, a reading thread would wait 5 ms for each turn of the interpreter,
# which is longer than its reading: 5 GB/s where 20 are possible.
_SWITCH_SECONDS = 0.0002
_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


#: The tensors of a model by their names, once they are read.
_State = Future[dict[str, torch.Tensor]]


@dataclass(frozen=True)
class _Piece:
    """Bytes of a file, and where on the device they belong."""

    file: int
    offset: int
    target: torch.Tensor


class Ahead:
    """A checkpoint's weights, read while the libraries that know its models are being imported.

    Nothing is known of the models yet: :meth:`models` leaves out what it cannot use.

    Parameters
    ----------
    checkpoint
        Folder of a diffusers pipeline, with a ``model_index.json``.
    dtype
        Of the weights; what is in another is left to from_pretrained.
    device
        ``cuda`` or ``cpu``.
    """

    def __init__(self, checkpoint: Path, dtype: torch.dtype, device: str) -> None:
        self._checkpoint, self._dtype, self._device = checkpoint, dtype, device
        self._classes = _classes(checkpoint)
        files = {name: _files(checkpoint / name, dtype) for name in self._classes}
        self._states: dict[str, _State] = {name: Future() for name, paths in files.items() if paths}
        parts = [(files[name], state) for name, state in self._states.items()]
        threading.Thread(target=self._read, args=(parts,), daemon=True).start()

    def models(self) -> dict[str, Any]:
        """The pipeline's models by their names, on the device; those are missing for which only
        from_pretrained knows how.

        That is a class that is not the library's own or keeps parts in float32, and weights that
        are quantised, in another dtype or not safetensors. To be called once.

        Raises
        ------
        UserError
            If weights are not those of the model that its ``config.json`` describes.
        """
        found = {}
        for name in list(self._states):
            library, kind = self._classes[name]
            place = _diffusers_model if library == "diffusers" else _transformers_model
            # Not kept beside the model: it would be on the device twice once layers are replaced.
            state = self._states.pop(name)
            model = place(self._checkpoint / name, kind, state, self._dtype, self._device)
            if model is not None:
                found[name] = model
        return found

    def _read(self, parts: Sequence[tuple[Sequence[Path], _State]]) -> None:
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            for files, state in parts:
                try:
                    state.set_result(read(files, self._device))
                except BaseException as error:
                    state.set_exception(error)
        finally:
            sys.setswitchinterval(usual)


def _classes(checkpoint: Path) -> dict[str, tuple[str, str]]:
    """Library and class of the models worth reading ahead, the largest first."""
    try:
        index = json.loads((checkpoint / "model_index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    pairs = {name: tuple(value) for name, value in index.items() if isinstance(value, list)}
    return {name: pairs[name] for name in ("transformer", "unet") if name in pairs} | {
        name: pair for name, pair in pairs.items() if pair[0] == "transformers"
    }


def _files(folder: Path, dtype: torch.dtype) -> list[Path]:
    """The weight files of a model; none if they are quantised, a variant, or in another dtype.

    Weights in another dtype would be on the device twice until they are converted.
    """
    if "quantization_config" in _config(folder):
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


def _config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"quantization_config": "unknown"}
    return config


def _in_another(dtype: torch.dtype, path: Path) -> bool:
    with path.open("rb") as file:
        header, _ = safetensors_header(file.fileno())
    kinds = {_DTYPES.get(entry["dtype"]) for name, entry in header.items() if name[:2] != "__"}
    return any(kind is None or (kind.is_floating_point and kind != dtype) for kind in kinds)


def _diffusers_model(
    folder: Path, name: str, state: _State, dtype: torch.dtype, device: str
) -> Any | None:
    import accelerate
    import diffusers

    kind = _subclass(diffusers, name, diffusers.ModelMixin)
    if kind is None or getattr(kind, "_keep_in_fp32_modules", None):
        return None
    # Buffers are computed, not read, and so they are made for real.
    with accelerate.init_empty_weights(include_buffers=False):
        model: Any = kind.from_config(_config(folder))
    try:
        model.load_state_dict(state.result(), strict=True, assign=True)
    except RuntimeError as error:
        raise _misfit(folder, str(error)) from None
    return model.to(device).eval()


def _transformers_model(
    folder: Path, name: str, state: _State, dtype: torch.dtype, device: str
) -> Any | None:
    # transformers itself places the tensors: it knows which are renamed and which are tied.
    import transformers

    kind = _subclass(transformers, name, transformers.PreTrainedModel)
    if kind is None:
        return None
    model, found = kind.from_pretrained(
        None,
        config=kind.config_class.from_pretrained(folder, local_files_only=True),
        state_dict=state.result(),
        dtype=dtype,
        device_map=device if device != "cpu" else None,
        output_loading_info=True,
    )
    if found["missing_keys"]:
        raise _misfit(folder, f"missing: {', '.join(sorted(found['missing_keys']))}")
    return model.eval()


def _subclass(library: ModuleType, name: str, base: type) -> Any | None:
    kind = getattr(library, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, base) else None


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
            header, start = safetensors_header(handle)
            for name, entry in header.items():
                if name == "__metadata__":
                    continue
                state[name] = torch.empty(
                    entry["shape"], dtype=_DTYPES[entry["dtype"]], device=device
                )
                flat = state[name].reshape(-1).view(torch.uint8)
                for at in range(0, len(flat), PIECE):
                    target = flat[at : at + PIECE]
                    pieces.put(_Piece(handle, start + entry["data_offsets"][0] + at, target))
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
        _fill(piece.file, piece.offset, piece.target)


def _through_pinned_memory(pieces: queue.SimpleQueue[_Piece]) -> None:
    buffers = [torch.empty(PIECE, dtype=torch.uint8, pin_memory=True) for _ in range(2)]
    copied = [torch.cuda.Event() for _ in buffers]
    stream = torch.cuda.Stream()
    turn = 0
    while (piece := _take(pieces)) is not None:
        copied[turn].synchronize()
        part = buffers[turn][: len(piece.target)]
        _fill(piece.file, piece.offset, part)
        with torch.cuda.stream(stream):
            piece.target.copy_(part, non_blocking=True)
        copied[turn].record(stream)
        turn = 1 - turn
    stream.synchronize()


def _fill(file: int, offset: int, target: torch.Tensor) -> None:
    """Read bytes into host memory; one call may give fewer than asked for."""
    view = memoryview(target.numpy())  # type: ignore[arg-type]
    while view:
        count = os.preadv(file, [view], offset)
        if count == 0:
            raise EOFError("a weight file is shorter than its header says")
        view = view[count:]
        offset += count

"""Reading a model's weights at the speed of the bus.

``from_pretrained`` reads one tensor after another, each through mapped pages. Here several threads
read large pieces into page-locked memory and hand them to the device, which copies meanwhile.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import accelerate
import diffusers
import torch

from ..checkpoints import safetensors_header
from ..errors import UserError

#: Reading threads, and bytes that one reads at a time; each has two buffers of that size.
THREADS, PIECE = 8, 32 * 2**20
_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


@dataclass(frozen=True)
class _Piece:
    """Bytes of a file, and where on the device they belong."""

    file: int
    offset: int
    target: torch.Tensor


def load_model(folder: Path, dtype: torch.dtype, device: str) -> Any | None:
    """The diffusers model in ``folder`` on ``device``; None where only from_pretrained knows how.

    None stands for a class that is not diffusers' own or keeps parts in float32, and for weights
    that are quantised, in another dtype or not safetensors.

    Raises
    ------
    UserError
        If the weights are not those of the model that ``config.json`` describes.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    kind: Any = getattr(diffusers, str(config.get("_class_name")), None)
    files = sorted(folder.glob("diffusion_pytorch_model*.safetensors"))
    if (
        not (isinstance(kind, type) and issubclass(kind, diffusers.ModelMixin))
        or not files
        or "quantization_config" in config
        or getattr(kind, "_keep_in_fp32_modules", None)
        or any(".fp16" in file.name for file in files)
        or any(_in_another(dtype, file) for file in files)
    ):
        return None
    # Buffers are computed, not read, and so they are made for real.
    with accelerate.init_empty_weights(include_buffers=False):
        model: Any = kind.from_config(config)  # type: ignore[attr-defined]
    state = read(files, device)
    try:
        model.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise UserError(
            f"{folder}: the weights do not fit its config.json "
            f"({' '.join(str(error).split())[:300]}); download the checkpoint again."
        ) from None
    return model.to(device).eval()


def _in_another(dtype: torch.dtype, path: Path) -> bool:
    """Whether weights would be on the device twice until they are converted."""
    with path.open("rb") as file:
        header, _ = safetensors_header(file.fileno())
    kinds = {_DTYPES[entry["dtype"]] for name, entry in header.items() if name != "__metadata__"}
    return any(kind.is_floating_point and kind != dtype for kind in kinds)


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

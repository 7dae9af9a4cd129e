"""Reading weight files: several threads, large pieces, page-locked memory.

``from_pretrained`` reads one tensor after another, each through mapped pages. Here several threads
read large pieces into page-locked memory, from which the device copies them.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from edit_benchmark.checkpoints.safetensors import read_header, tensors

#: Reading threads.
THREADS = 12
#: Bytes that a thread reads at a time; each thread has a page-locked buffer of that size.
PIECE = 64 * 2**20
#: PyTorch's types by the names of the safetensors format.
DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


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


def read(files: Sequence[Path], device: str) -> dict[str, torch.Tensor]:
    """All tensors of safetensors files, by name, on ``device``: ``cuda``, ``cuda:1``, ``cpu``."""
    state: dict[str, torch.Tensor] = {}
    pieces: queue.SimpleQueue[_Piece] = queue.SimpleQueue()
    descriptors = [os.open(path, os.O_RDONLY) for path in files]
    try:
        for descriptor in descriptors:
            for piece in _pieces(descriptor, device, state):
                pieces.put(piece)
        if device != "cpu":
            # The allocator's memory may still be read by what was queued before.
            torch.cuda.synchronize(device)
        errors: list[BaseException] = []
        threads = [
            threading.Thread(target=_read_pieces, args=(pieces, device, errors), daemon=True)
            for _ in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    return state


def _pieces(file: int, device: str, state: dict[str, torch.Tensor]) -> Iterator[_Piece]:
    """A file's data in pieces; its tensors, still empty, are added to ``state``."""
    header, start = read_header(file)
    piece = _Piece(file, start)
    for name, entry in sorted(tensors(header).items(), key=lambda item: item[1]["data_offsets"]):
        tensor = torch.empty(entry["shape"], dtype=DTYPES[entry["dtype"]], device=device)
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


def _read_pieces(
    pieces: queue.SimpleQueue[_Piece], device: str, errors: list[BaseException]
) -> None:
    """One thread's work: read pieces until none is left, or note what went wrong."""
    try:
        if device == "cpu":
            _read_to_host(pieces)
        else:
            _read_through_pinned_memory(pieces, device)
    except BaseException as error:
        errors.append(error)


def _next(pieces: queue.SimpleQueue[_Piece]) -> _Piece | None:
    try:
        return pieces.get_nowait()
    except queue.Empty:
        return None


def _read_to_host(pieces: queue.SimpleQueue[_Piece]) -> None:
    while (piece := _next(pieces)) is not None:
        offset = piece.offset
        for target in piece.targets:
            _fill(target, piece.file, offset)
            offset += len(target)


def _read_through_pinned_memory(pieces: queue.SimpleQueue[_Piece], device: str) -> None:
    buffer = torch.empty(PIECE, dtype=torch.uint8, pin_memory=True)
    stream = torch.cuda.Stream(device)
    while (piece := _next(pieces)) is not None:
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

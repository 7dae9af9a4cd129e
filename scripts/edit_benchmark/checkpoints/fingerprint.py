"""Hashes that tell one set of weights from another: of all bytes, of some, or of none at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import Any

from edit_benchmark.checkpoints import files
from edit_benchmark.checkpoints.safetensors import BROKEN, read_header, tensors

# Bytes read from the middle of each tensor.
_PROBE = 4096
# Bytes of a file that one thread hashes, and that it reads at once.
_PART, _BLOCK = 2**28, 2**22


def content_hash(folder: Path) -> str:
    """SHA-256 over the names and all bytes of the files of a checkpoint's folder.

    Parts of files are read by several threads: 54 GiB in a few seconds from the page cache, where
    they stay for the jobs that load them next.
    """
    paths = list(files.content(folder))
    digest = hashlib.sha256()
    for path, value in zip(paths, _hashes(paths), strict=True):
        digest.update(_bytes(f"{path.relative_to(folder).as_posix()}\0{value}\0"))
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """Hash of all bytes of a file: SHA-256 over its size and the SHA-256 of each part."""
    (value,) = _hashes([path])
    return value


def _hashes(paths: Sequence[Path]) -> list[str]:
    """:func:`file_hash` of each of ``paths``."""
    sizes = [path.stat().st_size for path in paths]
    parts = [
        [(path, offset) for offset in range(0, size, _PART)]
        for path, size in zip(paths, sizes, strict=True)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = iter(list(pool.map(_part_hash, chain.from_iterable(parts))))
    hashes = []
    for size, own in zip(sizes, parts, strict=True):
        digest = hashlib.sha256(str(size).encode())
        for value in islice(found, len(own)):
            digest.update(value)
        hashes.append(digest.hexdigest())
    return hashes


def _part_hash(part: tuple[Path, int]) -> bytes:
    """SHA-256 of at most :data:`_PART` bytes of a file from an offset on."""
    path, offset = part
    digest = hashlib.sha256()
    block = memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        left = _PART
        while left and (count := file.readinto(block[: min(left, _BLOCK)])):
            digest.update(block[:count])
            left -= count
    return digest.digest()


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")  # a file's name need not be UTF-8


def fingerprint(folder: Path) -> str:
    """Hash of a checkpoint's content, in about a second for 58 GB.

    It covers every configuration and tokenizer file whole, and of each safetensors file the header
    (names, shapes, types) and 4 KiB from the middle of every tensor: training or merging changes
    each tensor, so another set of weights of the same shapes is told apart without reading all of
    them. Names of folders above and time stamps do not enter.
    """
    digest = hashlib.sha256()
    for path in files.content(folder):
        digest.update(_bytes(f"{path.relative_to(folder).as_posix()}\0"))
        if path.suffix == ".safetensors":
            _add_weights(path, digest)
        elif path.suffix in files.PICKLED:
            digest.update(f"{path.stat().st_size}\0{path.stat().st_mtime_ns}".encode())
        else:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def file_fingerprint(path: Path) -> str:
    """The same hash of a single safetensors file; its name does not enter."""
    digest = hashlib.sha256()
    _add_weights(path, digest)
    return digest.hexdigest()


def _add_weights(path: Path, digest: Any) -> None:
    """Add the header and the middle of every tensor of a safetensors file to ``digest``."""
    with path.open("rb") as file:
        try:
            header, start = read_header(file.fileno())
        except BROKEN:  # one that is not loaded, whose download may still go on
            digest.update(str(path.stat().st_size).encode())
            return
        digest.update(json.dumps(header, sort_keys=True).encode())
        for _, entry in sorted(tensors(header).items()):
            first, last = entry["data_offsets"]
            middle = start + max(first, (first + last - _PROBE) // 2)
            digest.update(os.pread(file.fileno(), min(_PROBE, last - first), middle))

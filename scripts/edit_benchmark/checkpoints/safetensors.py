"""Headers of safetensors files, read without any library.

Format: 8 bytes of little-endian header length, the header as JSON, the data
(https://github.com/huggingface/safetensors, "Format").
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

#: What is raised at a file that is not in this format, or whose header describes no tensors.
BROKEN = (
    ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error,
)  # fmt: skip
# The format's own limit.
_LONGEST_HEADER = 100_000_000


def read_header(descriptor: int) -> tuple[dict[str, Any], int]:
    """Header of an open safetensors file, and the offset in bytes at which its data starts.

    Raises
    ------
    One of BROKEN
        If the file is not in this format.
    """
    (length,) = struct.unpack("<Q", os.pread(descriptor, 8, 0))
    if length > _LONGEST_HEADER:
        raise ValueError("header too long")
    return json.loads(os.pread(descriptor, length, 8)), 8 + length


def tensors(header: dict[str, Any]) -> dict[str, Any]:
    """The header's entries that describe tensors: dtype, shape and data_offsets by name."""
    return {name: entry for name, entry in header.items() if name != "__metadata__"}

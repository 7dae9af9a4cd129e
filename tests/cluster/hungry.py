"""Toys that meet the limits of a job."""

from __future__ import annotations

import time

from toys import Painter


class Hungry(Painter):
    """Takes 2 GB of memory while it loads, and keeps it."""

    def __init__(self, checkpoint: str | None, dtype: str, device: str) -> None:
        super().__init__(checkpoint, dtype, device)
        self._food = b"x" * 2_000_000_000
        time.sleep(8)  # until it was looked at

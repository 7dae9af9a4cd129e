"""Numbers drawn from a seed, the same in every version of Python and numpy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Dice:
    """A stream of numbers that follows from ``seed`` alone: SHA-256 of the seed and a counter."""

    def __init__(self, seed: str) -> None:
        self._seed, self._count, self._left = seed, 0, b""

    def below(self, count: int) -> int:
        """A number from 0 to ``count`` - 1, ``count`` far below 2**32."""
        if not self._left:
            self._left = hashlib.sha256(f"{self._seed}/{self._count}".encode()).digest()
            self._count += 1
        word, self._left = self._left[:4], self._left[4:]
        return int.from_bytes(word, "big") % count

    def between(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def one(self, items: Sequence[Item]) -> Item:
        return items[self.below(len(items))]

    def some(self, items: Sequence[Item], count: int) -> list[Item]:
        """``count`` different ones of ``items``, in random order."""
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in range(count)]

"""Rows that stay in their table: of a large benchmark there are more than fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from edit_benchmark.results.tables import Record, each_row


@dataclass(frozen=True)
class StoredRows(Generic[Record]):
    """The rows of ``kind`` in a table, read anew each time that one goes through them.

    ``changes`` are made to each of them, in this order.
    """

    path: Path
    kind: type[Record]
    changes: tuple[Callable[[Record], Record], ...] = ()

    def __iter__(self) -> Iterator[Record]:
        rows = each_row(self.path, self.kind)
        for change in self.changes:
            rows = map(change, rows)
        return rows

    def changed(self, change: Callable[[Record], Record]) -> StoredRows[Record]:
        """The same rows, each with one more change."""
        return StoredRows(self.path, self.kind, (*self.changes, change))

"""What failed, counted by reason."""

from __future__ import annotations

from collections.abc import Iterable

from edit_benchmark.records import JUDGE_FAILED, SCORED, STATUSES, Score
from edit_benchmark.report.rows import FailureRow


class Failures:
    """Samples of which an edit has no score, by model, judge, status and reason."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str, str, str], dict[str, None]] = {}

    def add(self, scores: Iterable[Score]) -> None:
        """Take more rows."""
        for row in scores:
            if row.status != SCORED:
                # A failed edit fails under every judge alike; one that a judge leaves out does not.
                judge = row.judge if row.status == JUDGE_FAILED or row.image else ""
                kind = (row.model, judge, row.status, row.reason)
                self._ids.setdefault(kind, {})[row.id] = None

    def rows(self) -> list[FailureRow]:
        """One row a kind, the most frequent first."""
        rows = [
            FailureRow(*kind, count=len(ids), ids=tuple(ids)) for kind, ids in self._ids.items()
        ]
        order = {status: position for position, status in enumerate(STATUSES)}
        return sorted(
            rows,
            key=lambda row: (-row.count, order[row.status], row.model, row.judge, row.reason),
        )

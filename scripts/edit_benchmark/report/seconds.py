"""How long models and judges took for an image."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from statistics import median

from edit_benchmark.records import SCORED, Score
from edit_benchmark.report.inputs import configured


class Seconds:
    """Seconds an image, of models by their names in the configuration, and of judges."""

    def __init__(self) -> None:
        self._edits: dict[str, array[float]] = {}
        self._answers: dict[str, array[float]] = {}

    def add(self, rows: Sequence[Score]) -> None:
        """Take the rows of one model and judge."""
        model, judge = configured(rows[0].model), rows[0].judge
        edits = array("d", (row.edit_seconds for row in rows if row.edit_seconds is not None))
        # Each judge has a row of the same edit.
        self._edits[model] = max(edits, self._edits.get(model, array("d")), key=len)
        self._answers.setdefault(judge, array("d")).extend(
            row.judge_seconds
            for row in rows
            if row.status == SCORED and row.judge_seconds is not None
        )

    def median(self, section: str, name: str) -> float | None:
        """The median of one of the ``models`` or ``judges``; None if nothing is known."""
        seconds = (self._edits if section == "models" else self._answers).get(name)
        return median(seconds) if seconds else None

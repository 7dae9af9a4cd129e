"""Dividing a category's edits among score jobs, and joining their tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edit_benchmark.errors import UserError
from edit_benchmark.records import EDITED, Edit, Score
from edit_benchmark.results.files import state
from edit_benchmark.results.tables import each_row


def chunk(edits: Sequence[Edit], number: int, size: int) -> list[Edit]:
    """The edited rows that score job ``number`` (from 1) takes, ``size`` at most."""
    edited = [edit for edit in edits if edit.status == EDITED]
    return edited[(number - 1) * size : number * size]


def paired(first: Sequence[Edit], second: Sequence[Edit]) -> list[tuple[Edit, Edit]]:
    """Two models' rows of the same samples and repeats, in the order of ``first``."""
    others = {(edit.id, edit.repeat): edit for edit in second}
    return [
        (edit, others[edit.id, edit.repeat]) for edit in first if (edit.id, edit.repeat) in others
    ]


@dataclass(frozen=True)
class _Known:
    """What planning has to know of a table of edits, as long as its file stays in ``state``."""

    state: str
    edited: int
    keys: frozenset[tuple[str, int]]


class EditTables:
    """How many jobs tables of edits make; each is read once, until it is written anew.

    A workflow asks again and again while it plans: for every judge, and for every pair of models.
    """

    def __init__(self) -> None:
        self._known: dict[Path, _Known] = {}
        self._keys: dict[frozenset[tuple[str, int]], frozenset[tuple[str, int]]] = {}

    def score_jobs(self, table: Path, size: int) -> int:
        """Those that score the edited rows, ``size`` each; one even if there are none."""
        return max(1, -(-self._of(table).edited // size))

    def compare_jobs(self, first: Path, second: Path, size: int) -> int:
        """Those that compare two models' rows, see :func:`paired`; one even if there are none."""
        pairs = len(self._of(first).keys & self._of(second).keys)
        return max(1, -(-pairs // size))

    def _of(self, table: Path) -> _Known:
        now = state([table])
        known = self._known.get(table)
        if known is None or known.state != now:
            edited, rows = 0, []
            for edit in each_row(table, Edit):
                edited += edit.status == EDITED
                rows.append((edit.id, edit.repeat))
            # Models of one benchmark have the same: that is kept once.
            keys = frozenset(rows)
            known = _Known(now, edited, self._keys.setdefault(keys, keys))
            self._known[table] = known
        return known


def complete(edits: Sequence[Edit], scores: Sequence[Score], judge: str) -> list[Score]:
    """The category's table: a row for each repeat of every sample.

    Those without an edit carry its status.

    Raises
    ------
    UserError
        If an edited sample has no score row.
    """
    by_edit = {(score.id, score.repeat): score for score in scores}
    rows = []
    for edit in edits:
        if edit.status == EDITED:
            key = (edit.id, edit.repeat)
            if key not in by_edit:
                raise UserError(
                    f"sample {edit.id} was edited but not judged: the score tables are of other "
                    "edits; run again with --forcerun score."
                )
            rows.append(by_edit[key])
        else:
            rows.append(Score.of_edit(edit, judge, status=edit.status, reason=edit.reason))
    return rows

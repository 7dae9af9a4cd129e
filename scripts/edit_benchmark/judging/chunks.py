"""Dividing a category's edits among score jobs, and joining their tables."""

from __future__ import annotations

from collections.abc import Sequence

from edit_benchmark.errors import UserError
from edit_benchmark.records import EDITED, Edit, Score


def chunk(edits: Sequence[Edit], number: int, size: int) -> list[Edit]:
    """The edited rows that score job ``number`` (from 1) takes, ``size`` at most."""
    edited = [edit for edit in edits if edit.status == EDITED]
    return edited[(number - 1) * size : number * size]


def chunk_count(edits: Sequence[Edit], size: int) -> int:
    """How many score jobs the edited rows make; one even if there are none."""
    return max(1, -(-sum(edit.status == EDITED for edit in edits) // size))


def paired(first: Sequence[Edit], second: Sequence[Edit]) -> list[tuple[Edit, Edit]]:
    """Two models' rows of the same samples and repeats, in the order of ``first``."""
    others = {(edit.id, edit.repeat): edit for edit in second}
    return [
        (edit, others[edit.id, edit.repeat]) for edit in first if (edit.id, edit.repeat) in others
    ]


def pair_chunk_count(first: Sequence[Edit], second: Sequence[Edit], size: int) -> int:
    """How many jobs compare two models' edits; one even if there are none."""
    return max(1, -(-len(paired(first, second)) // size))


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

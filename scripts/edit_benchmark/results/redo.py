"""Removing finished work on purpose, so that the next run makes it anew."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edit_benchmark.categories import canonical
from edit_benchmark.errors import UserError
from edit_benchmark.records import (
    EDIT_FAILED,
    EDITED,
    JUDGE_FAILED,
    Edit,
    Preference,
    Sample,
    Score,
)
from edit_benchmark.results import former_keys
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.store import Store
from edit_benchmark.results.tables import read_rows

Row = TypeVar("Row", Edit, Score, Preference)


@dataclass(frozen=True)
class Selection:
    """What to remove: all of it that is not restricted.

    Attributes
    ----------
    samples, categories
        Only samples with these ids, of these categories (by any of their names); empty for all.
    failed
        Only samples that failed.
    scores
        Only the judges' answers; the edits stay.
    """

    samples: Collection[str] = ()
    categories: Collection[str] = ()
    failed: bool = False
    scores: bool = False


@dataclass
class Removed:
    """How much was removed: edits, answers, and failures that will be tried again."""

    edits: int = 0
    answers: int = 0
    failures: int = 0


def remove(results: Path, selection: Selection) -> Removed:
    """Remove the selected edits and answers from the store, and the tables that name them.

    Nothing else is removed: the other rows of the tables come back from the store.

    Raises
    ------
    UserError
        If nothing is selected, or a sample or category has no finished table.
    """
    if not (selection.samples or selection.categories or selection.failed or selection.scores):
        raise UserError("say what to redo: --sample, --category, --failed, --scores.")
    layout = Layout(results)
    ids = _selected_ids(layout, selection)
    removed = Removed()
    tables: set[Path] = set()
    if not selection.scores:
        tables |= _remove_edits(layout, ids, selection.failed, removed)
    tables |= _remove_answers(layout, ids, selection.failed, removed)
    for path in tables:
        path.unlink(missing_ok=True)
    return removed


def _remove_edits(
    layout: Layout, ids: Collection[str], only_failed: bool, removed: Removed
) -> set[Path]:
    """Remove edits from the store and count them; the tables that have to go."""
    store = Store(layout.edit_store)
    tables: set[Path] = set()
    for path, edit in _rows(layout.shard_tables(), Edit):
        if edit.id not in ids or (only_failed and edit.status != EDIT_FAILED):
            continue
        if edit.status == EDITED and former_keys.remove(store, edit.key):
            removed.edits += 1
        elif edit.status == EDIT_FAILED:
            store.remove(edit.key)  # the note of the jobs that it ended
            removed.failures += 1
        # Snakemake makes a missing table again only if a table that depends on it is missing too.
        tables |= {path, layout.edit_table(edit.model, edit.category)}
        tables |= set(layout.score_tables(model=edit.model, category=edit.category))
        tables |= set(layout.preference_tables(edit.model, edit.category))
    return tables


def _remove_answers(
    layout: Layout, ids: Collection[str], only_failed: bool, removed: Removed
) -> set[Path]:
    """Remove answers from the store and count them; the tables that have to go."""
    store = Store(layout.answer_store)
    tables: set[Path] = set()
    for path, score in _rows(layout.score_parts(), Score):
        if score.id not in ids or (only_failed and score.status != JUDGE_FAILED):
            continue
        removed.answers += sum(map(store.remove, score.answer_keys(only_failed)))
        if score.status == JUDGE_FAILED:
            removed.failures += 1
        tables |= {path, layout.score_table(score.judge, score.model, score.category)}
    for path, row in _rows(layout.preference_parts(), Preference):
        if row.id not in ids or (only_failed and row.status != JUDGE_FAILED):
            continue
        removed.answers += sum(map(store.remove, row.answer_keys(only_failed)))
        if row.status == JUDGE_FAILED:
            removed.failures += 1
        tables |= {path, layout.preference_table(row.judge, row.a, row.b, row.category)}
    return tables


def _selected_ids(layout: Layout, selection: Selection) -> set[str]:
    """Ids of the selected samples."""
    table = layout.samples
    if not table.exists():
        raise UserError(f"{table} is not there: nothing was run in {layout.root}; give --results.")
    samples = read_rows(table, Sample)
    unknown = set(selection.samples) - {sample.id for sample in samples}
    if unknown:
        raise UserError(f"--sample {min(unknown)}: no sample of {table} has this id.")
    categories = {canonical(name) for name in selection.categories}
    for name in selection.categories:
        if canonical(name) not in {sample.category for sample in samples}:
            raise UserError(f"--category {name}: no sample of {table} is in this category.")
    return {
        sample.id
        for sample in samples
        if (not selection.samples or sample.id in selection.samples)
        and (not categories or sample.category in categories)
    }


def _rows(tables: Iterable[Path], kind: type[Row]) -> Iterator[tuple[Path, Row]]:
    for path in tables:
        for row in read_rows(path, kind):
            yield path, row

"""Forgetting finished work on purpose, so that the next run makes it anew."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edit_benchmark.categories import canonical
from edit_benchmark.errors import UserError
from edit_benchmark.records import EDIT_FAILED, EDITED, JUDGE_FAILED, Edit, Sample, Score
from edit_benchmark.results.store import Store
from edit_benchmark.results.tables import read_rows

Row = TypeVar("Row", Edit, Score)


@dataclass(frozen=True)
class Selection:
    """What to forget: all of it that is not restricted.

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


@dataclass(frozen=True)
class Forgotten:
    """How much was forgotten: edits, answers, and failures that will be tried again."""

    edits: int
    answers: int
    failures: int


def forget(results: Path, selection: Selection) -> Forgotten:
    """Remove the selected edits and answers from the store, and the tables that they stand in.

    Nothing else is removed: what the tables held besides comes back from the store.

    Raises
    ------
    UserError
        If nothing is selected, or a sample or category has no finished table.
    """
    if not (selection.samples or selection.categories or selection.failed or selection.scores):
        raise UserError("say what to redo: --sample, --category, --failed, --scores.")
    wanted = _wanted(results, selection)
    edits, answers = Store(results / "store" / "edits"), Store(results / "store" / "answers")
    counts = {"edits": 0, "answers": 0, "failures": 0}
    tables: set[Path] = set()
    if not selection.scores:
        for path, edit in _rows(results, "edits/*/*/*-of-*.jsonl", Edit):
            if edit.id in wanted and (edit.status == EDIT_FAILED or not selection.failed):
                counts["edits"] += edit.status == EDITED and edits.remove(edit.key)
                counts["failures"] += edit.status == EDIT_FAILED
                # The tables made of it too: what is missing is only made if something needs it.
                tables |= {path, path.parent / "edits.jsonl"}
                tables |= set(results.glob(f"scores/*/{edit.model}/{edit.category}.jsonl"))
    for path, score in _rows(results, "scores/*/*/*/part-*.jsonl", Score):
        if score.id in wanted and (score.status == JUDGE_FAILED or not selection.failed):
            counts["answers"] += bool(score.answer_key) and answers.remove(score.answer_key)
            counts["failures"] += score.status == JUDGE_FAILED
            tables |= {path, path.parent.with_suffix(".jsonl")}
    for path in tables:
        path.unlink(missing_ok=True)
    return Forgotten(**counts)


def _wanted(results: Path, selection: Selection) -> set[str]:
    """Ids of the selected samples."""
    table = results / "benchmark" / "samples.jsonl"
    if not table.exists():
        raise UserError(f"{table} is not there: nothing was run in {results}; give --results.")
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


def _rows(results: Path, pattern: str, kind: type[Row]) -> Iterator[tuple[Path, Row]]:
    for path in sorted(results.glob(pattern)):
        for row in read_rows(path, kind):
            yield path, row

"""Warnings of the scores of models by judges; what many of them share is said once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from edit_benchmark.records import Score
from edit_benchmark.report.grouping import by_model_and_judge
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.rows import EQUAL_MARK, FEW_MARK, MACRO, MICRO, SummaryRow
from edit_benchmark.report.score_tables import Survey, rows_of
from edit_benchmark.report.words import Words
from edit_benchmark.stats.estimates import largest_tie

# In place of the names, of which the configuration allows none like it.
_WHO = "\0"


def score_warnings(summary: Sequence[SummaryRow], inputs: Inputs, words: Words) -> list[str]:
    """A sentence for each warning, which names all models and judges of which it is true."""
    found: dict[str, dict[str, list[str]]] = {}
    for (model, judge), rows in by_model_and_judge(summary).items():
        for text in _of_one(rows, inputs, words):
            found.setdefault(text, {}).setdefault(model, []).append(judge)
    survey = Survey.of(inputs.scores)
    sentences = []
    for text, judges_of in found.items():
        # The models that share a sentence share all its judges, or it would name too many pairs.
        alike: dict[tuple[str, ...], list[str]] = {}
        for model, judges in judges_of.items():
            alike.setdefault(tuple(judges), []).append(model)
        for shared, models in alike.items():
            who = words.sentence(
                "who" if len(models) == len(shared) == 1 else "who_each",
                models=_named(models, survey.models, "(all)", words),
                judges=_named(shared, survey.judges, "(all judges)", words),
            )
            sentences.append(text.replace(_WHO, who))
    return sentences


def _named(names: Sequence[str], every: Sequence[str], all_of_them: str, words: Words) -> str:
    if len(names) > 1 and set(names) == set(every):
        return words.cell(all_of_them)
    return words.list_separator.join(names)


def _of_one(rows: Sequence[SummaryRow], inputs: Inputs, words: Words) -> Iterator[str]:
    """The warnings of one model by one judge, without their names."""
    is_marked = any(EQUAL_MARK in row.marks for row in rows)
    # Read once, however many categories are marked.
    scores = rows_of(inputs.scores, (rows[0].model, rows[0].judge)) if is_marked else []
    for row in rows:
        if EQUAL_MARK in row.marks:
            yield words.sentence("equal", who=_WHO, **_equal_scores(row, scores, words))
        if row.category == MICRO and row.scored < row.n:
            kind = "coverage" if row.scored else "no_coverage"
            yield words.sentence(kind, who=_WHO, missing=row.n - row.scored, n=row.n)
        if row.category == MICRO and row.repeats_missing:
            yield words.sentence("repeats", who=_WHO, missing=row.repeats_missing)
    few = [
        words.cell(row.category)
        for row in rows
        if FEW_MARK in row.marks and row.n and row.category not in (MICRO, MACRO)
    ]
    if few:
        yield words.sentence("few", who=_WHO, categories=words.list_separator.join(few))


def _equal_scores(row: SummaryRow, scores: Sequence[Score], words: Words) -> Mapping[str, object]:
    """How many of a category's scores are one same number, and which."""
    values = [
        score.score
        for score in scores
        if score.category == row.category and score.score is not None
    ]
    return {
        "n": len(values),
        "share": largest_tie(values),
        "category": words.cell(row.category),
        "value": f"{Counter(values).most_common(1)[0][0]:g}",
    }

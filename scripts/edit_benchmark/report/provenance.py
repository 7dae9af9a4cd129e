"""Warnings of how numbers came about: what made edits and answers, how answers were read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from edit_benchmark.records import SCORED, Score
from edit_benchmark.report.pair_tables import PairKind
from edit_benchmark.report.rows import DEVICES_MARK, SummaryRow
from edit_benchmark.report.score_tables import Survey
from edit_benchmark.report.words import Words

# Rules that read an answer as it was meant to be given.
_PLAIN = frozenset({"strict", "labels", "probabilities"})


def mixed(survey: Survey, words: Words, pairs: Mapping[PairKind, int]) -> list[str]:
    """Warnings of models and judges that are not one thing: set up in several ways."""
    edits: dict[str, set[str]] = {}
    answers: dict[str, set[str]] = {}
    for kind in survey.kinds:
        edits.setdefault(kind.model, set()).update({kind.recipe} - {""})
        answers.setdefault(kind.judge, set()).update({kind.answer_recipe} - {""})
    for pair in pairs:
        answers.setdefault(pair.judge, set()).update({pair.answer_recipe} - {""})
    return [
        words.sentence(f"mixed_{kind}", who=name, ways=len(recipes))
        for kind, recipes_of in (("edits", edits), ("answers", answers))
        for name, recipes in recipes_of.items()
        if len(recipes) > 1
    ]


def several_devices(summary: Sequence[SummaryRow], survey: Survey, words: Words) -> list[str]:
    """The warnings that means are over edits of several kinds of devices."""
    marked = [row.model for row in summary if DEVICES_MARK in row.marks]
    sentences = []
    for model in dict.fromkeys(marked):
        # A failed edit is behind no mean.
        scored = (kind for kind in survey.kinds if kind.model == model and kind.status == SCORED)
        named = words.list_separator.join(sorted({kind.device for kind in scored if kind.device}))
        sentences.append(words.sentence("devices", model=model, devices=named))
    return sentences


def accepted(scores: Collection[Score], words: Words, pairs: Mapping[PairKind, int]) -> list[str]:
    """Warnings of edits and answers that other library versions made and that were kept."""
    edits: Counter[tuple[str, str]] = Counter()
    answers: Counter[tuple[str, str]] = Counter()
    counted = set()
    survey = Survey.of(scores)
    for kind, count in survey.kinds.items():
        if kind.judged_with:
            answers[kind.judge, kind.judged_with] += count
    for row in scores if any(kind.made_with for kind in survey.kinds) else ():
        edit = (row.model, row.id, row.repeat)
        if row.made_with and edit not in counted:
            edits[row.model, row.made_with] += 1
            counted.add(edit)
    for pair, count in pairs.items():
        for versions in pair.judged_with:
            if versions:
                answers[pair.judge, versions] += count
    return [
        words.sentence(f"accepted_{kind}", who=name, n=count, versions=versions)
        for kind, found in (("edits", edits), ("answers", answers))
        for (name, versions), count in found.items()
    ]


def readings(survey: Survey, words: Words) -> list[str]:
    """How many answers of each judge were read by which rule, if not all were as they should be."""
    counts: dict[str, Counter[str]] = {}
    for kind, count in survey.kinds.items():
        if kind.reading:
            counts.setdefault(kind.judge, Counter())[kind.reading] += count
    return [
        words.sentence(
            "readings",
            who=judge,
            rules=words.list_separator.join(f"{rule} {n}" for rule, n in rules.most_common()),
        )
        for judge, rules in counts.items()
        if set(rules) - _PLAIN
    ]

"""GEdit-Bench (stepfun-ai/Step1X-Edit, folder GEdit-Bench): VIEScore with 11 groups of tasks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edit_benchmark.official.answers import json_object, loaded, number, unparsable
from edit_benchmark.official.outcome import (
    AS_PUBLISHED,
    Outcome,
    Table,
    covered,
    groups_note,
    mean,
)

#: The groups in the order of the benchmark's code; some are written with a hyphen.
GROUPS = (
    "background_change",
    "color_alter",
    "material_alter",
    "motion_change",
    "ps_human",
    "style_change",
    "subject-add",
    "subject-remove",
    "subject-replace",
    "text_change",
    "tone_transfer",
)
LANGUAGES = ("en", "cn")
_COLUMNS = ("G_SC", "G_PQ", "G_O")
# Of a text that is no JSON: the list, or the one number, behind "score".
_SCORE = re.compile(r"""["']?\bscore["']?\s*[:=]\s*(\[[^\][]*\]|\d+(?:\.\d+)?)""", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """What one edit got.

    Attributes
    ----------
    language
        Of the instruction, ``en`` or ``cn``.
    intersection
        Whether the sample is in the benchmark's intersection subset.
    semantics, quality
        The lower number of each of the two answers, 0 to 10; None if one could not be had.
    problem
        Then why.
    """

    key: str
    group: str
    language: str
    intersection: bool
    semantics: float | None
    quality: float | None
    problem: str = ""

    @property
    def overall(self) -> float | None:
        """The geometric mean of both."""
        if self.semantics is None or self.quality is None:
            return None
        return math.sqrt(self.semantics * self.quality)


def parse(text: str) -> list[float]:
    """The numbers, 0 to 10, of one of the two answers: of success and overediting, or of
    naturalness and artifacts.

    Read are JSON with ``score``, a bare list and a bare number, as the original code does. Where
    that puts a random number in place of an answer this raises.

    Raises
    ------
    SampleError
        If there is no score, more than one, or one off the scale.
    """
    found = json_object(text)
    if found is not None and "score" in found:
        score = found["score"]
    elif re.fullmatch(r"\s*(\[[\d.,\s]+\]|\d+)\s*", text, re.ASCII):
        score = loaded(text)
    else:
        written = set(_SCORE.findall(text))
        if len(written) != 1:
            raise unparsable(text, "more than one score" if written else "no score")
        score = loaded(written.pop())
    if score is None:
        raise unparsable(text, "no list of numbers")
    scores = score if isinstance(score, list) else [score]
    if not scores:
        raise unparsable(text, "an empty list of scores")
    return [number(value, 0, 10) for value in scores]


def aggregate(rows: Sequence[Row]) -> Outcome:
    """Tables of each language, of all rows and of the intersection subset.

    Each is the mean over groups of the means over samples, G_O the mean of roots and not the root
    of means (calculate_statistics.py).
    """
    languages = [name for name in LANGUAGES if any(row.language == name for row in rows)]
    parts = [
        (language, subset, [row for row in rows if row.language == language and fits(row)])
        for language in languages
        for subset, fits in _SUBSETS
    ]
    tables, details = [], []
    notes: list[str] = []
    for language, subset, part in parts:
        if not part:
            continue
        title = f"GEdit-Bench-{language.upper()} ({subset})"
        groups = {
            group: _means([row for row in part if row.group == group])
            for group in dict.fromkeys([*GROUPS, *(row.group for row in part)])
            if any(row.group == group for row in part)
        }
        overall = tuple(mean(column) for column in zip(*groups.values(), strict=True))
        tables.append(Table(title, _COLUMNS, {AS_PUBLISHED: overall}, decimals=3))
        details.append(Table(f"{title} by group", _COLUMNS, groups, decimals=3))
        notes += [f"{title}: {note}" for note in groups_note("groups", groups, GROUPS)]
    coverage = tuple(
        covered(f"GEdit-Bench-{language.upper()}",
                [row.problem for row in rows if row.language == language])
        for language in languages
    )  # fmt: skip
    return Outcome((*tables, *details), coverage, tuple(notes))


_SUBSETS: tuple[tuple[str, Callable[[Row], bool]], ...] = (
    ("Full set", lambda row: True),
    ("Intersection subset", lambda row: row.intersection),
)


def _means(rows: Sequence[Row]) -> tuple[float | None, ...]:
    # An answer that lacks its other half counts for nothing, as in the original.
    whole = [row for row in rows if row.overall is not None]
    return (
        mean(row.semantics for row in whole),
        mean(row.quality for row in whole),
        mean(row.overall for row in whole),
    )

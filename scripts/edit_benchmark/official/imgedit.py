"""ImgEdit-Bench (PKU-YuanGroup/ImgEdit): Basic, three scores an edit, and UGE, one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from edit_benchmark.errors import SampleError
from edit_benchmark.official.answers import number, unparsable
from edit_benchmark.official.outcome import (
    AS_PUBLISHED,
    CORRECTED,
    Outcome,
    Table,
    covered,
    groups_note,
    mean,
)

#: The types of edit in the order of papers, with their headings.
EDIT_TYPES = {
    "add": "Add",
    "adjust": "Adjust",
    "extract": "Extract",
    "replace": "Replace",
    "remove": "Remove",
    "background": "Background",
    "style": "Style",
    "compose": "Hybrid",
    "action": "Action",
}
_SCORES = 3
# Digits of a number that the mean can be taken of: a judge may repeat one until its answer ends.
_LONGEST = 300
# A line that ends in a score: "Style Fidelity: 4", "**Score**: 3 (Acceptable)", "Score: 2/5.".
_LINE = re.compile(
    r"\W*(?P<name>[A-Za-z][^:：\n]*?)\W*[:：]\W*(?P<score>\d+)(?:\s*/\s*5)?[\s*_.]*(?:\([^)]*\))?[\s*_.]*",
    re.ASCII,
)


@dataclass(frozen=True)
class Row:
    """What the judge wrote about one edit.

    Attributes
    ----------
    edit_type
        One of :data:`EDIT_TYPES`; empty for UGE.
    text
        The whole answer, None if there is none.
    problem
        Then why.
    """

    key: str
    text: str | None
    edit_type: str = ""
    problem: str = ""


def published_score(text: str) -> float | None:
    """The mean, to two decimals, over lines that are a name, a colon and digits and no more.

    It is what step1_get_avgscore.py and UGE's get_average_score.py do: one score of three is a
    mean too, and a line that ends in a full stop is none. None if there is no such line.
    """
    scores = []
    for line in text.splitlines():
        parts = line.strip().split(": ")
        if len(parts) == 2 and parts[1].isdecimal() and len(parts[1]) <= _LONGEST:
            scores.append(int(parts[1]))
    return round(fmean(scores), 2) if scores else None


def parse(text: str, count: int = _SCORES) -> list[float]:
    """All ``count`` scores of an answer, 1 to 5: one for each line that ends in one.

    Raises
    ------
    SampleError
        If there are fewer or more, or one lies off the scale.
    """
    matches = [match for line in text.splitlines() if (match := _LINE.fullmatch(line.strip()))]
    if len(matches) != count:
        raise unparsable(text, f"{len(matches)} scores where {count} were asked for")
    return [number(match["score"], 1, 5) for match in matches]


def overall(means: Sequence[float | None]) -> float | None:
    """The mean over the types' means, as papers have it; it is not in the benchmark's code."""
    return mean(means)


def aggregate(rows: Sequence[Row]) -> Outcome:
    """Means by type of edit, over types, and over samples (as BAGEL's variant has it)."""

    def line(score: Callable[[Row], float | None], decimals: int | None) -> tuple:
        scores = [(row.edit_type, score(row)) for row in rows]
        means = [
            _rounded(mean(value for kind, value in scores if kind == name), decimals)
            for name in EDIT_TYPES
        ]
        return (*means, overall(means), mean(value for _, value in scores))

    lines = {AS_PUBLISHED: line(_published, 2), CORRECTED: line(_corrected, None)}
    columns = (*EDIT_TYPES.values(), "Overall", "Mean over samples")
    notes = groups_note("types", (row.edit_type for row in rows), tuple(EDIT_TYPES))
    return _outcome("ImgEdit-Bench Basic (1 to 5)", columns, lines, rows, _SCORES, notes)


def aggregate_uge(rows: Sequence[Row]) -> Outcome:
    """The mean over samples of the understanding-grounding-editing suite."""
    lines: dict[str, tuple[float | None, ...]] = {
        AS_PUBLISHED: (_rounded(mean(map(_published, rows)), 2),),
        CORRECTED: (mean(_corrected(row, 1) for row in rows),),
    }
    return _outcome("ImgEdit-Bench UGE (1 to 5)", ("Score",), lines, rows, 1, ())


def _outcome(
    title: str,
    columns: tuple[str, ...],
    lines: dict[str, tuple[float | None, ...]],
    rows: Sequence[Row],
    count: int,
    notes: tuple[str, ...],
) -> Outcome:
    published = [
        "" if _published(row) is not None else row.problem or "no_line_with_a_score" for row in rows
    ]
    coverage = (
        covered(AS_PUBLISHED, published),
        covered(CORRECTED, [_problem(row, count) for row in rows]),
    )
    note = (
        "As published, an answer counts if any of its lines ends in a plain number; corrected, if "
        f"it has {'all three scores' if count > 1 else 'its score'}, from 1 to 5.",
    )
    return Outcome((Table(title, columns, lines),), coverage, (*note, *notes))


def _published(row: Row) -> float | None:
    return None if row.text is None else published_score(row.text)


def _corrected(row: Row, count: int = _SCORES) -> float | None:
    try:
        return None if row.text is None else fmean(parse(row.text, count))
    except SampleError:
        return None


def _problem(row: Row, count: int) -> str:
    """Why a row has no score; empty if it has one."""
    if row.text is None:
        return row.problem or "no_answer"
    try:
        parse(row.text, count)
    except SampleError as error:
        return str(error)
    return ""


def _rounded(value: float | None, decimals: int | None) -> float | None:
    return value if value is None or decimals is None else round(value, decimals)

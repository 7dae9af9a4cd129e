"""The two sets called EditReward-Bench, TIGER-Lab's and EditScore's: judges against people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edit_benchmark.official.answers import unparsable
from edit_benchmark.official.outcome import (
    AS_PUBLISHED,
    CORRECTED,
    Outcome,
    Table,
    covered,
    groups_note,
    mean,
)

#: How many comparisons a group of TIGER-Lab's set has, by the set's part.
GROUP_SIZES = {"2pair": 1, "3pair": 3, "4pair": 6}
_COLUMNS = ("K=2", "K=3", "K=4", "Overall")
#: What EditScore's set asks for.
DIMENSIONS = {
    "prompt_following": "Prompt Following",
    "consistency": "Consistency",
    "overall": "Overall",
}
#: The kinds of tasks of EditScore's set.
TASK_GROUPS = {
    "object": ("subject-add", "subject-remove", "subject-replace"),
    "appearance": ("color_alter", "material_alter", "style_change", "tone_transfer"),
    "scene": ("background_change", "extract"),
    "advanced": ("ps_human", "text_change", "motion_change", "compose"),
}
TASK_TYPES = tuple(name for names in TASK_GROUPS.values() for name in names)


@dataclass(frozen=True)
class Vote:
    """One comparison of TIGER-Lab's set.

    Attributes
    ----------
    id
        Its beginning, before the first underscore, is the group.
    part
        A name of :data:`GROUP_SIZES`.
    human, judged
        Who is better, such as ``A>B`` or ``A=B``; ``judged`` is empty if there is no answer at
        all, and ``Unknown`` if it could not be read.
    problem
        Why there is none.
    """

    id: str
    part: str
    human: str
    judged: str
    problem: str = ""

    @property
    def group(self) -> str:
        """The sample whose candidates are compared."""
        return self.id.split("_")[0]


@dataclass(frozen=True)
class Scored:
    """One pair of EditScore's set, of which people preferred the first.

    Attributes
    ----------
    scores
        The judge's scores of both; None if one could not be had.
    problem
        Then why.
    """

    key: str
    task_type: str
    dimension: str
    scores: tuple[float, float] | None
    problem: str = ""


def parse_vote(text: str, comparison: str) -> str:
    r"""Who is better by an answer, such as ``A>B``.

    Read are a verdict in ``[[...]]``, ``\boxed{...}``, ``[...]`` or behind ``verdict:``, of
    letters or of left and right. The original code also takes the first comparison in any
    sentence; this takes it only where all of the answer's are the same.

    Parameters
    ----------
    comparison
        Which candidates were shown, such as ``AvsB``: the first on the left.

    Raises
    ------
    SampleError
        If the answer has no verdict, or several.
    """
    left, right = comparison.upper().split("VS")
    plain = re.sub(r"\bleft\b", left, text, flags=re.IGNORECASE)
    plain = re.sub(r"\bright\b", right, plain, flags=re.IGNORECASE)
    verdict = rf"({left}|{right})\s*([><]|={{1,2}})\s*({left}|{right})"
    for pattern in (
        rf"\[\[\s*{verdict}\s*\]\]",
        rf"\\boxed\{{\s*{verdict}\s*\}}",
        rf"\[\s*{verdict}\s*\]",
        rf"(?:verdict|answer)\W*{verdict}",
        rf"\b{verdict}\b",
    ):
        found = {_ordered(*match) for match in re.findall(pattern, plain, re.IGNORECASE)}
        if len(found) == 1:
            return found.pop()
        if found:
            raise unparsable(text, "more than one verdict")
    raise unparsable(text, "no verdict")


def _ordered(first: str, sign: str, second: str) -> str:
    first, second = first.upper(), second.upper()
    if sign == "<":
        return f"{second}>{first}"
    return f"{first}>{second}" if sign == ">" else "=".join(sorted((first, second)))


def aggregate_votes(rows: Sequence[Vote]) -> Outcome:
    """Accuracy of groups: one is right if all of its comparisons are.

    As published (inference_4pair_hf.py) an answer that could not be read is wrong, a comparison
    without any is dropped, and with it its group is never right, unless all of the group lack one;
    corrected, a group counts if all of its comparisons were read.
    """
    lines = {}
    for mode in (AS_PUBLISHED, CORRECTED):
        right: dict[str, list[float]] = {}
        for part, size in GROUP_SIZES.items():
            of_part = [row for row in rows if row.part == part]
            groups: dict[str, list[Vote]] = {}
            for row in of_part:
                # Of pairs each comparison is by itself, whatever its id.
                groups.setdefault(row.group if size > 1 else row.id, []).append(row)
            right[part] = _right_groups(list(groups.values()), size, mode)
        everything = [value for values in right.values() for value in values]
        lines[mode] = (*(mean(right[part]) for part in GROUP_SIZES), mean(everything))
    coverage = tuple(
        covered(part, [_problem(row) for row in rows if row.part == part]) for part in GROUP_SIZES
    )
    note = (
        "Overall is over groups; papers' tables agree with that only in part (it is not in the "
        "benchmark's code).",
    )
    table = Table("EditReward-Bench accuracy (%)", _COLUMNS, lines)
    return Outcome((table,), coverage, note)


def _right_groups(groups: Sequence[Sequence[Vote]], size: int, mode: str) -> list[float]:
    """100 for each group that is right and 0 for one that is not, of those that count."""
    values = []
    for group in groups:
        if mode == CORRECTED:
            counted = len(group) == size and not any(map(_problem, group))
        else:
            group = [row for row in group if row.judged]
            counted = bool(group)
        if counted:
            is_right = len(group) == size and all(row.judged == row.human for row in group)
            values.append(100.0 * is_right)
    return values


def _problem(row: Vote) -> str:
    if row.judged and row.judged != "Unknown":
        return ""
    return row.problem or ("unparsable_answer" if row.judged else "no_answer")


def aggregate_scores(rows: Sequence[Scored]) -> Outcome:
    """How often the preferred edit has the higher score, by type of task and over types.

    A tie is wrong, as in calculate_statistics.py; how many there were is noted.
    """
    by_type = {
        name: tuple(
            _accuracy([row for row in rows if row.task_type == name and row.dimension == dimension])
            for dimension in DIMENSIONS
        )
        for name in TASK_TYPES
        if any(row.task_type == name for row in rows)
    }
    by_group = {
        group: _mean_lines([by_type[name] for name in names if name in by_type])
        for group, names in TASK_GROUPS.items()
    }
    columns = tuple(DIMENSIONS.values())
    average = {AS_PUBLISHED: _mean_lines(list(by_type.values()))}
    tables = (
        Table("EditReward-Bench (EditScore) accuracy", columns, average, decimals=3),
        Table("EditReward-Bench (EditScore) by group", columns, by_group, decimals=3),
        Table("EditReward-Bench (EditScore) by type", columns, by_type, decimals=3),
    )
    coverage = tuple(
        covered(
            heading,
            [
                "" if row.scores is not None else row.problem or "no_answer"
                for row in rows
                if row.dimension == dimension
            ],
        )
        for dimension, heading in DIMENSIONS.items()
    )
    ties = sum(row.scores is not None and row.scores[0] == row.scores[1] for row in rows)
    notes = (f"{ties} pairs with equal scores count as wrong.",) if ties else ()
    absent = groups_note("types", (row.task_type for row in rows), TASK_TYPES)
    return Outcome(tables, coverage, (*notes, *absent))


def _accuracy(rows: Sequence[Scored]) -> float | None:
    scores = [row.scores for row in rows if row.scores is not None]
    return mean(float(first > second) for first, second in scores)


def _mean_lines(lines: Sequence[tuple[float | None, ...]]) -> tuple[float | None, ...]:
    return tuple(map(mean, zip(*lines, strict=True))) or (None,) * len(DIMENSIONS)

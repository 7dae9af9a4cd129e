"""One line on the terminal for each finished job: what is done, how fast, what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean

from edit_benchmark.categories import CATEGORIES
from edit_benchmark.records import EDIT_FAILED, JUDGE_FAILED, Edit, Preference, Score


def edit_line(model: str, category: str, rows: Sequence[Edit], wanted: int, at_once: int) -> str:
    """How far the edits of a category are.

    Parameters
    ----------
    rows
        Those of all finished shards.
    wanted
        Edits of the category: its samples, each so often as it is repeated.
    at_once
        Edits under way at once, for the time that is left: one a device, or several at a server.
    """
    failed = [row.reason for row in rows if row.status == EDIT_FAILED]
    parts = [f"{len(rows)} of {wanted} edited{_reasons(failed)}"]
    seconds = [row.seconds for row in rows if row.seconds]
    if seconds:
        parts.append(f"{at_once / fmean(seconds):.3g} images/s")
        if len(rows) < wanted:
            left = (wanted - len(rows)) * fmean(seconds) / at_once
            parts.append(f"about {duration(left)} left")
    return f"{_name(category)} · {model}: {', '.join(parts)}"


def score_line(
    model: str, category: str, judge: str, rows: Sequence[Score], at_once: int = 1
) -> str:
    """What a score job did, with ``at_once`` edits under way at once."""
    failed = [row.reason for row in rows if row.status == JUDGE_FAILED]
    parts = [f"{len(rows)} judged by {judge}{_reasons(failed)}"]
    seconds = [row.judge_seconds for row in rows if row.judge_seconds]
    if seconds:
        parts.append(f"{at_once / fmean(seconds):.3g} images/s")
    return f"{_name(category)} · {model}: {', '.join(parts)}"


def pair_line(
    first: str, second: str, category: str, judge: str, rows: Sequence[Preference]
) -> str:
    """What a job did that compared two models' edits."""
    failed = [row.reason for row in rows if row.status == JUDGE_FAILED]
    return (
        f"{_name(category)} · {first} and {second}: {len(rows)} compared by "
        f"{judge}{_reasons(failed)}"
    )


def _name(category: str) -> str:
    chinese = CATEGORIES.get(category)
    return f"{chinese} {category}" if chinese else category


def _reasons(failed: Iterable[str]) -> str:
    """Failures counted by the kind that their reason begins with."""
    kinds = Counter(reason.partition(":")[0] for reason in failed)
    if not kinds:
        return ""
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return f" ({kinds.total()} failed: {counted})"


def duration(seconds: float) -> str:
    """Seconds in words."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"

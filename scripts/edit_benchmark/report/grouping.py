"""Rows of one model and judge together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar


class OfModelAndJudge(Protocol):
    """What belongs to one model and judge."""

    @property
    def model(self) -> str: ...

    @property
    def judge(self) -> str: ...


Part = TypeVar("Part", bound=OfModelAndJudge)


def by_model_and_judge(rows: Iterable[Part]) -> dict[tuple[str, str], list[Part]]:
    """The rows of each model and judge, in the order of their first rows."""
    parts: dict[tuple[str, str], list[Part]] = {}
    for row in rows:
        parts.setdefault((row.model, row.judge), []).append(row)
    return parts

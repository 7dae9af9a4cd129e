"""What the last run in a results folder was to make, written as it began.

The store knows no names, and tables of former settings lie where those of the present ones will:
only Snakemake's plan says which of them count.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edit_benchmark.errors import UserError
from edit_benchmark.results.files import write_text
from edit_benchmark.results.layout import Layout


@dataclass(frozen=True)
class Maker:
    """A model or a judge.

    Attributes
    ----------
    made_by
        A text of all that determines its work, as far as it is known as a run begins.
    repeats
        Edits of each sample; 1 of a judge.
    since
        When, in seconds since 1970, the first of the last runs began that had this ``made_by``.
    """

    made_by: str
    repeats: int = 1
    since: float = 0.0


@dataclass(frozen=True)
class Table:
    """A table that a run makes, or found made; ``place`` is what its path is made of."""

    place: Sequence[str]
    to_make: bool


@dataclass(frozen=True)
class Plan:
    """The plan of a run.

    Attributes
    ----------
    begun
        When it began, in seconds since 1970 by the clock of the results' file system.
    judges
        Those that score; of those that compare there are tables alone.
    edits, scores, comparisons, selftests
        The tables of edit jobs (model, category, shard), of score jobs (judge, model, category,
        part) and of jobs that compare (judge, first, second, category, part) as far as known as it
        began, and the records of self-tests (judge, model).
    """

    begun: float
    models: Mapping[str, Maker]
    judges: Mapping[str, Maker]
    edits: Sequence[Table]
    scores: Sequence[Table]
    comparisons: Sequence[Table]
    selftests: Sequence[Table]


def write(layout: Layout, plan: Plan) -> None:
    """Keep the plan of a run that has just begun."""
    try:
        former: Plan | None = read(layout)
    except UserError:
        former = None
    content = asdict(plan)
    for section in ("models", "judges"):
        known: Mapping[str, Maker] = getattr(former, section) if former else {}
        for name, maker in content[section].items():
            same = name in known and known[name].made_by == maker["made_by"]
            maker["since"] = known[name].since if same else plan.begun
    write_text(layout.plan, json.dumps(content, ensure_ascii=False) + "\n")


def read(layout: Layout) -> Plan:
    """The plan of the last run in a results folder.

    Raises
    ------
    UserError
        If there is none.
    """
    try:
        content: dict[str, Any] = json.loads(layout.plan.read_bytes())
        return Plan(
            begun=content["begun"],
            models={name: Maker(**maker) for name, maker in content["models"].items()},
            judges={name: Maker(**maker) for name, maker in content["judges"].items()},
            edits=[Table(**table) for table in content["edits"]],
            scores=[Table(**table) for table in content["scores"]],
            comparisons=[Table(**table) for table in content["comparisons"]],
            selftests=[Table(**table) for table in content["selftests"]],
        )
    except (FileNotFoundError, NotADirectoryError):
        if layout.edit_store.is_dir():
            raise UserError(
                f"{layout.plan} is missing: an earlier version ran here, which did not write down "
                "what it was to make; it is there once the same command has begun again."
            ) from None
        raise UserError(
            f"{layout.root} is not the results folder of a run that has begun: there is no "
            f"{layout.plan.name}; give the folder that the config names as results."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{layout.plan} is not the plan of a run; it is written anew when the run begins again."
        ) from None

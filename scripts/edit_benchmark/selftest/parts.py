"""A part of a self-test, as its job writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edit_benchmark.errors import UserError
from edit_benchmark.selftest.asking import Answered


@dataclass(frozen=True)
class Part:
    """What one part of a self-test found.

    Attributes
    ----------
    judge, model
        Who was put to the test, and whose edits it was asked about.
    seconds
        That asking took, with reading the images and loading the judge.
    settings, checkpoint, rubric_sha256
        Of the judge.
    rows
        What it answered, a row an edit; none if the part has no edit.
    """

    judge: str
    model: str
    seconds: float
    settings: dict[str, Any]
    checkpoint: str | None
    rubric_sha256: str
    rows: list[Answered]

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Part:
        """What ``dataclasses.asdict`` made of it; KeyError, TypeError or AttributeError if not."""
        return cls(**{**fields, "rows": [Answered.of(row) for row in fields["rows"]]})


def read(path: Path) -> Part:
    """A part that a job wrote.

    Raises
    ------
    UserError
        If the file is none.
    """
    try:
        return Part.of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path}: not a part of a self-test; remove it and run snakemake judge_selftest "
            "--forcerun selftest_part."
        ) from None

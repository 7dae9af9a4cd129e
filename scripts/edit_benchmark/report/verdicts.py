"""What the self-test says of the judges, for the top of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edit_benchmark.errors import UserError
from edit_benchmark.report.recorded_settings import normalised
from edit_benchmark.report.words import Words
from edit_benchmark.selftest.probes import AT_MOST
from edit_benchmark.selftest.verdict import DOUBTFUL, FAILS, PASSES, UNTESTED, Check

#: The state of a judge without a self-test of its present settings.
MISSING = "missing"
# The worst first.
_STATES = (FAILS, MISSING, UNTESTED, DOUBTFUL, PASSES)


@dataclass(frozen=True)
class SelfTest:
    """The record of one judge's self-test on one model's edits.

    ``settings`` are the judge's at that time.
    """

    judge: str
    model: str
    verdict: str
    checks: list[Check]
    settings: dict[str, Any]


@dataclass(frozen=True)
class CheckRow:
    """One check as the page shows it.

    Attributes
    ----------
    title, measure
        What it asks and what it measures, in words.
    relation
        How a value that passes stands to the limit: ``≤`` or ``≥``.
    """

    title: str
    measure: str
    relation: str
    check: Check


@dataclass(frozen=True)
class Verdict:
    """One judge on one model's edits.

    Attributes
    ----------
    state
        ``passes``, ``doubtful``, ``fails``, ``untested`` or ``missing``.
    sentence
        The verdict in words.
    failures
        What the failed checks mean.
    """

    judge: str
    model: str
    state: str
    sentence: str
    failures: list[str]
    checks: list[CheckRow]


def read(paths: Sequence[Path]) -> list[SelfTest]:
    """Records of self-tests.

    Raises
    ------
    UserError
        If a file is none.
    """
    records = []
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            records.append(
                SelfTest(
                    judge=content["judge"],
                    model=content["model"],
                    verdict=content["verdict"],
                    checks=[Check(**check) for check in content["checks"]],
                    settings=dict(content["settings"]),
                )
            )
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(
                f"{path}: not the record of a self-test; remove it and run snakemake "
                "judge_selftest."
            ) from None
    return records


def verdicts(
    records: Sequence[SelfTest],
    judges: Sequence[str],
    settings: Mapping[str, Any],
    words: Words,
    comparing: Sequence[str] = (),
) -> list[Verdict]:
    """The worst first; a judge without a self-test of its present settings has the state missing.

    Measures between images are put to no test, nor are judges that score by a
    benchmark's protocol.

    Parameters
    ----------
    judges
        The judges of the report that score edits.
    settings
        The present settings of judges by name.
    comparing
        The judges that compare pairs: what they are asked in their test needs no rubric.
    """
    result = []
    for judge in (*judges, *comparing):
        untested = settings.get(judge, {}).keys() & {"measures", "protocol"}
        if untested and judge not in comparing:
            continue
        present = normalised(settings[judge], "judges") if judge in settings else None
        of_judge = [
            record
            for record in records
            if record.judge == judge and normalised(record.settings, "judges") == present
        ]
        result += [_verdict(record, words) for record in of_judge]
        if not of_judge:
            result.append(Verdict(judge, "", MISSING, words.verdicts[MISSING], [], []))
    return sorted(result, key=lambda verdict: _STATES.index(verdict.state))


def _verdict(record: SelfTest, words: Words) -> Verdict:
    return Verdict(
        judge=record.judge,
        model=record.model,
        state=record.verdict,
        sentence=words.verdicts[record.verdict],
        failures=[
            words.probes[check.name]["failure"] for check in record.checks if check.passed is False
        ],
        checks=[
            CheckRow(
                words.probes[check.name]["title"],
                words.measures[check.measure],
                "≤" if check.measure in AT_MOST else "≥",
                check,
            )
            for check in record.checks
        ],
    )

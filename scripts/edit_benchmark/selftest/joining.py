"""The parts of a self-test joined into one record.

Apart from :mod:`parts`, because a job that asks a judge needs no statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edit_benchmark.errors import UserError
from edit_benchmark.selftest.parts import Part
from edit_benchmark.selftest.verdict import judge

# What identifies a test: it is the same in all of its parts.
_IDENTITY = ("judge", "model", "settings", "checkpoint", "rubric_sha256")


def join(parts: Sequence[Part]) -> dict[str, Any]:
    """The record of a self-test, whatever number of parts it was divided into.

    Returns
    -------
    dict
        What :func:`verdict.judge` gives, what identifies the test (``judge``, ``model``,
        ``settings``, ``checkpoint``, ``rubric_sha256``), and the ``seconds`` of all parts together.

    Raises
    ------
    UserError
        If they are parts of different tests.
    """
    first = parts[0]
    for name in _IDENTITY:
        if any(getattr(part, name) != getattr(first, name) for part in parts):
            raise UserError(
                f"the parts of the self-test of judge {first.judge} on model {first.model} differ "
                f"in {name}; run snakemake judge_selftest --forcerun selftest_part."
            )
    return {
        **judge([row for part in parts for row in part.rows]),
        **{name: getattr(first, name) for name in _IDENTITY},
        "seconds": round(sum(part.seconds for part in parts), 1),
    }

"""Reading a judge's answer: JSON where benchmarks ask for it, numbers within their scale."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from edit_benchmark.errors import SampleError, shorten

UNPARSABLE = "unparsable_answer"
OFF_SCALE = "off_scale"


def unparsable(text: str, why: str) -> SampleError:
    """The error of an answer that is no score."""
    return SampleError(UNPARSABLE, f"{why} in {shorten(text)!r}")


def loaded(text: str) -> Any:
    """``text`` as JSON, None if it is none, or more deeply nested or longer than can be read."""
    try:
        # Not strict: judges break lines within texts.
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def json_object(text: str) -> dict[str, Any] | None:
    """What stands between the first and the last brace, if it is a JSON object."""
    found = loaded(text[text.find("{") : text.rfind("}") + 1])
    return found if isinstance(found, dict) else None


def number(value: object, lowest: float, highest: float) -> float:
    """``value`` as a number of the scale; digits as a text are one.

    Raises
    ------
    SampleError
        If it is none, or lies off the scale.
    """
    if isinstance(value, str) and re.fullmatch(r"\s*\d+(\.\d+)?\s*", value, re.ASCII):
        value = float(value)
    # NaN is not within the range either, and whole numbers may lie beyond it.
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not abs(value) <= sys.float_info.max
    ):
        raise SampleError(UNPARSABLE, f"{shorten(str(value))!r} is not a number")
    if not lowest <= value <= highest:
        raise SampleError(OFF_SCALE, f"{value:g} is not within {lowest:g} to {highest:g}")
    return float(value)

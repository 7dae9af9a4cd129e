"""Reading a judge's answer: JSON where benchmarks ask for it, numbers within their scale."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from edit_benchmark.errors import SampleError, shorten

UNPARSABLE = "unparsable_answer"
OFF_SCALE = "off_scale"


def unparsable(text: str, why: str) -> SampleError:
    """The error of an answer that is no score."""
    return SampleError(UNPARSABLE, f"{why} in {shorten(text)!r}")


def json_object(text: str) -> dict[str, Any] | None:
    """What stands between the first and the last brace, if it is a JSON object."""
    start, end = text.find("{"), text.rfind("}")
    try:
        # Not strict: judges break lines within texts.
        found = json.loads(text[start : end + 1], strict=False) if start >= 0 else None
    except ValueError:
        return None
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
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise SampleError(UNPARSABLE, f"{shorten(str(value))!r} is not a number")
    if not lowest <= value <= highest:
        raise SampleError(OFF_SCALE, f"{value:g} is not within {lowest:g} to {highest:g}")
    return float(value)

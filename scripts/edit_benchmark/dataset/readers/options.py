"""What is said of a benchmark beside its path and format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """What is said of a benchmark beside its path and format, as ``config/benchmark.py`` has it.

    Attributes
    ----------
    columns
        The columns that are given, by what they are; ``id`` may be a list.
    """

    language: str = "en"
    subset: str | None = None
    images: Path | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, language: str, said: str) -> Options:
        """From the JSON text of ``Benchmark.options``."""
        fields = json.loads(said or "{}")
        if "images" in fields:
            fields["images"] = Path(fields["images"])
        return cls(language, **fields)

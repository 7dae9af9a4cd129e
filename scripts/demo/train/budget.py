"""How long training goes on, and what the weights say of themselves."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SAVED_EVERY = 60.0  # seconds
# Where results go, and what has a place of its own in a weights file.
_UNTOLD = ("out", "measure", "commit", "seed")


class Budget:
    """Seconds of training; the learning rate follows them, so that it ends where they do."""

    def __init__(self, seconds: float) -> None:
        self.total = seconds
        self._began: float | None = None
        self._before = 0.0
        self._saved = time.monotonic()

    def resume(self, seconds: float) -> None:
        """So many seconds were trained before."""
        self._before = seconds

    def seconds(self) -> float:
        if self._began is None:
            return self._before
        return self._before + time.monotonic() - self._began

    def spent(self) -> bool:
        return self.seconds() >= self.total

    def steps(self) -> Iterator[int]:
        """0, 1, 2, ... until the time is over.

        It begins when the first step is done: that compiles, and is no training.
        """
        step = 0
        while not self.spent():
            yield step
            if self._began is None:
                self._began = time.monotonic()
            step += 1

    def rate(self, step: int) -> float:
        """The learning rate's share of its maximum: a short rise, then half a cosine."""
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, self.seconds() / self.total)))
        return min(1.0, (step + 1) / 200) * fall

    def saving(self) -> bool:
        """Whether it is time to save what there is."""
        if time.monotonic() - self._saved < _SAVED_EVERY:
            return False
        self._saved = time.monotonic()
        return True


def provenance(configuration: dict[str, Any], figures: dict[str, Any]) -> dict[str, str]:
    """What goes into a weights file: commit, seed, configuration, figures; no path of a machine."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    ).stdout.strip()
    told = {key: _named(value) for key, value in configuration.items() if key not in _UNTOLD}
    return {
        "format": "pt",
        "licence": "MIT",
        "commit": configuration["commit"] or commit or "unknown",
        "seed": str(configuration["seed"]),
        "configuration": json.dumps(told, sort_keys=True),
        "figures": json.dumps(figures, sort_keys=True),
    }


def _named(value: Any) -> Any:
    """A path by its last two names."""
    if isinstance(value, list):
        return [_named(one) for one in value]
    return "/".join(value.parts[-2:]) if isinstance(value, Path) else value

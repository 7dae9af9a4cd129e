"""What a run's jobs wait for, so that other runs give it back."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import ExitStack

from edit_benchmark.errors import UserError
from edit_benchmark.runtime import leases

log = logging.getLogger(__name__)


class Wishes:
    """The devices of other runs that jobs of this one wait for."""

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()
        self._held = ExitStack()

    def change_to(self, names: Iterable[str]) -> None:
        """Let other runs know that these are wished for, and no others any more."""
        wished = frozenset(names)
        if wished == self._names:
            return
        self._held.close()
        self._names = wished
        try:
            self._held.enter_context(leases.wish(sorted(wished)))
        except UserError as error:
            log.error("%s", error)


def is_wanted(name: str) -> bool:
    """Whether another run waits for a device; no, if that cannot be found out."""
    try:
        return leases.is_wanted(name)
    except UserError as error:
        log.error("%s", error)
        return False

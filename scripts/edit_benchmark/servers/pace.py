"""How fast requests may follow one another."""

from __future__ import annotations

from collections.abc import Callable


class Pace:
    """Gives each request its time, evenly spaced.

    Parameters
    ----------
    requests_per_minute, tokens_per_minute
        The limits; None for none.
    now
        The clock, in seconds.
    """

    def __init__(
        self,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        now: Callable[[], float],
    ) -> None:
        self._a_request = 60 / requests_per_minute if requests_per_minute else 0.0
        self._a_token = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._now = now
        self._next = self._held_until = now()

    def claim(self, tokens: int) -> float:
        """Seconds until a request of about ``tokens`` tokens has its turn."""
        at = max(self._now(), self._next)
        self._next = at + max(self._a_request, tokens * self._a_token)
        return at - self._now()

    def hold(self, seconds: float) -> None:
        """Let no request begin for so long: the server asked for it."""
        self._held_until = max(self._held_until, self._now() + seconds)

    @property
    def held(self) -> float:
        """Seconds for which nothing may begin."""
        return max(0.0, self._held_until - self._now())

"""Doing several things at once that wait for others: a server, not this host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def as_they_come(
    items: Sequence[Item], at_once: int, do: Callable[[Item], Result]
) -> Iterator[Result]:
    """What ``do`` makes of ``items``, so many at once in threads, in the order in which they end.

    Raises
    ------
    Exception
        Whatever ``do`` raises, once what is under way has ended: it may be paid.
    """
    pool = ThreadPoolExecutor(at_once)
    try:
        for future in as_completed([pool.submit(do, item) for item in items]):
            yield future.result()
    except KeyboardInterrupt:
        # Who interrupts does not want to wait.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()

"""What was asked of servers and what it cost: a ledger of two lines a request.

A line is written before a request is sent, with the most that it may cost, and one when the answer
is there, with the tokens that were counted. A request whose job was killed has only the first: it
may have been paid, so a budget counts it with its most, and a report says how many there are.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from edit_benchmark.errors import UserError
from edit_benchmark.results.files import locked

_MILLION = 1_000_000


@dataclass(frozen=True)
class Usage:
    """Tokens of one request or several: ``image`` is the part of ``input`` that images were."""

    input: int = 0
    output: int = 0
    image: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.input + other.input, self.output + other.output, self.image + other.image)

    def or_more(self, other: Usage) -> Usage:
        """The larger input and the larger output of both."""
        return Usage(max(self.input, other.input), max(self.output, other.output))

    def cost(self, price: Mapping[str, Any]) -> float:
        """What they cost; ``price`` has ``input``, ``output`` and ``image``, see the settings."""
        of_image = price["input"] if price["image"] is None else price["image"]
        return (
            (self.input - self.image) * price["input"]
            + self.image * of_image
            + self.output * price["output"]
        ) / _MILLION


@dataclass
class Spent:
    """What one name asked of its server.

    Attributes
    ----------
    model
        The model that was asked for.
    price
        As the last request's settings had it; None without one.
    answered, usage
        Requests whose tokens were counted, and their tokens.
    most
        What each of the others may have used at most, by the request's id.
    largest
        The largest input and the largest output that an answer counted.
    """

    section: str
    name: str
    model: str = ""
    price: dict[str, Any] | None = None
    answered: int = 0
    usage: Usage = field(default_factory=Usage)
    most: dict[str, Usage] = field(default_factory=dict)
    largest: Usage = field(default_factory=Usage)

    @property
    def cost(self) -> float | None:
        """Of what was counted; None without a price."""
        return self.usage.cost(self.price) if self.price else None

    @property
    def cost_at_most(self) -> float | None:
        """With what was not counted."""
        return sum(self.most.values(), self.usage).cost(self.price) if self.price else None


@dataclass
class Spending:
    """The sums over a ledger's lines, in the order of their first requests."""

    by_name: dict[tuple[str, str], Spent] = field(default_factory=dict)

    def add(self, lines: Iterable[bytes]) -> None:
        """Count further lines; those that a full disk left incomplete are left out."""
        for text in lines:
            try:
                line = json.loads(text)
                self._add(line)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue

    def _add(self, line: Mapping[str, Any]) -> None:
        key = line["section"], line["name"]
        spent = self.by_name.setdefault(key, Spent(*key))
        if "most" in line:
            spent.model, spent.price = line["model"], line["price"]
            spent.most[line["id"]] = Usage(**line["most"])
        elif line["usage"] is not None:
            del spent.most[line["id"]]
            usage = Usage(**line["usage"])
            spent.answered += line["answered"]
            spent.usage += usage
            spent.largest = spent.largest.or_more(usage)

    @property
    def cost_at_most(self) -> float:
        """Of all that has a price."""
        return sum(spent.cost_at_most or 0 for spent in self.by_name.values())


def read(path: Path) -> Spending:
    """The sums over the ledger ``path``, empty without one."""
    spending = Spending()
    if path.is_file():
        spending.add(path.read_bytes().splitlines())
    return spending


class Ledger:
    """The ledger as one model or judge writes it; several jobs may do so at once.

    Parameters
    ----------
    path
        The file.
    section, name
        ``models`` or ``judges``, and which.
    model
        As the server is asked for it.
    price
        Of its tokens, see :meth:`Usage.cost`; None if it is not known.
    budget
        The most that all that is in the ledger may cost; None for no limit.
    """

    def __init__(
        self,
        path: Path,
        section: str,
        name: str,
        model: str,
        price: Mapping[str, Any] | None,
        budget: float | None,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b", buffering=0)
        self._read_to = 0
        self._spending = Spending()
        self._head = {"section": section, "name": name}
        self._asked = {"model": model, "price": dict(price) if price else None}
        self._price = price
        self._budget = budget
        self._catch_up()
        own = self._spending.by_name.get((section, name))
        #: As of :class:`Spent`, of this model's answers so far.
        self.largest = own.largest if own else Usage()

    def ask(self, most: Usage) -> str:
        """Note that a request will be sent; its id.

        Parameters
        ----------
        most
            The tokens that it may use, as far as is known; an answer before may have counted more.

        Raises
        ------
        UserError
            If the budget could be exceeded.
        """
        request, most = uuid4().hex, self._at_most(most)
        with locked(self._file) as is_alone:
            if self._budget is not None and self._price is not None:
                if not is_alone:
                    raise UserError(
                        f"{self._file.name}: its file system cannot lock files, so that jobs at "
                        "once could exceed the budget; put the results folder elsewhere, or leave "
                        "budget out."
                    )
                self._catch_up()
                spent, more = self._spending.cost_at_most, most.cost(self._price)
                if spent + more > self._budget:
                    raise UserError(
                        f"the budget of {self._budget:g} could be exceeded by the next request of "
                        f"{self._head['name']}: {spent:.4g} is spent or under way, and it may cost "
                        f"{more:.4g}; what was answered is kept: raise budget and run the same "
                        "command again."
                    )
            self._write({"id": request, "most": vars(most), **self._asked})
        return request

    def answered(self, request: str, usage: Usage | None) -> None:
        """Note the tokens that the answer counts; None if it counts none."""
        if usage is not None:
            self.largest = self.largest.or_more(usage)
        counted = vars(usage) if usage is not None else None
        with locked(self._file):
            self._write({"id": request, "answered": 1, "usage": counted})

    def refused(self, request: str) -> None:
        """Note that the server did nothing for the request."""
        with locked(self._file):
            self._write({"id": request, "answered": 0, "usage": {}})

    def close(self) -> None:
        self._file.close()

    def _at_most(self, known: Usage) -> Usage:
        most = known.or_more(self.largest)
        # How many of them the server will count as images' is not known: all, where those are dear.
        is_dearer = self._price is not None and (self._price["image"] or 0) > self._price["input"]
        return replace(most, image=most.input) if is_dearer else most

    def _write(self, line: Mapping[str, Any]) -> None:
        # One call, which the kernel does not divide.
        at = {"at": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        self._file.write((json.dumps({**self._head, **line, **at}) + "\n").encode())

    def _catch_up(self) -> None:
        self._file.seek(self._read_to)
        read = self._file.read()
        whole = read[: read.rfind(b"\n") + 1]
        self._read_to += len(whole)
        self._spending.add(whole.splitlines())

"""The rows of compared pairs of a report, which stay in their tables as score rows do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from edit_benchmark.records import Preference
from edit_benchmark.results.stored_rows import StoredRows

#: A judge, and the two models whose edits it compared.
Match = tuple[str, str, str]


class PairKind(NamedTuple):
    """What many rows have in common.

    Fields are those of :class:`~edit_benchmark.records.Preference`, ``judged_with`` of its answers.
    """

    judge: str
    a: str
    b: str
    call: str
    category: str
    answer_recipe: str
    judged_with: tuple[str, ...]

    @property
    def match(self) -> Match:
        """The judge and the two models."""
        return self.judge, self.a, self.b


@dataclass(frozen=True)
class PairTables(Collection[Preference]):
    """The rows of tables of pairs, read anew each time that one goes through them.

    Attributes
    ----------
    tables
        Each with what its rows are about.
    kinds
        How many rows there are of each kind, in the order of their first ones.
    """

    tables: Sequence[tuple[StoredRows[Preference], frozenset[Match]]]
    kinds: Counter[PairKind]

    @classmethod
    def read(cls, paths: Iterable[Path]) -> PairTables:
        """The rows of the tables at ``paths``.

        Raises
        ------
        UserError
            If one is missing, or has a line that is no such row.
        """
        tables, kinds = [], Counter[PairKind]()
        for path in paths:
            table = StoredRows(path, Preference)
            own = _counted(table)
            tables.append((table, frozenset(kind.match for kind in own)))
            kinds.update(own)
        return cls(tables, kinds)

    def __iter__(self) -> Iterator[Preference]:
        for table, _ in self.tables:
            yield from table

    def __len__(self) -> int:
        return self.kinds.total()

    def __contains__(self, row: object) -> bool:
        return any(row == own for own in self)

    def matches(self) -> Iterator[tuple[Match, list[Preference]]]:
        """The rows of each judge and two models, in the order of their first rows."""
        for match in dict.fromkeys(kind.match for kind in self.kinds):
            of_match = [table for table, about in self.tables if match in about]
            yield (
                match,
                [row for table in of_match for row in table if (row.judge, row.a, row.b) == match],
            )

    def joined(self, other: PairTables) -> PairTables:
        """The rows of both, these first."""
        return PairTables([*self.tables, *other.tables], self.kinds + other.kinds)

    def of_categories(self, categories: Collection[str]) -> PairTables:
        """The tables of ``categories``, for which they are named."""
        return PairTables(
            [(table, about) for table, about in self.tables if table.path.stem in categories],
            Counter({kind: n for kind, n in self.kinds.items() if kind.category in categories}),
        )

    def renamed(self, names: Mapping[str, str]) -> PairTables:
        """The same under other names of models."""

        def change(row: Preference) -> Preference:
            return replace(row, a=names.get(row.a, row.a), b=names.get(row.b, row.b))

        kinds: Counter[PairKind] = Counter()
        for kind, count in self.kinds.items():
            kinds[kind._replace(a=names.get(kind.a, kind.a), b=names.get(kind.b, kind.b))] += count
        return PairTables(
            [
                (
                    table.changed(change),
                    frozenset((j, names.get(a, a), names.get(b, b)) for j, a, b in about),
                )
                for table, about in self.tables
            ],
            kinds,
        )


def _counted(rows: Iterable[Preference]) -> Counter[PairKind]:
    return Counter(
        PairKind(
            row.judge, row.a, row.b, row.call, row.category, row.answer_recipe,
            tuple(answer["judged_with"] for answer in row.answers),
        )
        for row in rows
    )  # fmt: skip


def pair_kinds(rows: Iterable[Preference]) -> Counter[PairKind]:
    """How many rows there are of each kind, in the order of their first ones."""
    return rows.kinds if isinstance(rows, PairTables) else _counted(rows)


def matches(rows: Iterable[Preference]) -> Iterator[tuple[Match, list[Preference]]]:
    """The rows of each judge and two models, in the order of their first rows."""
    if isinstance(rows, PairTables):
        yield from rows.matches()
        return
    found: dict[Match, list[Preference]] = {}
    for row in rows:
        found.setdefault((row.judge, row.a, row.b), []).append(row)
    yield from found.items()

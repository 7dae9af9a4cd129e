"""The score rows of a report, which stay in their tables, and what is known of all of them.

A benchmark of 100,000 samples, eight models and three judges has millions of rows. The report goes
through them a few times, and holds those of one model and judge at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from edit_benchmark.records import Score
from edit_benchmark.report.grouping import by_model_and_judge
from edit_benchmark.results.stored_rows import StoredRows

#: A model and a judge.
Pair = tuple[str, str]


class Kind(NamedTuple):
    """What many rows have in common.

    Fields are those of :class:`~edit_benchmark.records.Score`, ``criteria`` the names alone.
    """

    model: str
    judge: str
    category: str
    status: str
    criteria: tuple[str, ...]
    approximations: tuple[str, ...]
    device: str
    made_with: str
    judged_with: str
    recipe: str
    answer_recipe: str
    reading: str


class Place(NamedTuple):
    """What a sample has one row of."""

    model: str
    judge: str
    category: str
    repeat: int


@dataclass(frozen=True)
class Survey:
    """What is known of rows.

    Attributes
    ----------
    kinds
        How many rows there are of each kind, in the order of their first ones.
    ids
        The samples of the rows.
    reached
        The lowest and the highest score of each judge, with those of its criteria that are on the
        scale of its scores.
    """

    kinds: Counter[Kind] = field(default_factory=Counter)
    ids: dict[Place, list[str]] = field(default_factory=dict)
    reached: dict[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Score]) -> Survey:
        """What is known of ``rows``; of those of a :class:`ScoreTables` without reading them."""
        if isinstance(rows, ScoreTables):
            return rows.survey
        survey = cls()
        survey.add(rows)
        return survey

    def add(self, rows: Iterable[Score]) -> frozenset[Pair]:
        """Take ``rows`` into account; the models and judges that they are of."""
        pairs = set()
        for row in rows:
            pairs.add((row.model, row.judge))
            kind = Kind(
                row.model, row.judge, row.category, row.status, tuple(row.criteria),
                tuple(row.approximations), row.device, row.made_with, row.judged_with, row.recipe,
                row.answer_recipe, row.reading,
            )  # fmt: skip
            self.kinds[kind] += 1
            place = Place(row.model, row.judge, row.category, row.repeat)
            self.ids.setdefault(place, []).append(row.id)
            # A protocol's calls may have scales of their own.
            parts = () if row.calls else row.criteria.values()
            known = [value for value in (row.score, *parts) if value is not None]
            if known:
                ends = [*known, *self.reached.get(row.judge, ())]
                self.reached[row.judge] = min(ends), max(ends)
        return frozenset(pairs)

    def joined(self, other: Survey) -> Survey:
        """What is known of the rows of both."""
        both = Survey(self.kinds + other.kinds, {**self.ids}, {**self.reached})
        for place, ids in other.ids.items():
            both.ids[place] = [*both.ids.get(place, ()), *ids]
        for judge, ends in other.reached.items():
            ends = (*ends, *both.reached.get(judge, ()))
            both.reached[judge] = min(ends), max(ends)
        return both

    def of_categories(self, categories: Collection[str]) -> Survey:
        """What is known of the rows of ``categories``; ``reached`` stays that of all."""
        return Survey(
            Counter({kind: n for kind, n in self.kinds.items() if kind.category in categories}),
            {place: ids for place, ids in self.ids.items() if place.category in categories},
            self.reached,
        )

    def renamed(self, names: Mapping[str, str]) -> Survey:
        """The same under other names of models."""
        kinds: Counter[Kind] = Counter()
        for kind, count in self.kinds.items():
            kinds[kind._replace(model=names.get(kind.model, kind.model))] += count
        ids = {
            place._replace(model=names.get(place.model, place.model)): rows
            for place, rows in self.ids.items()
        }
        return Survey(kinds, ids, self.reached)

    @property
    def models(self) -> list[str]:
        """The models, in the order of their first rows."""
        return list(dict.fromkeys(kind.model for kind in self.kinds))

    @property
    def judges(self) -> list[str]:
        """The judges, in the order of their first rows."""
        return list(dict.fromkeys(kind.judge for kind in self.kinds))

    @property
    def pairs(self) -> list[Pair]:
        """Models with judges, in the order of their first rows."""
        return list(dict.fromkeys((kind.model, kind.judge) for kind in self.kinds))

    @property
    def criteria(self) -> list[str]:
        """The criteria of all rubrics, in the order of their first answers."""
        return list(dict.fromkeys(name for kind in self.kinds for name in kind.criteria))


@dataclass(frozen=True)
class ScoreTables(Collection[Score]):
    """The rows of score tables, read anew each time that one goes through them.

    Attributes
    ----------
    tables
        Each with the models and judges that its rows are of.
    survey
        What is known of all rows.
    """

    tables: Sequence[tuple[StoredRows[Score], frozenset[Pair]]]
    survey: Survey

    @classmethod
    def read(cls, paths: Iterable[Path]) -> ScoreTables:
        """The rows of the tables at ``paths``.

        Raises
        ------
        UserError
            If one is missing, or has a line that is no score row.
        """
        survey = Survey()
        tables = [StoredRows(path, Score) for path in paths]
        return cls([(table, survey.add(table)) for table in tables], survey)

    def __iter__(self) -> Iterator[Score]:
        for table, _ in self.tables:
            yield from table

    def __len__(self) -> int:
        return self.survey.kinds.total()

    def __contains__(self, row: object) -> bool:
        return any(row == own for own in self)

    def rows_of(self, pair: Pair) -> list[Score]:
        """The rows of one model and judge."""
        return [
            row
            for table, pairs in self.tables
            if pair in pairs
            for row in table
            if (row.model, row.judge) == pair
        ]

    def joined(self, other: ScoreTables) -> ScoreTables:
        """The rows of both, these first."""
        return ScoreTables([*self.tables, *other.tables], self.survey.joined(other.survey))

    def of_categories(self, categories: Collection[str]) -> ScoreTables:
        """The tables of ``categories``, for which they are named."""
        return ScoreTables(
            [(table, pairs) for table, pairs in self.tables if table.path.stem in categories],
            self.survey.of_categories(categories),
        )

    def with_images_in(self, folder: Path) -> ScoreTables:
        """The same rows, their images' paths relative to ``folder``."""

        def change(row: Score) -> Score:
            return replace(row, image=str(folder / row.image)) if row.image else row

        tables = [(table.changed(change), pairs) for table, pairs in self.tables]
        return ScoreTables(tables, self.survey)

    def renamed(self, names: Mapping[str, str]) -> ScoreTables:
        """The same under other names of models."""

        def change(row: Score) -> Score:
            return replace(row, model=names[row.model]) if row.model in names else row

        return ScoreTables(
            [
                (
                    table.changed(change),
                    frozenset((names.get(model, model), judge) for model, judge in pairs),
                )
                for table, pairs in self.tables
            ],
            self.survey.renamed(names),
        )


def groups(scores: Iterable[Score]) -> Iterator[tuple[Pair, list[Score]]]:
    """The rows of each model and judge, in the order of their first rows."""
    if isinstance(scores, ScoreTables):
        for pair in scores.survey.pairs:
            yield pair, scores.rows_of(pair)
    else:
        yield from by_model_and_judge(scores).items()


def rows_of(scores: Iterable[Score], pair: Pair) -> list[Score]:
    """The rows of one model and judge."""
    if isinstance(scores, ScoreTables):
        return scores.rows_of(pair)
    return [row for row in scores if (row.model, row.judge) == pair]

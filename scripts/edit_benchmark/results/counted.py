"""How much of a run's plan is done: from the tables of finished jobs, and for the others the store.

Everything is only read. A record of the store is opened only if no table names it, and no image is.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edit_benchmark.records import (
    EDIT_FAILED,
    EDITED,
    JUDGE_FAILED,
    SCORED,
    SKIPPED,
    Edit,
    Sample,
    Score,
)
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.plan import Maker, Plan, Table
from edit_benchmark.results.store import Store
from edit_benchmark.results.tables import each_row

# As write_rows writes rows; a quote within a text is escaped.
_KEY = re.compile(rb'"key": "([0-9a-f]{40})"')
_ANSWER_KEY = re.compile(rb'"answer_key": "([0-9a-f]{40})"')


@dataclass
class Station:
    """How far a model's edits or a judge's scores are.

    Attributes
    ----------
    kind
        ``edit`` or ``score``.
    wanted
        Edits in all; of a judge, those that are not known to have no image. None if the benchmark
        has not been read yet.
    done
        Edited or judged.
    failed, skipped
        As far as tables of finished jobs say: the store knows no failures.
    arrivals
        Of what came lately: when, in seconds since 1970, and the seconds that it took.
    """

    kind: str
    name: str
    wanted: int | None = None
    done: int = 0
    failed: int = 0
    skipped: int = 0
    arrivals: list[tuple[float, float]] = field(default_factory=list, repr=False)

    @property
    def left(self) -> int | None:
        """Images still to be made or judged."""
        if self.wanted is None:
            return None
        return max(0, self.wanted - self.done - self.failed - self.skipped)


class Counting:
    """Counts what is there of a plan.

    Parameters
    ----------
    lately
        When arrivals begin to be of interest, in seconds since 1970.
    """

    def __init__(self, layout: Layout, plan: Plan, lately: float) -> None:
        self._layout, self._plan, self._lately = layout, plan, lately
        self._samples = _samples(layout.samples)
        self._edits = {name: Station("edit", name) for name in plan.models}
        self._scores = {name: Station("score", name) for name in plan.judges}
        self._planned = {tuple(table.place): table for table in plan.scores}
        #: Of all edits that count: answers about others are about former ones.
        self._edit_keys: set[bytes] = set()
        self._count_edits()
        self._count_scores()

    @property
    def stations(self) -> list[Station]:
        """All models, then all judges."""
        return [*self._edits.values(), *self._scores.values()]

    def is_made(self, path: Path, table: Table) -> bool:
        """Whether a planned table is there, and is none that its job has yet to replace."""
        written = written_at(path)
        return written is not None and (not table.to_make or written >= self._plan.begun)

    def _count_edits(self) -> None:
        unfinished: dict[tuple[str, str], set[tuple[int, int]]] = {}
        per_category = Counter(sample.category for sample in self._samples.values())
        categories = dict.fromkeys((table.place[0], table.place[1]) for table in self._plan.edits)
        for model, category in categories if self._samples else ():
            edits = per_category[category] * self._plan.models[model].repeats
            self._edits[model].wanted = (self._edits[model].wanted or 0) + edits
        for table in self._plan.edits:
            model, category, shard = table.place
            path = self._layout.shard_table(model, category, shard)
            if self.is_made(path, table):
                rows = self._count_table(self._edits[model], path, self._layout.edit_store)
                self._edit_keys.update(_KEY.findall(rows))
            else:
                number, _, shards = shard.partition("-of-")
                unfinished.setdefault((model, category), set()).add((int(number) - 1, int(shards)))
        if unfinished:
            self._count_stored_edits(unfinished)

    def _count_stored_edits(self, unfinished: dict[tuple[str, str], set[tuple[int, int]]]) -> None:
        # Hashes of the images of the edits that count.
        seen: dict[tuple[str, str, int], str] = {}
        for sample, key, record, written in self._in_order_of_turns():
            of = record["made_for"]
            edit = of["model"], of["sample"], of["repeat"]
            before = of["model"], sample.after, of["repeat"]
            source = seen.get(before) if sample.after else sample.source_sha256
            shards = unfinished.get((of["model"], sample.category), ())
            if (
                edit not in seen
                and record["key_fields"]["instruction"] == sample.instruction
                and record["key_fields"]["source_sha256"] == source
                and _is_of(self._plan.models.get(of["model"]), written)
                and of["repeat"] < self._plan.models[of["model"]].repeats
                and any(sample.index % count == number for number, count in shards)
            ):
                seen[edit] = record["image_sha256"]
                self._edit_keys.add(key)
                self._arrived(self._edits[of["model"]], written, record["seconds"])

    def _in_order_of_turns(self) -> Iterator[tuple[Sample, bytes, dict[str, Any], float]]:
        """The records of edits that no table names, each with its sample."""
        later = []
        for key, record, written in _records(self._layout.edit_store, self._edit_keys):
            sample = self._samples.get(record["made_for"]["sample"])
            if sample is None:
                continue
            if sample.after:
                later.append((sample, key, record, written))
            else:
                yield sample, key, record, written
        yield from sorted(later, key=lambda one: one[0].turn)

    def _count_scores(self) -> None:
        known = [one for one in self._edits.values() if one.wanted is not None]
        for station in self._scores.values() if known else ():
            station.wanted = sum((one.wanted or 0) - one.failed - one.skipped for one in known)
        answered: set[bytes] = set()
        for judge, model, category in dict.fromkeys(place[:3] for place in self._planned):
            folder = self._layout.score_part(judge, model, category, "1").parent
            for path in folder.glob("part-*.jsonl"):
                place = (judge, model, category, path.stem.removeprefix("part-"))
                # How many parts follow was not known as the run began.
                table = self._planned.get(place, Table(place, to_make=True))
                if self.is_made(path, table):
                    station = self._scores[judge]
                    rows = self._count_table(station, path, self._layout.answer_store)
                    answered.update(_ANSWER_KEY.findall(rows))
        if any(station.left != 0 for station in self._scores.values()):
            self._count_stored_answers(answered)

    def _count_stored_answers(self, answered: Collection[bytes]) -> None:
        questions: Counter[tuple[str, str, str, int]] = Counter()
        for _, record, written in _records(self._layout.answer_store, answered):
            of = record["made_for"]
            is_of_run = _is_of(self._plan.judges.get(of["judge"]), written)
            # Of a pair there is no edit.
            if is_of_run and "edit" in of and of["edit"].encode() in self._edit_keys:
                edit = of["judge"], of["model"], of["sample"], of["repeat"]
                questions[edit] += 1
                if questions[edit] == of["questions"]:
                    seconds = record["seconds"] * of["questions"]
                    self._arrived(self._scores[of["judge"]], written, seconds)

    def _count_table(self, station: Station, path: Path, store: Path) -> bytes:
        """Count the rows of a finished job; they are returned as they are written."""
        rows = path.read_bytes()
        done, failed = (EDITED, EDIT_FAILED) if station.kind == "edit" else (SCORED, JUDGE_FAILED)
        kind: type[Edit] | type[Score] = Edit if station.kind == "edit" else Score
        came = []
        # Only such a table has rows of lately.
        if (written_at(path) or 0.0) >= self._lately:
            for row in each_row(path, kind):
                keys, seconds = _made(row)
                times = [written_at(Store(store).record_path(one)) or 0.0 for one in keys if one]
                came.append((max(times, default=0.0), seconds))
        station.arrivals += [arrival for arrival in came if arrival[0] >= self._lately]
        station.done += _with_status(rows, done)
        station.failed += _with_status(rows, failed)
        station.skipped += _with_status(rows, SKIPPED)
        return rows

    def _arrived(self, station: Station, written: float, seconds: float) -> None:
        station.done += 1
        if written >= self._lately:
            station.arrivals.append((written, seconds))


def written_at(path: Path) -> float | None:
    """When a file was written, in seconds since 1970; None if there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _is_of(maker: Maker | None, written: float) -> bool:
    return maker is not None and written >= maker.since


def _with_status(rows: bytes, status: str) -> int:
    return rows.count(f'"status": "{status}"'.encode())


def _made(row: Edit | Score) -> tuple[list[str], float]:
    """The keys of what was made for a row, empty where nothing was, and the seconds it took."""
    if isinstance(row, Edit):
        return [row.key], row.seconds or 0.0
    keys = [call["answer_key"] for call in row.calls.values()]
    return keys or [row.answer_key], row.judge_seconds or 0.0


def _samples(table: Path) -> dict[str, Sample]:
    """The samples by their ids; none without a table."""
    return {row.id: row for row in each_row(table, Sample)} if table.is_file() else {}


def _records(
    store: Path, known: Collection[bytes]
) -> Iterator[tuple[bytes, dict[str, Any], float]]:
    """Key, content and time of each record that says what it was made for, but for ``known`` keys.

    What is written or removed meanwhile may be missing.
    """
    for folder in store.glob("??"):
        for entry in os.scandir(folder):
            name, _, ending = entry.name.partition(".")
            if ending != "json" or (key := name.encode()) in known:
                continue
            try:
                # Not through Path: of those a hundred thousand take seconds.
                with open(entry.path, "rb") as file:  # noqa: PTH123
                    record = json.loads(file.read())
                    fields = record["fields"] | {"image_sha256": record.get("image_sha256")}
                    written = os.fstat(file.fileno()).st_mtime
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if "made_for" in fields:
                yield key, fields, written

"""The official tables of a public benchmark, from the answers of judges with its protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edit_benchmark.categories import part_of
from edit_benchmark.config import protocols
from edit_benchmark.errors import UserError
from edit_benchmark.official import gedit_v2
from edit_benchmark.official.outcome import Outcome, Table
from edit_benchmark.records import EDIT_FAILED, SKIPPED, Score
from edit_benchmark.report import people
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.official_rows import BENCHMARKS, Benchmark
from edit_benchmark.report.pair_tables import pair_kinds
from edit_benchmark.report.rows import NOT_APPLICABLE, OfficialRow
from edit_benchmark.report.score_tables import Survey, rows_of
from edit_benchmark.report.words import Words

_WINNERS = {1.0: gedit_v2.FIRST, 0.5: gedit_v2.TIE, 0.0: gedit_v2.SECOND, None: ""}


@dataclass(frozen=True)
class Official:
    """What one judge's answers give.

    Attributes
    ----------
    outcomes
        What the benchmark's aggregator says of each model; under an empty name, of all together.
    notes
        Sentences about the judge, and about edits that were not judged.
    """

    judge: str
    outcomes: Mapping[str, Outcome]
    notes: Sequence[str]

    @property
    def whole(self) -> Outcome:
        """One outcome: of each table the rows of all models."""
        tables: dict[str, Table] = {}
        for model, outcome in self.outcomes.items():
            for table in outcome.tables:
                rows = {
                    f"{model}, {label}" if model else label: values
                    for label, values in table.rows.items()
                }
                known = tables.get(table.title)
                before = known.rows if known else {}
                tables[table.title] = Table(
                    table.title, table.columns, {**before, **rows}, table.decimals
                )
        notes = [*self.notes]
        for model, outcome in self.outcomes.items():
            who = f"{model}: " if model else ""
            notes += [f"{who}{part.sentence()}." for part in outcome.coverage]
        told: dict[str, list[str]] = {}
        for model, outcome in self.outcomes.items():
            for note in outcome.notes:
                told.setdefault(note, []).append(model)
        for note, models in told.items():
            who = ", ".join(filter(None, models))
            notes.append(f"{who}: {note}" if who else note)
        return Outcome(tuple(tables.values()), (), tuple(notes))

    def rows(self) -> list[OfficialRow]:
        """Every value by itself, for the CSV file."""
        return [
            OfficialRow(self.judge, table.title, model, label, column, value)
            for model, outcome in self.outcomes.items()
            for table in outcome.tables
            for label, values in table.rows.items()
            for column, value in zip(table.columns, values, strict=True)
        ]


def official(inputs: Inputs, words: Words) -> list[Official]:
    """The official tables of each judge whose protocol is that of the run's benchmark.

    Of a benchmark of people's preferences, which has no models, those of every judge.
    """
    format = benchmark_format(inputs.run)
    if format is not None and people.is_of_people(format):
        return [
            Official(
                judge,
                {"": people.outcome_of(format, inputs.samples, of_judge)},
                [words.sentence("official_people", judge=judge)],
            )
            for judge, of_judge in people.verdicts(inputs).items()
        ]
    found = []
    survey = Survey.of(inputs.scores)
    for judge in survey.judges:
        settings = inputs.judges.get(judge) or {}
        protocol = _protocol(settings)
        name = benchmark_part(inputs.run)
        if protocol is None or name not in BENCHMARKS or protocol.benchmark != name:
            continue
        benchmark = BENCHMARKS[name]
        outcomes = {}
        notes = [_judge_note(judge, settings, protocol, words)]
        are_repeated = False
        for model, of in survey.pairs:
            if of != judge:
                continue
            rows = rows_of(inputs.scores, (model, judge))
            if outcome := _outcome(inputs, benchmark, rows):
                outcomes[model] = outcome
            if note := _left_out(model, rows, words):
                notes.append(note)
            are_repeated |= any(row.repeat for row in rows)
        if are_repeated:
            notes.append(words.sentence("official_repeats"))
        found.append(Official(judge, outcomes, notes))
    return found + _of_pairs(inputs, words)


def _of_pairs(inputs: Inputs, words: Words) -> list[Official]:
    """The same of judges that compare pairs: one table for all models together."""
    found = []
    for judge in dict.fromkeys(kind.judge for kind in pair_kinds(inputs.preferences)):
        settings = inputs.judges.get(judge) or {}
        protocol = _protocol(settings)
        if protocol is None or not (protocol.benchmark == benchmark_part(inputs.run) == "gedit_v2"):
            continue
        rows = [
            gedit_v2.Row(row.call, row.id, row.a, row.b, _WINNERS[row.win], row.reason)
            for row in inputs.preferences
            if row.judge == judge and not row.repeat
        ]
        if any(row.winner for row in rows):
            notes = [
                _judge_note(judge, settings, protocol, words),
                words.sentence("official_pairs"),
            ]
            # Its interval is of a thousand fits; ours are in the tables behind.
            found.append(Official(judge, {"": gedit_v2.aggregate(rows, resamples=0)}, notes))
    return found


def _protocol(settings: Mapping[str, Any]) -> protocols.Protocol | None:
    if not settings.get("protocol"):
        return None
    try:
        return protocols.read(protocols.protocol_file(str(settings["protocol"])))
    except UserError:
        return None  # of a merged run it may be gone


def benchmark_format(run: Mapping[str, Any]) -> str | None:
    """The format of the run's benchmark, where there is a record that says it."""
    return ((run.get("config") or {}).get("benchmark") or {}).get("format")


def benchmark_part(run: Mapping[str, Any]) -> str:
    """The run's benchmark, as protocols name it."""
    settings = (run.get("config") or {}).get("benchmark") or {}
    return part_of(settings.get("format"), settings.get("subset"))


def _outcome(inputs: Inputs, benchmark: Benchmark, rows: Sequence[Score]) -> Outcome | None:
    """What the benchmark says of one model's edits that were judged, the first repeat of each."""
    by_id = {sample.id: sample for sample in inputs.samples}
    given = [row for row in rows if row.calls and not row.repeat]
    made = [one for row in given for one in benchmark.rows(by_id[row.id], row)]
    return benchmark.aggregate(made) if made else None


def _left_out(model: str, rows: Sequence[Score], words: Words) -> str:
    """How many of a model's samples count for nothing, because no judge was asked about them."""
    own = [row for row in rows if not row.repeat]
    missing = [row for row in own if not row.calls]
    if not missing:
        return ""
    failed, skipped = (
        sum(row.status == status for row in missing) for status in (EDIT_FAILED, SKIPPED)
    )
    return words.sentence(
        "official_left_out", model=model, missing=len(missing), n=len(own), failed=failed,
        skipped=skipped, others=len(missing) - failed - skipped,
    )  # fmt: skip


def _judge_note(
    judge: str, settings: Mapping[str, Any], protocol: protocols.Protocol, words: Words
) -> str:
    """Which judge it is, and whether it is the benchmark's own."""
    own = _asked_as(settings)
    theirs = [(one.judge, one.temperature, one.max_tokens) for one in protocol.official]
    kind = "official_same" if own in theirs else "official_differs"
    return words.sentence(
        kind, judge=judge, own=_described(own, words),
        official=words.list_separator.join(_described(one, words) for one in theirs),
    )  # fmt: skip


def _asked_as(settings: Mapping[str, Any]) -> tuple[str, float | None, int | None]:
    """A judge's name, temperature and longest answer, as far as its settings say."""
    name = settings.get("model") or settings.get("checkpoint") or settings.get("class_path")
    greedy = 0.0 if settings.get("judge") == "transformers" else None
    longest = settings.get("max_tokens", settings.get("max_new_tokens"))
    return Path(str(name)).name, settings.get("temperature", greedy), longest


def _described(asked: tuple[str, float | None, int | None], words: Words) -> str:
    name, temperature, longest = asked
    return words.sentence(
        "official_asked",
        asked=name,
        temperature=NOT_APPLICABLE if temperature is None else f"{temperature:g}",
        longest=NOT_APPLICABLE if longest is None else longest,
    )

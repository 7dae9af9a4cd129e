"""Rows of the benchmarks' own aggregators, from the samples and what judges with protocols said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from edit_benchmark.judging.parsing import behind_thinking
from edit_benchmark.judging.protocols import rise_row
from edit_benchmark.official import complex_edit, gedit, imgedit, kris, re_edit, rise, unicbench
from edit_benchmark.official.outcome import Outcome
from edit_benchmark.records import Sample, Score


def _scores(row: Score) -> dict[str, float]:
    """The scores of all calls that were read."""
    return {name: value for call in row.calls.values() for name, value in call["scores"].items()}


def _gedit(sample: Sample, row: Score) -> list[gedit.Row]:
    scores, fields = _scores(row), sample.fields
    return [
        gedit.Row(
            key=sample.id,
            group=fields["task_type"],
            language=fields["instruction_language"],
            intersection=fields["intersection"] == "true",
            semantics=scores.get("SC"),
            quality=scores.get("PQ"),
            problem=row.reason,
        )
    ]


def _imgedit(sample: Sample, row: Score) -> list[imgedit.Row]:
    # The original reads the text itself, and takes for a score what is none in full.
    (call,) = row.calls.values()
    try:
        text = behind_thinking(call["text"]) or None
    except ValueError:
        text = None
    kind = sample.category if sample.category in imgedit.EDIT_TYPES else ""
    return [imgedit.Row(key=sample.id, text=text, edit_type=kind, problem=row.reason)]


def _rise(sample: Sample, row: Score) -> list[rise.Row]:
    return [rise_row(sample, _scores(row), row.reason)]


def _kris(sample: Sample, row: Score) -> list[kris.Row]:
    return [kris.Row(sample.category, sample.id, _scores(row), row.reason)]


def _unicbench(sample: Sample, row: Score) -> list[unicbench.Row]:
    asked = tuple(name for name in unicbench.MEASURES if name in row.calls)
    return [
        unicbench.Row(
            key=sample.id,
            task=sample.fields["task"],
            subtask=sample.fields["subtask"],
            scores=_scores(row),
            problems={name: row.calls[name]["problem"] for name in asked},
            asked=asked,
        )
    ]


def _re_edit(sample: Sample, row: Score) -> list[re_edit.Row]:
    # The benchmark's name for it.
    category = {"social": "cultural"}.get(sample.category, sample.category)
    rows = []
    for metric in re_edit.METRICS:
        call = row.calls.get(metric)
        if call is None:
            continue
        values = tuple(call["scores"].values())
        value: re_edit.Value | None = None
        if metric == re_edit.VERDICT and values:
            value = "yes" if values[0] else "no"
        elif values:
            value = (values[0], values[1]) if metric in re_edit.PAIRS else values[0]
        rows.append(re_edit.Row(sample.id, category, metric, value, call["problem"]))
    return rows


def _complex_edit(sample: Sample, row: Score) -> list[complex_edit.Row]:
    measured: dict[str, tuple[float, ...]] = {}
    for call in row.calls.values():
        for name, value in call["scores"].items():
            measured[name] = (*measured.get(name, ()), value)
    level = int(sample.fields["level"].removeprefix("C"))
    return [complex_edit.Row(sample.id, measured, level, row.reason)]


class Benchmark(NamedTuple):
    """A benchmark's rows of one edit, and its aggregator."""

    rows: Callable[[Sample, Score], Sequence[Any]]
    aggregate: Callable[[Sequence[Any]], Outcome]


#: By the name that protocols give as their benchmark.
BENCHMARKS = {
    "gedit": Benchmark(_gedit, gedit.aggregate),
    "imgedit": Benchmark(_imgedit, imgedit.aggregate),
    "imgedit_uge": Benchmark(_imgedit, imgedit.aggregate_uge),
    "rise": Benchmark(_rise, rise.aggregate),
    "kris": Benchmark(_kris, kris.aggregate),
    "unicbench": Benchmark(_unicbench, unicbench.aggregate),
    "re_edit": Benchmark(_re_edit, re_edit.aggregate),
    "complex_edit": Benchmark(_complex_edit, complex_edit.aggregate),
}

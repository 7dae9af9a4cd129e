"""Large benchmarks: what a report holds in memory, and how often planning reads a table."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

import report_fixtures as fixtures
from edit_benchmark.judging import chunks
from edit_benchmark.judging.chunks import EditTables
from edit_benchmark.records import EDIT_FAILED, EDITED, Edit
from edit_benchmark.report import words
from edit_benchmark.report.analysis import analyse
from edit_benchmark.report.inputs import Sources, load
from edit_benchmark.report.write import write_csv
from edit_benchmark.results.tables import write_rows

MODELS = tuple(f"model-{number}" for number in range(8))


def peak(results: Path, each: int) -> tuple[int, int]:
    """Score rows of a report, and the most bytes that its tables took in memory."""
    inputs = fixtures.synthesise(results, MODELS, ["judge"], each, images=False, distinct=5)
    # Few source images: bootstrap samples of many take more than all rows, up to a limit.
    samples = [
        replace(row, source_sha256=str(number % 5)) for number, row in enumerate(inputs.samples)
    ]
    scores = fixtures.write(replace(inputs, samples=samples))
    sources = Sources(
        samples=results / "benchmark" / "samples.jsonl",
        scores=scores,
        results=results,
        run=results / "run.json",
    )
    rows = len(inputs.scores)
    del inputs, samples
    tracemalloc.start()
    found = load(sources)
    write_csv(found, analyse(found, words.load("en")), results)
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return rows, top


def test_a_report_holds_few_bytes_a_row(tmp_path: Path) -> None:
    peak(tmp_path / "warm", 2)  # what is imported and drawn once
    (few, low), (many, high) = (peak(tmp_path / str(each), each) for each in (40, 160))
    # A row as a record alone takes more than 1500.
    assert (high - low) / (many - few) < 1000


def edits(statuses: Iterable[str], repeats: int = 1) -> list[Edit]:
    """A table of edits."""
    return [
        Edit(f"s{number}", "physical", "m", status, repeat=repeat)
        for number, status in enumerate(statuses)
        for repeat in range(repeats)
    ]


def test_planning_reads_a_table_once_until_it_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    each_row = chunks.each_row
    monkeypatch.setattr(
        chunks, "each_row", lambda path, kind: read.append(path) or each_row(path, kind)
    )
    a, b, c = (tmp_path / f"{name}.jsonl" for name in "abc")
    write_rows(a, edits([EDITED] * 9))
    write_rows(b, edits([EDITED] * 4 + [EDIT_FAILED] * 5))
    write_rows(c, edits([EDITED] * 9, repeats=2))
    tables = EditTables()
    for _ in range(3):  # judges
        assert [tables.score_jobs(table, 4) for table in (a, b, c)] == [3, 1, 5]
        pairs = [(a, b), (a, c), (c, c)]
        assert [tables.compare_jobs(*pair, 4) for pair in pairs] == [3, 3, 5]
    assert sorted(read) == [a, b, c]
    write_rows(b, [])
    assert tables.score_jobs(b, 4) == tables.compare_jobs(a, b, 4) == 1
    assert read[3:] == [b]

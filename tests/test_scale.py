"""Large benchmarks: what a report holds in memory, and how often planning reads a table."""

from __future__ import annotations

import multiprocessing
import tracemalloc
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import report_fixtures as fixtures
from edit_benchmark.judging import chunks
from edit_benchmark.judging.chunks import EditTables
from edit_benchmark.records import EDIT_FAILED, EDITED, Edit
from edit_benchmark.report import shown, words
from edit_benchmark.report.analysis import analyse
from edit_benchmark.report.inputs import Sources, load
from edit_benchmark.report.write import write_csv, write_report
from edit_benchmark.results.tables import write_rows

MODELS = tuple(f"model-{number}" for number in range(8))


def most_bytes(results: Path, each: int) -> tuple[int, int, int]:
    """Score rows of a report, and the most bytes that making its tables and writing them took."""
    inputs = fixtures.synthesise(results, MODELS, ["judge"], each, images=False, distinct=5)
    # Few source images: bootstrap samples of many take more than all rows, up to a limit.
    samples = [
        replace(row, source_sha256=str(number % 5)) for number, row in enumerate(inputs.samples)
    ]
    sources = Sources(
        samples=results / "benchmark" / "samples.jsonl",
        scores=fixtures.write(replace(inputs, samples=samples)),
        results=results,
        run=results / "run.json",
    )
    rows = len(inputs.scores)
    del inputs, samples
    tracemalloc.start()
    found = load(sources)
    analysis = analyse(found, words.load("en"))
    making = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    write_csv(found, analysis, results)
    writing = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return rows, making, writing


def few_and_many(folder: Path) -> list[tuple[int, int, int]]:
    most_bytes(folder / "first", 2)  # what is imported and drawn once
    return [most_bytes(folder / str(each), each) for each in (40, 160)]


def test_a_report_holds_few_bytes_a_row(tmp_path: Path) -> None:
    # In a process of its own: what other tests' threads allocate would be counted too.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
        few, many = alone.submit(few_and_many, tmp_path).result()
    # Nothing is left over of a row as a record: where all are kept each takes more than 600.
    for before, after in zip(few[1:], many[1:], strict=True):
        assert (after - before) / (many[0] - few[0]) < 400


def test_a_page_of_more_samples_is_no_larger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "MOST_ROWS", 40)
    sizes = []
    for each in (4, 16):
        results = tmp_path / str(each)
        inputs = fixtures.synthesise(results, ["a", "b"], ["judge"], each, distinct=4)
        write_report(inputs, results / "report")
        sizes.append((results / "report" / "index.html").stat().st_size)
    assert sizes[1] == pytest.approx(sizes[0], rel=0.1)


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

"""Write the report: tables, summary and page, from the score tables of all categories."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edit_benchmark.cli import run
from edit_benchmark.records import Sample, Score, read_rows
from edit_benchmark.report import write_report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, required=True, help="the samples table")
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="score tables")
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    parser.add_argument("--run", type=Path, help="the record of the run, as JSON")
    parser.add_argument("--note", action="append", default=[], help="a sentence shown on top")
    parser.add_argument("--language", choices=["en", "zh"], default="en")
    arguments = parser.parse_args()
    scores = [row for path in arguments.scores for row in read_rows(path, Score)]
    # A score table is named for its category, which may have no sample at all.
    categories = list(dict.fromkeys(path.stem for path in arguments.scores))
    samples = [
        sample for sample in read_rows(arguments.samples, Sample) if sample.category in categories
    ]
    record = json.loads(arguments.run.read_text(encoding="utf-8")) if arguments.run else {}
    print(
        write_report(
            samples,
            scores,
            categories,
            arguments.results,
            arguments.out,
            record,
            arguments.note,
            arguments.language,
        )
    )
    print(f"report: {arguments.out / 'index.html'}")


if __name__ == "__main__":
    run(main)

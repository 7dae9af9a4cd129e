"""Join a category's score jobs into one table with a row for every sample."""

from __future__ import annotations

import argparse
from pathlib import Path

from edit_benchmark.judging.chunks import complete
from edit_benchmark.records import Edit, Score
from edit_benchmark.results.tables import read_rows, write_rows
from edit_benchmark.runtime.command_line import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=Path, required=True, help="the category's table of edits")
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="tables of its parts")
    parser.add_argument("--judge", required=True, help="name of the judge in tables")
    parser.add_argument("--out", type=Path, required=True, help="the table to write")
    arguments = parser.parse_args()
    rows = complete(
        read_rows(arguments.edits, Edit),
        [row for path in arguments.scores for row in read_rows(path, Score)],
        arguments.judge,
    )
    write_rows(arguments.out, rows)


if __name__ == "__main__":
    run(main)

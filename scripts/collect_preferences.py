"""Join the jobs that compared two models' edits of a category into one table."""

from __future__ import annotations

import argparse
from pathlib import Path

from edit_benchmark.records import Preference
from edit_benchmark.results.tables import read_rows, write_rows
from edit_benchmark.runtime.command_line import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=Path, nargs="+", required=True, help="tables of the jobs")
    parser.add_argument("--out", type=Path, required=True, help="the table to write")
    arguments = parser.parse_args()
    write_rows(
        arguments.out, [row for path in arguments.parts for row in read_rows(path, Preference)]
    )


if __name__ == "__main__":
    run(main)

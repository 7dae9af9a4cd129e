"""Collect a category's edits: one table, and the images under their samples' ids."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from edit_benchmark.editing.collect import collect
from edit_benchmark.records import EDITED, Edit, Sample
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.tables import read_rows, write_rows
from edit_benchmark.runtime.command_line import run

log = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, required=True, help="the samples table")
    parser.add_argument("--model", required=True, help="name of the model in tables")
    parser.add_argument("--category", required=True, metavar="KEY")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="their tables")
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    parser.add_argument("--out", type=Path, required=True, help="the table to write")
    arguments = parser.parse_args()
    rows = collect(
        [
            sample
            for sample in read_rows(arguments.samples, Sample)
            if sample.category == arguments.category
        ],
        [row for path in arguments.shards for row in read_rows(path, Edit)],
        Layout(arguments.results).edited_images(arguments.model, arguments.category),
        arguments.results,
    )
    write_rows(arguments.out, rows)
    edited = sum(row.status == EDITED for row in rows)
    log.info("%s: %d of %d edits made", arguments.category, edited, len(rows))


if __name__ == "__main__":
    run(main)

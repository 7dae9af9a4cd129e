"""Say what a run will ask of servers, and about what that will cost."""

from __future__ import annotations

import argparse
from pathlib import Path

from edit_benchmark.config.resolve import config_from_json
from edit_benchmark.estimate import estimates, lines
from edit_benchmark.records import Sample
from edit_benchmark.results import spending
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.tables import read_rows
from edit_benchmark.runtime.command_line import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, required=True, help="the samples table")
    parser.add_argument("--settings", required=True, help="the whole configuration, as JSON")
    parser.add_argument("--selftested", nargs="*", default=[], metavar="MODEL")
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    arguments = parser.parse_args()
    config = config_from_json(arguments.settings)
    found = estimates(
        config,
        read_rows(arguments.samples, Sample),
        arguments.selftested,
        spending.read(Layout(arguments.results).spending),
    )
    print("\n".join(lines(found, config.budget)))


if __name__ == "__main__":
    run(main)

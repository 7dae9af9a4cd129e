"""Write the report: tables, plots and page, from the score tables of all categories."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edit_benchmark.config.resolve import human_ratings_settings
from edit_benchmark.report.inputs import Sources, load
from edit_benchmark.report.tables import EQUAL_SHARE
from edit_benchmark.report.write import write_report
from edit_benchmark.results.layout import Layout
from edit_benchmark.runtime.command_line import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, required=True, help="the samples table")
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="score tables")
    parser.add_argument(
        "--preferences", type=Path, nargs="*", default=[], help="tables of compared pairs"
    )
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    parser.add_argument("--run", type=Path, help="the record of the run, as JSON")
    parser.add_argument("--category", help="report this category alone, by any of its names")
    parser.add_argument(
        "--merge", type=Path, nargs="*", default=[], metavar="RESULTS",
        help="results folders of earlier runs to report together with this one",
    )  # fmt: skip
    parser.add_argument(
        "--selftest", type=Path, nargs="*", default=[], metavar="FILE",
        help="records of the judges' self-tests; those in the results folder, if none is given",
    )  # fmt: skip
    parser.add_argument(
        "--judges", type=json.loads, default={}, metavar="JSON",
        help="the judges' settings, where there is no --run that has them",
    )  # fmt: skip
    parser.add_argument(
        "--human-ratings", type=human_ratings_settings, metavar="JSON",
        help="where people's ratings of edits are, and their scale",
    )  # fmt: skip
    parser.add_argument("--note", action="append", default=[], help="a sentence shown on top")
    parser.add_argument("--language", choices=["en", "zh"], default="en", help="of the labels")
    parser.add_argument(
        "--equal-share", type=float, default=EQUAL_SHARE, metavar="SHARE",
        help="warn if more than this share of a category's scores is one same number",
    )  # fmt: skip
    arguments = parser.parse_args()
    sources = Sources(
        samples=arguments.samples,
        scores=arguments.scores,
        preferences=arguments.preferences,
        results=arguments.results,
        run=arguments.run,
        category=arguments.category,
        merged=arguments.merge,
        selftests=arguments.selftest or list(Layout(arguments.results).selftests()),
        judges=arguments.judges,
        human=arguments.human_ratings,
    )
    text = write_report(
        load(sources), arguments.out, arguments.note, arguments.language, arguments.equal_share
    )
    print(text)
    print(f"report: {arguments.out / 'index.html'}")


if __name__ == "__main__":
    run(main)

"""Read a benchmark file into the samples table, and print which sample goes to which shard."""

from __future__ import annotations

import argparse
from pathlib import Path

from edit_benchmark.dataset import origin
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.readers.registry import FORMATS, files_of
from edit_benchmark.dataset.samples import Import, assignment, prepare, unreadable
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.tables import write_rows
from edit_benchmark.runtime.command_line import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", type=Path, required=True, help="the benchmark file")
    parser.add_argument("--format", choices=sorted(FORMATS), required=True)
    parser.add_argument("--language", choices=["en", "zh"], default="en")
    parser.add_argument("--categories", nargs="+", required=True, metavar="KEY")
    parser.add_argument("--limit", type=int, help="samples of each category at most")
    parser.add_argument(
        "--strict", action="store_true", help="refuse a source image that cannot be read"
    )
    parser.add_argument(
        "--options", default="", metavar="JSON", help="what else the config says of the benchmark"
    )
    parser.add_argument("--shards", type=int, required=True, help="shards of a category")
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    parser.add_argument("--sources", type=Path, required=True, help="folder for source images")
    parser.add_argument("--out", type=Path, required=True, help="the samples table to write")
    arguments = parser.parse_args()
    options = Options.of(arguments.language, arguments.options)
    files = files_of(arguments.benchmark, arguments.format, options)
    benchmark = Import(
        arguments.benchmark,
        arguments.format,
        arguments.language,
        arguments.categories,
        arguments.limit,
        arguments.strict,
        options,
    )
    warnings: list[str] = []
    with origin.recorded(arguments.benchmark, Layout(arguments.results).benchmark_file, files):
        samples = prepare(benchmark, arguments.sources, arguments.results, warnings.append)
    write_rows(arguments.out, samples)
    for line in [*warnings, *unreadable(samples)]:
        print(f"warning: {line}")
    print(assignment(samples, arguments.categories, arguments.shards), end="")


if __name__ == "__main__":
    run(main)

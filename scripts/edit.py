"""Edit one shard of a category with one model on one device."""

from __future__ import annotations

import argparse
from pathlib import Path

from edit_benchmark.dataset.samples import shard_of
from edit_benchmark.editing.job import edit_shard
from edit_benchmark.records import Sample
from edit_benchmark.results.tables import read_rows, write_rows
from edit_benchmark.runtime.command_line import (
    add_device_arguments,
    device_request,
    json_object,
    run,
)
from edit_benchmark.runtime.progress import edit_line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, required=True, help="the samples table")
    parser.add_argument("--category", required=True, metavar="KEY")
    parser.add_argument("--shard", required=True, metavar="K-of-N", help="such as 1-of-6")
    parser.add_argument("--model", required=True, help="name of the model in tables")
    parser.add_argument("--settings", type=json_object, required=True, help="the model, as JSON")
    parser.add_argument("--checkpoint", type=Path, required=True, help="its checkpoint's record")
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    parser.add_argument("--out", type=Path, required=True, help="the table to write")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    number, _, shards = arguments.shard.partition("-of-")
    category = [
        sample
        for sample in read_rows(arguments.samples, Sample)
        if sample.category == arguments.category
    ]
    samples = [row for row in category if shard_of(row, int(shards)) == int(number) - 1]
    purpose = f"edit {arguments.model} {arguments.category} {arguments.shard}"
    rows = edit_shard(
        samples,
        arguments.model,
        arguments.settings,
        arguments.checkpoint,
        arguments.results,
        device_request(arguments, purpose),
    )
    write_rows(arguments.out, rows)
    devices = len(arguments.device_ids.split(","))
    print(edit_line(arguments.out, rows, len(category), devices))


if __name__ == "__main__":
    run(main)

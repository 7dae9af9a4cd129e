"""Edit one shard of a category with one model on one device."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from edit_benchmark.config.resolve import editor_settings
from edit_benchmark.dataset.samples import shard_of
from edit_benchmark.editing.job import EditJob, edit_shard
from edit_benchmark.errors import UserError
from edit_benchmark.records import Edit, Sample
from edit_benchmark.results.tables import read_rows, write_rows
from edit_benchmark.runtime.command_line import add_device_arguments, device_request, run
from edit_benchmark.runtime.progress import edit_line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, required=True, help="the samples table")
    parser.add_argument("--category", required=True, metavar="KEY")
    parser.add_argument("--shard", required=True, metavar="K-of-N", help="such as 1-of-6")
    parser.add_argument("--model", required=True, help="name of the model in tables")
    parser.add_argument("--settings", required=True, help="the model, as JSON")
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
    purpose = f"edit {arguments.model} {arguments.category} {arguments.shard}"
    job = EditJob(
        name=arguments.model,
        settings=editor_settings(arguments.settings, arguments.model),
        checkpoint_record=arguments.checkpoint,
        results=arguments.results.absolute(),
        devices=device_request(arguments, purpose),
        samples=[row for row in category if shard_of(row, int(shards)) == int(number) - 1],
    )
    rows = edit_shard(job)
    write_rows(arguments.out, rows)
    for path in job.layout.shard_tables(arguments.model, arguments.category, int(shards)):
        if path.resolve() != arguments.out.resolve():
            # A neighbour's table only adds to the line on the terminal.
            with suppress(UserError, OSError):
                rows += read_rows(path, Edit)
    wanted = len(category) * job.settings.repeats
    devices = len(job.devices.device_ids)
    print(edit_line(arguments.model, arguments.category, rows, wanted, devices))


if __name__ == "__main__":
    run(main, watched=True)

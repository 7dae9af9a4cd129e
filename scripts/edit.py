"""Edit one shard of a category with one model on one device."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edit_benchmark.config.editors import FinishedSettings
from edit_benchmark.config.resolve import editor_settings
from edit_benchmark.dataset.samples import shard_of
from edit_benchmark.editing.finished import bring_shard
from edit_benchmark.editing.job import EditJob, edit_shard
from edit_benchmark.errors import UserError
from edit_benchmark.records import Edit, Sample
from edit_benchmark.results.tables import read_rows, write_rows
from edit_benchmark.runtime.command_line import add_device_arguments, job_fields, run
from edit_benchmark.runtime.progress import edit_line


def make(words: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of the job that a command's ``words`` describe, as JSON."""
    arguments = _parser().parse_args(words)
    return [asdict(row) for row in edit_shard(_job(arguments, _category(arguments)))]


def main() -> None:
    arguments = _parser().parse_args()
    category = _category(arguments)
    job = _job(arguments, category)
    _, shards = _shard(arguments)
    finished = isinstance(job.settings, FinishedSettings)
    rows = bring_shard(job) if finished else edit_shard(job)
    write_rows(arguments.out, rows)
    for path in job.layout.shard_tables(arguments.model, arguments.category, shards):
        if path.resolve() != arguments.out.resolve():
            # A neighbour's table only adds to the line on the terminal.
            with suppress(UserError, OSError):
                rows += read_rows(path, Edit)
    wanted = len(category) * job.settings.repeats
    at_once = job.at_once or max(1, len(job.devices.device_ids) // max(1, job.settings.gpu))
    print(edit_line(arguments.model, arguments.category, rows, wanted, at_once))


def _parser() -> argparse.ArgumentParser:
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
    return parser


def _job(arguments: argparse.Namespace, category: Sequence[Sample]) -> EditJob:
    number, shards = _shard(arguments)
    settings = editor_settings(arguments.settings, arguments.model)
    purpose = f"edit {arguments.model} {arguments.category} {arguments.shard}"
    return EditJob(
        **job_fields(arguments, arguments.model, settings, purpose),
        samples=[row for row in category if shard_of(row, shards) == number - 1],
    )


def _shard(arguments: argparse.Namespace) -> tuple[int, int]:
    """Number of the shard, from 1, and of how many."""
    number, _, shards = arguments.shard.partition("-of-")
    return int(number), int(shards)


def _category(arguments: argparse.Namespace) -> list[Sample]:
    """All samples of the category."""
    samples = read_rows(arguments.samples, Sample)
    return [sample for sample in samples if sample.category == arguments.category]


if __name__ == "__main__":
    run(main, watched=True)

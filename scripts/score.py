"""Score edited images of one category and model with one judge on one device."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edit_benchmark.config.resolve import judge_settings
from edit_benchmark.judging.chunks import chunk
from edit_benchmark.judging.job import ScoreJob, score_edits
from edit_benchmark.judging.variations import asked_of
from edit_benchmark.records import Edit, Sample
from edit_benchmark.results.tables import read_rows, write_rows
from edit_benchmark.runtime.command_line import add_judge_arguments, job_fields, run
from edit_benchmark.runtime.progress import score_line


def make(words: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of the job that a command's ``words`` describe, as JSON."""
    return [asdict(row) for row in score_edits(_job(_parser().parse_args(words)))]


def main() -> None:
    arguments = _parser().parse_args()
    job = _job(arguments)
    rows = score_edits(job)
    write_rows(arguments.out, rows)
    at_once = job.at_once or 1
    print(score_line(arguments.model, arguments.category, arguments.judge, rows, at_once))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=Path, required=True, help="the category's table of edits")
    parser.add_argument("--category", required=True, metavar="KEY")
    parser.add_argument("--model", required=True, help="name of the model in tables")
    parser.add_argument("--chunk", type=int, required=True, help="which part, from 1")
    parser.add_argument("--chunk-size", type=int, required=True, help="edited images of a part")
    parser.add_argument("--out", type=Path, required=True, help="the table to write")
    add_judge_arguments(parser)
    return parser


def _job(arguments: argparse.Namespace) -> ScoreJob:
    settings = judge_settings(arguments.settings, arguments.judge)
    purpose = f"score {arguments.judge} {arguments.category} part {arguments.chunk}"
    of_category = read_rows(arguments.edits, Edit)
    return ScoreJob(
        **job_fields(arguments, arguments.judge, settings, purpose),
        edits=chunk(of_category, arguments.chunk, arguments.chunk_size),
        of_category=of_category,
        samples=read_rows(arguments.samples, Sample),
        asked=asked_of(settings, arguments.category, arguments.language),
    )


if __name__ == "__main__":
    run(main, watched=True)

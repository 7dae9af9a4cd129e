"""Have one judge say which of two models' edits are better, in one part of a category."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edit_benchmark.config.judges import PixelsJudgeSettings
from edit_benchmark.config.resolve import judge_settings
from edit_benchmark.dataset.chains import SharedSamples
from edit_benchmark.errors import UserError
from edit_benchmark.judging.chunks import paired
from edit_benchmark.judging.pairs import PairJob, as_json, ask_pairs
from edit_benchmark.judging.preferences import Edits, compare_edits, pairs_of
from edit_benchmark.judging.protocols import load
from edit_benchmark.records import Edit, Sample
from edit_benchmark.results.tables import read_rows, write_rows
from edit_benchmark.runtime.command_line import add_judge_arguments, job_fields, run
from edit_benchmark.runtime.progress import pair_line


def make(words: Sequence[str]) -> list[dict[str, Any]]:
    """What a judge says of the pairs that a command's ``words`` describe, as JSON."""
    job, _, _ = _job(_parser().parse_args(words))
    return as_json(ask_pairs(job))


def main() -> None:
    arguments = _parser().parse_args()
    job, edits, samples = _job(arguments)
    rows = compare_edits(job, edits, samples)
    write_rows(arguments.out, rows)
    first, second = arguments.models
    print(pair_line(first, second, arguments.category, arguments.judge, rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--edits", type=Path, nargs=2, required=True, help="the category's tables of both models"
    )
    parser.add_argument("--models", nargs=2, required=True, help="their names in tables")
    parser.add_argument("--category", required=True, metavar="KEY")
    parser.add_argument("--chunk", type=int, required=True, help="which part, from 1")
    parser.add_argument("--chunk-size", type=int, required=True, help="pairs of a part")
    parser.add_argument("--out", type=Path, required=True, help="the table to write")
    add_judge_arguments(parser)
    return parser


def _job(arguments: argparse.Namespace) -> tuple[PairJob, list[Edits], SharedSamples]:
    """The job, the rows of both models that it is about, and all samples."""
    settings = judge_settings(arguments.settings, arguments.judge)
    if isinstance(settings, PixelsJudgeSettings) or not settings.compares:
        raise UserError(
            f"judge {arguments.judge} gives scores and compares no edits; use scripts/score.py."
        )
    first, second = arguments.models
    which = f"{first} {second} {arguments.category} part {arguments.chunk}"
    purpose = f"compare {arguments.judge} {which}"
    start = (arguments.chunk - 1) * arguments.chunk_size
    tables = [read_rows(path, Edit) for path in arguments.edits]
    edits = paired(*tables)[start : start + arguments.chunk_size]
    samples = SharedSamples(read_rows(arguments.samples, Sample), *tables)
    job = PairJob(
        **job_fields(arguments, arguments.judge, settings, purpose),
        pairs=pairs_of(edits, samples),
        asked=load(settings, arguments.category, arguments.language),
    )
    return job, edits, samples


if __name__ == "__main__":
    run(main, watched=True)

"""Ask a judge about one part of its self-test on edits of one model, on one device."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edit_benchmark.config.resolve import judge_settings
from edit_benchmark.records import Edit, Sample
from edit_benchmark.results.files import write_text
from edit_benchmark.results.tables import read_rows
from edit_benchmark.runtime.command_line import add_judge_arguments, job_fields, run
from edit_benchmark.selftest.job import SelfTestJob, self_test


def make(words: Sequence[str]) -> dict[str, Any]:
    """What the job that a command's ``words`` describe found, as JSON."""
    return asdict(self_test(_job(_parser().parse_args(words))))


def main() -> None:
    arguments = _parser().parse_args()
    part = asdict(self_test(_job(arguments)))
    write_text(arguments.out, json.dumps(part, ensure_ascii=False, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=Path, nargs="+", required=True, help="tables of edits")
    parser.add_argument("--count", type=int, required=True, help="edits of all parts, at most")
    parser.add_argument("--part", required=True, metavar="K-of-N", help="such as 1-of-4")
    parser.add_argument("--model", required=True, help="name of the model in tables")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    add_judge_arguments(parser)
    return parser


def _job(arguments: argparse.Namespace) -> SelfTestJob:
    number, _, parts = arguments.part.partition("-of-")
    settings = judge_settings(arguments.settings, arguments.judge)
    purpose = f"self-test of {arguments.judge} part {arguments.part}"
    return SelfTestJob(
        **job_fields(arguments, arguments.judge, settings, purpose),
        model=arguments.model,
        # One edit a sample: more of them are no more samples.
        edits=[row for path in arguments.edits for row in read_rows(path, Edit) if not row.repeat],
        samples=read_rows(arguments.samples, Sample),
        count=arguments.count,
        part=int(number),
        parts=int(parts),
        language=arguments.language,
    )


if __name__ == "__main__":
    run(main, watched=True)

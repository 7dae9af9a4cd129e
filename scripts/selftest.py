"""Self-test of a judge on edits of one model: print its verdict and keep what it rests on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edit_benchmark.config.resolve import judge_settings
from edit_benchmark.records import Edit, Sample
from edit_benchmark.results.files import write_text
from edit_benchmark.results.tables import read_rows
from edit_benchmark.runtime.command_line import add_device_arguments, device_request, run
from edit_benchmark.selftest.job import SelfTestJob, self_test
from edit_benchmark.selftest.verdict import lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, required=True, help="the samples table")
    parser.add_argument("--edits", type=Path, nargs="+", required=True, help="tables of edits")
    parser.add_argument("--count", type=int, required=True, help="edits to test with, at most")
    parser.add_argument("--model", required=True, help="name of the model in tables")
    parser.add_argument("--judge", required=True, help="name of the judge in tables")
    parser.add_argument("--settings", required=True, help="the judge, as JSON")
    parser.add_argument("--checkpoint", type=Path, required=True, help="its checkpoint's record")
    parser.add_argument("--language", choices=["en", "zh"], required=True)
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    job = SelfTestJob(
        name=arguments.judge,
        settings=judge_settings(arguments.settings, arguments.judge),
        checkpoint_record=arguments.checkpoint,
        results=arguments.results.absolute(),
        devices=device_request(arguments, f"self-test of {arguments.judge}"),
        model=arguments.model,
        # One edit a sample: more of them are no more samples.
        edits=[row for path in arguments.edits for row in read_rows(path, Edit) if not row.repeat],
        samples=read_rows(arguments.samples, Sample),
        count=arguments.count,
        language=arguments.language,
    )
    record = self_test(job)
    write_text(arguments.out, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    print("\n".join(lines(record)))


if __name__ == "__main__":
    run(main, watched=True)

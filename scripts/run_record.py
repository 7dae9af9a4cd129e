"""Write down what was run: configuration, checkpoints, rubrics, benchmark file, versions."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edit_benchmark.config.resolve import config_from_json
from edit_benchmark.report.run_record import Recorded, run_record
from edit_benchmark.results.files import write_text
from edit_benchmark.runtime.command_line import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="the config, as JSON")
    parser.add_argument("--benchmark", type=Path, required=True, help="the benchmark file")
    parser.add_argument("--checkpoints", type=Path, nargs="*", default=[], help="their records")
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="score tables")
    parser.add_argument(
        "--preferences", type=Path, nargs="*", default=[], help="tables of compared pairs"
    )
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    parser.add_argument("--out", type=Path, required=True, help="the record to write")
    arguments = parser.parse_args()
    config = config_from_json(arguments.settings)
    files = Recorded(
        results=arguments.results,
        benchmark=arguments.benchmark,
        checkpoints=arguments.checkpoints,
        scores=arguments.scores,
        preferences=arguments.preferences,
    )
    record = run_record(config, files)
    write_text(arguments.out, json.dumps(record, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    run(main)

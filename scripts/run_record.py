"""Write down what was run: configuration, checkpoints, rubrics, benchmark file, versions."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edit_benchmark.report.provenance import run_record
from edit_benchmark.results.files import write_text
from edit_benchmark.runtime.command_line import json_object, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=json_object, required=True, help="the config, as JSON")
    parser.add_argument("--benchmark", type=Path, required=True, help="the benchmark file")
    parser.add_argument("--checkpoints", type=Path, nargs="*", default=[], help="their records")
    parser.add_argument("--rubrics", type=Path, nargs="+", required=True, help="rubric files")
    parser.add_argument("--out", type=Path, required=True, help="the record to write")
    arguments = parser.parse_args()
    record = run_record(
        arguments.settings, arguments.benchmark, arguments.checkpoints, arguments.rubrics
    )
    write_text(arguments.out, json.dumps(record, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    run(main)

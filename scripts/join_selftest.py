"""Join the parts of a judge's self-test: print its verdict and keep what it rests on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edit_benchmark.results.files import write_text
from edit_benchmark.runtime.command_line import run
from edit_benchmark.selftest.joining import join
from edit_benchmark.selftest.parts import read
from edit_benchmark.selftest.verdict import lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=Path, nargs="+", required=True, help="what each part found")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    arguments = parser.parse_args()
    record = join([read(path) for path in arguments.parts])
    write_text(arguments.out, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    print("\n".join(lines(record)))


if __name__ == "__main__":
    run(main)

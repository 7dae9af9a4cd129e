"""Make a public benchmark's table from the result files that its own scripts wrote.

python scripts/aggregate_official.py --format rise outputs/MODEL/MODEL_judge.xlsx
python scripts/aggregate_official.py --format imgedit --benchmark basic_edit.json result.json

Every number stands there as published and, where the benchmark's code has a fault, as corrected,
with how many rows stand behind it. All files are of one model, but for gedit_v2.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edit_benchmark.official.files.formats import FORMATS, aggregate
from edit_benchmark.official.rendering import as_latex, as_text
from edit_benchmark.runtime.command_line import run


def main() -> None:
    given = "\n".join(f"  {name}: {files}" for name, files in FORMATS.items())
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"what FILE is:\n{given}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--format", required=True, choices=FORMATS, help="the benchmark")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files or folders")
    parser.add_argument("--benchmark", type=Path, help="ImgEdit's basic_edit.json")
    parser.add_argument(
        "--resamples",
        type=int,
        default=1000,
        help="of the bootstrap of Elo (gedit_v2); 0 for no interval",
    )
    parser.add_argument("--latex", action="store_true", help="tables for a paper")
    arguments = parser.parse_args()
    outcome = aggregate(arguments.format, arguments.files, arguments.benchmark, arguments.resamples)
    print((as_latex if arguments.latex else as_text)(outcome), end="")


if __name__ == "__main__":
    run(main)

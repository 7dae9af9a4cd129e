"""Write a run's edits in the output layout of a public benchmark, for the benchmark's own scripts.

python scripts/export.py --format gedit --out official results
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edit_benchmark.dataset.export import export, models
from edit_benchmark.dataset.layouts import LAYOUTS
from edit_benchmark.errors import UserError
from edit_benchmark.runtime.command_line import run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="the results folder of a finished run")
    parser.add_argument("--format", choices=sorted(LAYOUTS), required=True, help="whose layout")
    parser.add_argument("--out", type=Path, required=True, help="a folder for one of each model")
    parser.add_argument("--model", action="append", help="only this model; may be repeated")
    arguments = parser.parse_args()
    names = arguments.model or models(arguments.results)
    if not names:
        raise UserError(f"{arguments.results}: it has no finished edits; give a results folder.")
    for model in names:
        folder = arguments.out / model
        exported = export(arguments.results, model, arguments.format, folder)
        print(f"{folder}: {exported.written} edits written")
        for edit in exported.missing:
            print(f"  none of {edit.id}: {edit.status}, {edit.reason}")


if __name__ == "__main__":
    run(main)

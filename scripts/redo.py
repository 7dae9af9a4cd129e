"""Redo on purpose: remove finished work, then run the command that is given.

python scripts/redo.py --sample 00012_物理 -- snakemake --cores all --resources gpu=6
python scripts/redo.py --failed -- snakemake --cores all --resources gpu=6
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from edit_benchmark.results.redo import Selection, remove
from edit_benchmark.runtime.command_line import run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", nargs="+", default=[], metavar="ID", help="only these samples")
    parser.add_argument("--category", nargs="+", default=[], help="only these, by any name")
    parser.add_argument("--failed", action="store_true", help="only samples that failed")
    parser.add_argument("--scores", action="store_true", help="only the scores, not the edits")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the results folder")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run afterwards")
    arguments = parser.parse_args()
    selection = Selection(arguments.sample, arguments.category, arguments.failed, arguments.scores)
    removed = remove(arguments.results, selection)
    print(
        f"removed: {removed.edits} edits, {removed.answers} answers; to be tried again: "
        f"{removed.failures} failures"
    )
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    sys.stdout.flush()
    if command:
        os.execvp(command[0], command)


if __name__ == "__main__":
    run(main)

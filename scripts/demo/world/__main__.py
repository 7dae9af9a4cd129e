"""Write scenes of the demo's world as a benchmark, or measure the check of what is right."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

# Python puts the folder that it runs on its search path, not the one that holds the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from demo.world.files import write
from demo.world.rates import table
from demo.world.scene import CATEGORIES, Split, scene


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo.world", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    benchmark = commands.add_parser("benchmark", help="write images, targets and benchmark.jsonl")
    benchmark.add_argument("--split", choices=get_args(Split), default="heldout")
    benchmark.add_argument(
        "--samples", type=count, default=25, help="how many, the categories by turns (default: 25)"
    )
    benchmark.add_argument("--first-seed", type=int, default=0, help="default: 0")
    benchmark.add_argument("--out", type=Path, required=True, help="folder for the files")
    rates = commands.add_parser("rates", help="print how often the check takes pictures for right")
    rates.add_argument("--scenes", type=count, default=1000, help="a category (default: 1000)")
    options = parser.parse_args()
    if options.command == "benchmark" and options.out.exists() and not options.out.is_dir():
        parser.error(f"{options.out} is no folder")
    if options.command == "rates":
        print(table(options.scenes), end="")
        return
    names = list(CATEGORIES)
    scenes = [
        scene(options.first_seed + number // len(names), names[number % len(names)], options.split)
        for number in range(options.samples)
    ]
    write(sorted(scenes, key=lambda one: names.index(one.category)), options.out)
    print(f"{len(scenes)} scenes in {options.out}")


def count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("less than 1")
    return int(text)


if __name__ == "__main__":
    main()

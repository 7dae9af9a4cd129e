"""Have processes for models get ready while the benchmark is read; before the jobs of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from edit_benchmark.runtime.command_line import add_device_arguments, device_request, run
from edit_benchmark.runtime.keeping import client


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    parser.add_argument("--each", type=int, required=True, help="models of each device")
    parser.add_argument(
        "--ahead", nargs="+", required=True, metavar="ROLE=FOLDER", help="what is imported"
    )
    add_device_arguments(parser)
    arguments = parser.parse_args()
    devices = device_request(arguments, "getting ready")
    if client.is_possible(devices):
        client.warm(devices, arguments.ahead, arguments.each, arguments.results.absolute())


if __name__ == "__main__":
    run(main)

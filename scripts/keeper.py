"""Keep models loaded between the jobs of a run; started by its first job, ends with the run."""

from __future__ import annotations

import argparse
import socket
from pathlib import Path

from edit_benchmark.runtime.command_line import run
from edit_benchmark.runtime.keeping.keeper import Keeper


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listener", type=int, required=True, help="descriptor of the socket")
    parser.add_argument("--socket", type=Path, required=True, help="where it listens")
    arguments = parser.parse_args()
    try:
        Keeper(socket.socket(fileno=arguments.listener)).serve()
    finally:
        arguments.socket.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)

"""Have a server for the jobs of a run; started by the first that needs it, ends with the run."""

from __future__ import annotations

import argparse
import json
import socket
from pathlib import Path

from edit_benchmark.runtime.command_line import run
from edit_benchmark.servers.shared import share
from edit_benchmark.servers.started import ServerOrder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listener", type=int, required=True, help="descriptor of the socket")
    parser.add_argument("--socket", type=Path, required=True, help="where it listens")
    parser.add_argument("--order", type=json.loads, required=True, help="the server, as JSON")
    arguments = parser.parse_args()
    listener = socket.socket(fileno=arguments.listener)
    share(ServerOrder.of(arguments.order), listener, arguments.socket)


if __name__ == "__main__":
    run(main)

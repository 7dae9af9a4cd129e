"""Say how far the run in a results folder is: what is edited, judged, failed, how fast, until when.

Nothing is written, so that it can be asked at any time and from any host that sees the folder.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from pathlib import Path

from edit_benchmark.runtime.command_line import run
from edit_benchmark.runtime.status import as_json, lines, look

_DAY = 86400.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "results", type=Path, nargs="?", default=Path("results"), help="the results folder"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--watch", type=float, metavar="SECONDS", help="again and again")
    arguments = parser.parse_args()
    # Ctrl-C, or a reader that has seen enough, is how a watch ends.
    for number in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    while True:
        status = look(arguments.results)
        if arguments.json:
            print(json.dumps(as_json(status), ensure_ascii=False), flush=True)
        else:
            print("\n".join(lines(status)), flush=True)
        if arguments.watch is None:
            return
        if not arguments.json:
            print(flush=True)
        time.sleep(min(max(1.0, arguments.watch), _DAY))


if __name__ == "__main__":
    run(main)

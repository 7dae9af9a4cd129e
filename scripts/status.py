"""Say how far the run in a results folder is: what is edited, judged, failed, how fast, until when.

Nothing is written, so that it can be asked at any time and from any host that sees the folder.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from edit_benchmark.runtime.command_line import run
from edit_benchmark.runtime.status import as_json, lines, look


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
    while True:
        status = look(arguments.results)
        text = lines(status)
        print(
            json.dumps(as_json(status), ensure_ascii=False) if arguments.json else "\n".join(text)
        )
        if arguments.watch is None:
            return
        print(flush=True)
        time.sleep(max(1.0, arguments.watch))


if __name__ == "__main__":
    run(main)

"""A stand-in for what starts a server: ``python stand_in_server.py PORT DIARY [SECONDS] [CODE]``.

It takes some seconds to load, and writes into the diary when it begins, what it is asked and when
it ends. With an exit code it ends with that in place of answering. The instruction "change 5" is
its end; it takes as many seconds for an answer as the field "pause" of a request says.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from stand_in import Asked, Reply, StandIn, edited, well


def main() -> None:
    port, diary, *further = sys.argv[1:]
    seconds = float(further[0]) if further else 0.0
    # As vLLM and SGLang do, it has a process for its model.
    worker = subprocess.Popen(["sleep", "600"])
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    write(diary, f"began {os.getpid()} {worker.pid} seeing {seen!r}")
    print("loading", flush=True)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        time.sleep(seconds)
        if len(further) > 1:
            sys.exit(int(further[1]))
        StandIn(partial(mortal, diary), int(port))
        signal.pause()
    finally:
        write(diary, f"ended {os.getpid()}")


def mortal(diary: str, asked: Asked) -> Reply:
    write(diary, f"asked {asked.digest}")
    if asked.path.endswith("/images/edits"):
        return edited(asked)
    if "change 5" in str(asked.parts("text")):
        os._exit(7)
    reply = well(asked)
    reply.pause = asked.body.get("pause", 0.0)
    return reply


def write(diary: str, line: str) -> None:
    with Path(diary).open("a") as file:
        file.write(f"{line}\n")


if __name__ == "__main__":
    main()

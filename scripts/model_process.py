"""Do one job after another with the model that was loaded for the first; started by keeper.py."""

from __future__ import annotations

import argparse
import gc
import os
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import compare
import edit
import score
import selftest
from edit_benchmark.errors import UserError
from edit_benchmark.runtime import leases, supervision
from edit_benchmark.runtime.command_line import run
from edit_benchmark.runtime.devices import device_from
from edit_benchmark.runtime.keeping import resident
from edit_benchmark.runtime.keeping.channel import Channel, Closed
from edit_benchmark.runtime.telemetry import job_begins

_COMMANDS = {
    "compare": compare.make,
    "edit": edit.make,
    "score": score.make,
    "selftest": selftest.make,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channel", type=int, required=True, help="descriptor of the socket")
    parser.add_argument(
        "--ahead",
        nargs="*",
        default=[],
        metavar="ROLE=FOLDER",
        help="checkpoints of editors and judges whose classes are imported before any job",
    )
    arguments = parser.parse_args()
    supervision.end_with_parent()
    # Children that a model's class starts get neither: they may live longer than this process.
    os.set_inheritable(arguments.channel, False)
    channel = Channel(socket.socket(fileno=arguments.channel))
    os.register_at_fork(after_in_child=channel.close)
    # For a keeper that has ended before, and for the processes that a model's class started.
    threading.Thread(target=_end_with_keeper, args=(channel,), daemon=True).start()
    for role, _, folder in (entry.partition("=") for entry in arguments.ahead):
        with suppress(Exception):  # what is wrong, the job that needs it says
            _IMPORTS[role](Path(folder))
    try:
        message, locks = channel.receive()
    except Closed:
        return
    # As they were found by who sees all of them: this process sees no others.
    device = device_from(message["hold"])
    resident.become(resident.Resident(channel, device, [leases.own(lock) for lock in locks]))
    own_log = os.dup(2)
    with suppress(Closed):
        while True:
            message, (job_log, note) = channel.receive()
            job_begins()
            supervision.adopt(note)
            _print_into(job_log)
            answer = _do(message["words"])
            _print_into(own_log)
            supervision.disown()
            os.close(job_log)
            os.close(note)
            gc.collect()
            channel.send(answer)


def _import_editor(folder: Path) -> None:
    from edit_benchmark.checkpoints.loading import import_classes
    from edit_benchmark.editing import diffusers_pipeline  # noqa: F401  imports its libraries

    import_classes(folder)


def _import_judge(folder: Path) -> None:
    from edit_benchmark.judging import chosen, expected  # noqa: F401  import their libraries
    from edit_benchmark.judging.transformers_judge import model_class_of

    model_class_of(folder)


_IMPORTS = {"editor": _import_editor, "judge": _import_judge}


def _print_into(log: int) -> None:
    for descriptor in (1, 2):
        os.dup2(log, descriptor)


def _do(words: list[str]) -> dict[str, Any]:
    """Do a job; what it made, or why it failed."""
    name, *rest = words
    try:
        return {"made": _COMMANDS[name](rest)}
    except UserError as error:
        return {"error": str(error)}
    except resident.Stopped:
        return {"error": "the job was ended."}
    except Exception:
        traceback.print_exc()
        return {"error": "the job failed; the traceback is in its log."}
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _end_with_keeper(channel: Channel) -> None:
    poll = select.poll()
    poll.register(channel, 0)  # a hang-up is always told
    poll.poll()
    with suppress(ProcessLookupError):  # where it leads no group
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    run(main)

"""What all commands share: logging, exit codes, and the arguments of jobs that use a device."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from edit_benchmark.errors import UserError
from edit_benchmark.runtime import supervision
from edit_benchmark.runtime.devices import DeviceRequest
from edit_benchmark.runtime.failures import NO_SPACE


def run(main: Callable[[], None], *, watched: bool = False) -> None:
    """Run a command's ``main``; a UserError becomes one line on stderr and exit code 2.

    With ``watched`` a model is used in a child process: what ends it is told, see
    :mod:`edit_benchmark.runtime.supervision`.
    """
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    # One line a download or request is noise beside one line an image.
    for name in ("httpx", "urllib3", "filelock", "PIL"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Where the locale is not UTF-8, a Chinese name is no reason to fail.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    if watched:
        supervision.allow()
    code = 1
    try:
        main()
        sys.stdout.flush()
        code = 0
    except UserError as error:
        code = 2
        _say(f"error: {error}")
    except OSError as error:
        # Of a full disk all that a job does not catch: in the log itself, or at the very end.
        if error.errno not in NO_SPACE:
            raise
        code = 2
        name = error.filename or "the results or the job's log"
        _say(
            f"error: cannot write {name}: {error.strerror}; what was finished is kept: make room "
            "and run the same command again."
        )
    finally:
        supervision.finish(code)
    sys.exit(code)


def _say(sentence: str) -> None:
    """Print a sentence; on the terminal, and ending the process, if the log's disk is full."""
    try:
        print(sentence, file=sys.stderr, flush=True)
    except OSError:
        with suppress(OSError):
            print(sentence, flush=True)
        supervision.finish(2)
        # The log's last lines would be flushed, in vain, and be said to be lost.
        os._exit(2)


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of a job that takes a device."""
    group = parser.add_argument_group("device")
    group.add_argument(
        "--device-ids",
        required=True,
        metavar="ID,ID",
        help="GPU numbers in order of preference, or cpu once per worker, with commas",
    )
    group.add_argument(
        "--load-slots", type=int, default=1, help="models loading at once on this host"
    )
    group.add_argument(
        "--stage-checkpoints",
        default="",
        metavar="FOLDER",
        help="where this node's copies of checkpoints lie, with variables; empty for none",
    )
    group.add_argument(
        "--keep-loaded",
        type=int,
        default=0,
        metavar="SECONDS",
        help="how long the loaded model is kept for other jobs of the run",
    )
    group.add_argument(
        "--gpu", type=int, default=1, help="the gpu resource that Snakemake granted this job"
    )
    served = parser.add_argument_group("server")
    served.add_argument(
        "--at-once", type=int, default=0, help="requests under way at once; 0 as the settings say"
    )
    served.add_argument(
        "--budget", type=float, default=0, help="the most that the run may cost; 0 for no limit"
    )


def add_judge_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of every job that asks a judge, those of its device among them."""
    parser.add_argument("--samples", type=Path, required=True, help="the samples table")
    parser.add_argument("--judge", required=True, help="name of the judge in tables")
    parser.add_argument("--settings", required=True, help="the judge, as JSON")
    parser.add_argument("--checkpoint", type=Path, required=True, help="its checkpoint's record")
    parser.add_argument("--language", choices=["en", "zh"], required=True)
    parser.add_argument("--results", type=Path, required=True, help="the results folder")
    add_device_arguments(parser)


def job_fields(
    arguments: argparse.Namespace, name: str, settings: Any, purpose: str
) -> dict[str, Any]:
    """What a :class:`~edit_benchmark.runtime.job.Job` of any kind is told by a command.

    ``purpose`` is as of :func:`device_request`.
    """
    return {
        "name": name,
        "settings": settings,
        "checkpoint_record": arguments.checkpoint,
        "results": arguments.results.absolute(),
        "devices": device_request(arguments, purpose, settings.gpu),
        "stage_checkpoints": arguments.stage_checkpoints or None,
        "at_once": arguments.at_once or None,
        "budget": arguments.budget or None,
    }


def device_request(arguments: argparse.Namespace, purpose: str, count: int = 1) -> DeviceRequest:
    """The device arguments as a request for ``count`` devices.

    ``purpose`` is shown to those who wait.
    """
    ids: list[int | str] = [
        int(entry) if entry.isdigit() else entry for entry in arguments.device_ids.split(",")
    ]
    words = (Path(sys.argv[0]).stem, *sys.argv[1:])
    return DeviceRequest(
        ids, arguments.load_slots, arguments.gpu, purpose, arguments.keep_loaded, words, count
    )

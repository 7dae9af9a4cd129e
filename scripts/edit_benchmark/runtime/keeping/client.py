"""The job's side: have the keeper do the job with a model that may be loaded already."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edit_benchmark.errors import UserError
from edit_benchmark.runtime import supervision
from edit_benchmark.runtime.devices import DeviceRequest
from edit_benchmark.runtime.keeping import place
from edit_benchmark.runtime.keeping.channel import Channel, Closed

log = logging.getLogger(__name__)
#: Below the results folder.
KEEPER_LOG = Path("logs", "keeper.log")
_KEEPER = Path(__file__).parents[3] / "keeper.py"


@dataclass(frozen=True)
class Order:
    """A job, as its keeper is told.

    Attributes
    ----------
    model
        Equal for jobs that one loaded model can do.
    weight_bytes
        What the model takes of its device's memory, at least.
    devices
        What is asked for.
    """

    model: str
    weight_bytes: int
    devices: DeviceRequest


def is_possible(devices: DeviceRequest) -> bool:
    """Whether a keeper can serve this job: in a run of this host, not one that a scheduler runs."""
    if not devices.words or devices.keep_loaded <= 0:
        return False
    return place.run_pid() is not None


def ask(order: Order, results: Path) -> Any:
    """What the job made, as JSON.

    Returns
    -------
    object
        None if there can be no keeper here: then the job has to do its work itself.

    Raises
    ------
    UserError
        If the job failed, or the process that did it ended.
    """
    channel = _keeper(results)
    if channel is None:
        return None
    note = supervision.new_note()
    try:
        channel.send({"order": asdict(order)}, [sys.stderr.fileno(), note])
        while True:
            message, _ = channel.receive()
            if "made" in message:
                return message["made"]
            if "ended" in message:
                raise UserError(supervision.end_of_other(message["ended"], note))
            if "error" in message:
                raise UserError(message["error"])
            log.info("%s", message["log"])
    except Closed:
        raise UserError(
            f"the process that shares out the devices was ended ({results / KEEPER_LOG} may say "
            "why); what was finished is kept: run the same command again."
        ) from None
    finally:
        supervision.make_log_readable()
        channel.close()
        os.close(note)


def warm(devices: DeviceRequest, ahead: Sequence[str], each: int, results: Path) -> None:
    """Have processes for models get ready on each device, before the first job.

    Parameters
    ----------
    ahead
        What they import, as ``editor=FOLDER`` and ``judge=FOLDER``.
    each
        How many models will be loaded on each device, at most.
    """
    channel = _keeper(results)
    if channel is not None:
        with suppress(Closed):
            channel.send({"warm": {"devices": asdict(devices), "ahead": ahead, "each": each}})
        channel.close()


def _keeper(results: Path) -> Channel | None:
    """A connection to the run's keeper, which is started if there is none."""
    folder = place.folder()
    connection = None
    if folder is not None:
        path = folder / f"{place.identity()}.keeper"
        try:
            with (folder / "start.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                connection = place.connect(path)
                if connection is None:
                    _start(path, results)
                    connection = place.connect(path)
        except OSError as error:
            log.info("no keeper can be started: %s", error)
    if connection is None:
        log.info("no process can keep models loaded here: the model is loaded for this job alone")
        return None
    channel = Channel(connection)
    if not channel.peer_is_own():
        channel.close()
        return None
    return channel


def _start(path: Path, results: Path) -> None:
    """Start a keeper that listens at ``path``, apart from the terminal and this job."""
    place.forget_dead(path.parent)
    output_path = results / KEEPER_LOG
    output_path.parent.mkdir(parents=True, exist_ok=True)
    # Connections wait in the socket's queue until the keeper has come up.
    with place.listen(path) as listener, output_path.open("ab") as output:
        subprocess.Popen(
            [sys.executable, str(_KEEPER), "--listener", str(listener.fileno()),
             "--socket", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )  # fmt: skip

"""The GPUs of this host: which there are, and how much of their memory is free."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from edit_benchmark.errors import UserError
from edit_benchmark.runtime.schedulers import VISIBLE

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gpu:
    """One GPU as NVML sees it, or a MIG slice of one; memory in bytes, 0 where it is not known.

    A slice has the index of the GPU that it is of.
    """

    index: int
    uuid: str
    name: str
    driver: str
    free: int
    total: int
    processes: dict[int, int]


def present() -> list[Gpu]:
    """All NVIDIA GPUs of this host in the order of nvidia-smi; empty without a driver.

    In place of a GPU that is divided there are its MIG slices, as far as this process is shown any.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    all_gpus = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        slices = _slices(handle)
        if slices is None:
            all_gpus.append(_described(index, handle))
        else:
            # The memory of a GPU whose slices are not shown is that of none of them.
            all_gpus += [_described(index, part) for part in slices] or [
                _described(index, handle, is_divided=True)
            ]
    return all_gpus


def _slices(handle: Any) -> list[Any] | None:
    """Handles of a GPU's MIG slices; None if it is not divided."""
    import pynvml

    try:
        if pynvml.nvmlDeviceGetMigMode(handle)[0] == pynvml.NVML_DEVICE_MIG_DISABLE:
            return None
        most = pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)
    except pynvml.NVMLError:  # not a GPU that can be divided
        return None
    found = []
    for number in range(most):
        with suppress(pynvml.NVMLError):
            found.append(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number))
    return found


def _described(index: int, handle: Any, is_divided: bool = False) -> Gpu:
    import pynvml

    free = total = 0
    if not is_divided:
        with suppress(pynvml.NVMLError):  # not every container may ask for a slice's
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            free, total = int(memory.free), int(memory.total)
    try:
        running = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except pynvml.NVMLError:  # nor for processes
        running = []
    return Gpu(
        index=index,
        uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
        name=str(pynvml.nvmlDeviceGetName(handle)),
        driver=str(pynvml.nvmlSystemGetDriverVersion()),
        free=free,
        total=total,
        processes={process.pid: int(process.usedGpuMemory or 0) for process in running},
    )


def named(entries: Sequence[str], all_gpus: Sequence[Gpu]) -> list[tuple[str, Gpu | None]]:
    """The devices that CUDA shows a process that is given ``entries``, in their order.

    As CUDA reads them: a number, or the beginning of a UUID that only one device has. The first
    entry that names none ends the list, and an entry that stands twice empties it.

    Returns
    -------
    list of tuples of a str and a Gpu
        Each entry with its device. None for one that NVML does not show: any where there is no
        NVML, and a MIG slice.
    """
    found: list[tuple[str, Gpu | None]] = []
    for entry in entries:
        if entry.isdecimal():
            matches = [gpu for gpu in all_gpus if gpu.index == int(entry)][:1]
        elif entry.startswith(("GPU-", "MIG-")):
            matches = [gpu for gpu in all_gpus if gpu.uuid.startswith(entry)]
        else:
            break
        may_be_hidden = not all_gpus or entry.startswith("MIG-")
        if len(matches) != 1 and (matches or not may_be_hidden):
            break
        found.append((entry, matches[0] if matches else None))
    keys = [gpu.uuid if gpu else entry for entry, gpu in found]
    return found if len(set(keys)) == len(keys) else []


def visible() -> list[Gpu]:
    """The GPUs that CUDA shows this process, as far as NVML knows them."""
    all_gpus = present()
    if VISIBLE not in os.environ:
        return all_gpus
    entries = [entry.strip() for entry in os.environ[VISIBLE].split(",")]
    return [gpu for _, gpu in named(entries, all_gpus) if gpu is not None]


def check(device_ids: Sequence[int | str]) -> None:
    """Refuse GPU numbers that this host does not have.

    Raises
    ------
    UserError
        Naming the number and what there is.
    """
    wanted = [device for device in device_ids if device != "cpu"]
    if not wanted:
        return
    indices = sorted({gpu.index for gpu in present()})
    missing = [str(device) for device in wanted if device not in indices]
    if VISIBLE in os.environ and not missing:
        shown = {gpu.index for gpu in visible()}
        hidden = [str(device) for device in wanted if device not in shown]
        if hidden:
            raise UserError(
                f"config: device_ids: GPU {', '.join(hidden)} is hidden by {VISIBLE}="
                f"{os.environ[VISIBLE]}; unset it (device_ids chooses the GPUs) or name only GPUs "
                "in it."
            )
    if missing:
        have = f"GPU {', '.join(map(str, indices))}" if indices else "no NVIDIA GPU"
        raise UserError(
            f"config: device_ids: GPU {', '.join(missing)} is not there, this host has {have}; "
            "name GPUs that exist, or cpu once per worker."
        )


def check_memory(chosen: Sequence[Gpu], needed: int, what: str) -> None:
    """Refuse to load ``needed`` bytes onto GPUs that have less memory free together.

    Where the free memory of one is not known, or none is known, a line in the log says so.

    Raises
    ------
    UserError
        With both figures and the processes that hold the memory.
    """
    # Measured anew: the figure taken at the lease may be old by now.
    now = {gpu.uuid: gpu for gpu in present()}
    current = [now.get(gpu.uuid, gpu) for gpu in chosen]
    if not current or not all(gpu.total for gpu in current):
        log.info("the free memory of the device cannot be checked; %s needs %s", what, _gib(needed))
        return
    if sum(gpu.free for gpu in current) >= needed:
        return
    raise UserError(
        f"{' and '.join(map(memory, current))}, but the weights of {what} need {_gib(needed)}; "
        f"held by: {holders(current)}. Free it, or leave this GPU out of device_ids."
    )


def memory(gpu: Gpu) -> str:
    """How much of a GPU's memory is free, in words."""
    return f"GPU {gpu.index} has {_gib(gpu.free)} free of {_gib(gpu.total)}"


def holders(chosen: Sequence[Gpu]) -> str:
    """The processes that hold memory of GPUs, in words."""
    running = [f"pid {pid} ({_gib(used)})" for gpu in chosen for pid, used in gpu.processes.items()]
    return ", ".join(running) or "processes that this host does not show"


def host_description() -> dict[str, object]:
    """Host name, GPUs and driver, for the record of a run."""
    all_gpus = present()
    return {
        "host": socket.gethostname(),
        "gpus": [f"{gpu.index}: {gpu.name}" for gpu in all_gpus],
        "driver": all_gpus[0].driver if all_gpus else "",
    }


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"

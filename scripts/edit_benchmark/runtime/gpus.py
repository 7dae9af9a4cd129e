"""The GPUs of this host: which there are, and how much of their memory is free."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from edit_benchmark.errors import UserError


@dataclass(frozen=True)
class Gpu:
    """One GPU as NVML sees it; memory in bytes."""

    index: int
    uuid: str
    name: str
    driver: str
    free: int
    total: int
    processes: dict[int, int]


def present() -> list[Gpu]:
    """All NVIDIA GPUs of this host in the order of nvidia-smi; empty without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    all_gpus = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        try:
            running = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
        except pynvml.NVMLError:  # not every container may ask
            running = []
        all_gpus.append(
            Gpu(
                index=index,
                uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
                name=str(pynvml.nvmlDeviceGetName(handle)),
                driver=str(pynvml.nvmlSystemGetDriverVersion()),
                free=int(memory.free),
                total=int(memory.total),
                processes={process.pid: int(process.usedGpuMemory or 0) for process in running},
            )
        )
    return all_gpus


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
    all_gpus = present()
    indices = [gpu.index for gpu in all_gpus]
    missing = [str(device) for device in wanted if device not in indices]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not missing:
        shown = {entry.strip() for entry in visible.split(",")}
        hidden = [str(gpu.index) for gpu in all_gpus
                  if gpu.index in wanted and not {str(gpu.index), gpu.uuid} & shown]  # fmt: skip
        if hidden:
            raise UserError(
                f"config: device_ids: GPU {', '.join(hidden)} is hidden by CUDA_VISIBLE_DEVICES="
                f"{visible}; unset it (device_ids chooses the GPUs) or name only GPUs in it."
            )
    if missing:
        have = f"GPU {', '.join(map(str, indices))}" if indices else "no NVIDIA GPU"
        raise UserError(
            f"config: device_ids: GPU {', '.join(missing)} is not there, this host has {have}; "
            "name GPUs that exist, or cpu once per worker."
        )


def check_memory(chosen: Sequence[Gpu], needed: int, what: str) -> None:
    """Refuse to load ``needed`` bytes onto GPUs that have less memory free together.

    Raises
    ------
    UserError
        With both figures and the processes that hold the memory.
    """
    # Measured anew: the figure taken at the lease may be old by now.
    now = {gpu.uuid: gpu for gpu in present()}
    current = [now.get(gpu.uuid, gpu) for gpu in chosen]
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

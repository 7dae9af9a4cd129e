"""Devices: what a job asks for, and which it may use of those that there are.

Nothing is held here; :mod:`edit_benchmark.runtime.leases` has the locks.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edit_benchmark.errors import UserError
from edit_benchmark.runtime import gpus, schedulers
from edit_benchmark.runtime.gpus import Gpu
from edit_benchmark.runtime.schedulers import Scheduler

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeviceRequest:
    """What a job asks for.

    Attributes
    ----------
    device_ids, load_slots
        As in the configuration.
    granted
        The ``gpu`` that Snakemake granted.
    count
        Devices that the job's model is placed over.
    purpose
        What the device is for, in words that are shown to jobs that wait for it.
    keep_loaded
        Seconds for which the job's model is kept for other jobs of the run; 0 for not at all.
    words
        The job's command, such as ``("edit", "--samples", ...)``, by which another process can do
        it; empty if it must not.
    """

    device_ids: Sequence[int | str]
    load_slots: int
    granted: int
    purpose: str
    keep_loaded: float = 0.0
    words: Sequence[str] = ()
    count: int = 1


@dataclass(frozen=True)
class Device:
    """A device that a job may use, or several that one model is placed over.

    Attributes
    ----------
    torch_name, label
        Its name in torch, which is that of the first of several, and its name in logs.
    gpus
        What NVML says of each; empty if it is not asked.
    visible
        What makes a process see this alone, for ``CUDA_VISIBLE_DEVICES``.
    locks
        The names of the locks that are held for it.
    """

    torch_name: str
    label: str
    gpus: tuple[Gpu, ...] = ()
    visible: str = ""
    locks: tuple[str, ...] = ()

    @property
    def model_name(self) -> str:
        """What kind of device it is, for tables: ``NVIDIA H100 80GB HBM3``, ``cpu``."""
        return " + ".join(dict.fromkeys(gpu.name for gpu in self.gpus)) or self.torch_name


def together(devices: Sequence[Device]) -> Device:
    """Several devices as the one that a model is placed over."""
    # Where one of them is not known, what is known of the others is not of all.
    are_known = all(device.gpus for device in devices)
    return Device(
        devices[0].torch_name,
        " and ".join(device.label for device in devices),
        tuple(gpu for device in devices for gpu in device.gpus if are_known),
        ",".join(device.visible for device in devices if device.visible),
    )


def device_from(fields: dict[str, Any]) -> Device:
    """The device of ``dataclasses.asdict``, as JSON has it."""
    return Device(**{**fields, "gpus": tuple(Gpu(**gpu) for gpu in fields["gpus"])})


def candidates(request: DeviceRequest) -> dict[str, Device]:
    """The devices that a job may use, by the names of their locks, in the order of preference.

    Raises
    ------
    UserError
        If no GPU was granted, or too few, or as :func:`usable`.
    """
    if request.granted < 1:
        raise UserError(
            "this job was granted gpu=0, which Snakemake takes for no limit at all; start the run "
            "with --resources gpu=N, N at least 1."
        )
    if request.granted < request.count:
        raise UserError(
            f"this job was granted gpu={request.granted}, but its model is placed over gpu: "
            f"{request.count} devices; start the run with --resources gpu=N, N at least "
            f"{request.count}."
        )
    found = usable(request.device_ids)
    if len(found) < request.count:
        raise UserError(
            f"the model is placed over gpu: {request.count} devices, and this job may use only "
            f"{', '.join(device.label for device in found.values())}; give it more (device_ids), "
            "or lower gpu."
        )
    return found


def usable(device_ids: Sequence[int | str]) -> dict[str, Device]:
    """The devices of ``device_ids``, by the names of their locks.

    What a scheduler handed out stands in their place: those that it names, which it vouches are
    this job's alone; else those that the driver shows, if ``device_ids`` names others.

    Raises
    ------
    UserError
        If one is not there or is hidden, or a scheduler handed out none.
    """
    scheduler = schedulers.current()
    if "cpu" in device_ids:
        # Each job of a scheduler has cores of its own.
        prefix = scheduler.lock_prefix if scheduler else ""
        names = [f"cpu-{number}" for number in range(len(device_ids))]
        return {prefix + name: Device("cpu", name) for name in names}
    if scheduler and (handed_out := _handed_out(scheduler, device_ids)):
        labels = ", ".join(device.label for device in handed_out.values())
        log.info("device_ids give way to what %s handed out: %s", scheduler, labels)
        return handed_out
    gpus.check(device_ids)
    by_index: dict[int | str, Gpu] = {}
    for gpu in gpus.visible():
        by_index.setdefault(gpu.index, gpu)  # of several slices the first, as CUDA does
    found = [by_index[device] for device in device_ids]
    return {gpu.uuid: Device("cuda", _label(gpu), (gpu,), gpu.uuid) for gpu in found}


def _handed_out(scheduler: Scheduler, device_ids: Sequence[int | str]) -> dict[str, Device]:
    """The devices of a scheduler's job; empty if ``device_ids`` choose among those that it has."""
    present = gpus.present()
    named = schedulers.named_devices()
    if named is None:
        if present and {gpu.index for gpu in present} >= {*device_ids}:
            return {}
        found = {gpu.uuid: Device("cuda", _label(gpu), (gpu,), gpu.uuid) for gpu in present}
    else:
        found = {
            f"{scheduler.lock_prefix}{entry}".replace("/", "_"): Device(
                "cuda", _label(gpu) if gpu else f"GPU {entry}", (gpu,) if gpu else (), entry
            )
            for entry, gpu in gpus.named(named[1], present)
        }
    if not found:
        given = f"{named[0]}={','.join(named[1])}" if named else "the driver shows none"
        raise UserError(
            f"{scheduler} gave this job no GPU ({given}), and its model needs one; ask for one "
            "(in the profile, or when the allocation is made), or name cpu in device_ids."
        )
    return found


def worker_count(device_ids: Sequence[int | str]) -> int:
    """How many devices this process may use, as far as it can be said without asking for them."""
    if schedulers.current() is None or "cpu" in device_ids:
        return len(device_ids)
    try:
        return len(usable(device_ids))
    except UserError:  # which is told when one is needed
        return len(device_ids)


def environment(device: Device) -> dict[str, str]:
    """Variables that make a process see ``device`` alone; before torch is imported."""
    if device.torch_name == "cpu":
        return {"CUDA_VISIBLE_DEVICES": ""}
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": device.visible}


def _label(gpu: Gpu) -> str:
    return f"GPU {gpu.index} ({gpu.name}, {gpu.uuid})"

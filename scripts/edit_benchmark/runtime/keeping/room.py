"""Whether models fit on a device together."""

from __future__ import annotations

import psutil

from edit_benchmark.checkpoints.resolve import weights_size
from edit_benchmark.config.run import Config
from edit_benchmark.runtime import gpus
from edit_benchmark.runtime.devices import Device

# What a model may take beside its weights while it works.
_WORKING_SHARE, _WORKING_BYTES = 0.25, 4 * 2**30


def needed(weight_bytes: int) -> int:
    """Bytes that a model takes on its device while it works."""
    return int(weight_bytes * (1 + _WORKING_SHARE)) + _WORKING_BYTES


def is_room(device: Device, weight_bytes: int) -> bool:
    """Whether a model fits beside those that are on the device now."""
    if not device.gpus:
        # The host's memory is shared by all models of a run, and they are small if it is used.
        return psutil.virtual_memory().available >= needed(weight_bytes)
    uuids = {gpu.uuid for gpu in device.gpus}
    free = [gpu.free for gpu in gpus.present() if gpu.uuid in uuids]
    return min(free, default=0) >= needed(weight_bytes)


def fit_together(settings: Config) -> bool:
    """Whether the largest editor and the largest judge fit on each of the devices together.

    False if the weights are not on this host yet, or the devices cannot be seen from here; and for
    a model on several devices, which has them for itself.
    """
    sizes = []
    for section in (settings.models, settings.judges):
        if any(model.gpu > 1 for model in section.values()):
            return False
        weights = [weights_size(model) for model in section.values()]
        if None in weights:
            return False
        sizes.append(max(size for size in weights if size is not None))
    if "cpu" in settings.device_ids:
        memory = psutil.virtual_memory().total // len(settings.device_ids)
    else:
        totals = [gpu.total for gpu in gpus.present() if gpu.index in settings.device_ids]
        memory = min(totals, default=0)
    return sum(needed(size) for size in sizes) <= memory

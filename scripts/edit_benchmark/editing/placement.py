"""Placing a pipeline's components over several GPUs.

diffusers' own ``device_map="balanced"`` deals components out in turn, wherever they then have to
send their tensors, and leaves one that does not fit on the host without a word. Here all that works
in the denoising loop stays together on the first GPU, and the text encoders, which work once an
image, go where there is room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from edit_benchmark.checkpoints import loading
from edit_benchmark.checkpoints.resolve import choice_of, size_loaded
from edit_benchmark.config.editors import DiffusersEditorSettings
from edit_benchmark.errors import UserError

_GIB = 2**30


def places(settings: DiffusersEditorSettings, folder: Path, device: str) -> dict[Path, str]:
    """The folders of the components that are not on the first device, and their devices in torch.

    Raises
    ------
    UserError
        If a component does not fit.
    """
    if settings.gpu == 1 or device == "cpu":
        return {}
    sizes = size_loaded(folder, choice_of(settings), settings.dtype)
    movable = [
        name
        for name, (library, _) in loading.components(folder).items()
        # Others only the pipeline itself can load, onto its own device.
        if library == "transformers" and loading.is_plain(folder / name)
    ]
    free = [torch.cuda.mem_get_info(number)[0] for number in range(settings.gpu)]
    found = plan(sizes, movable, free, str(settings.checkpoint))
    return {folder / name: f"{device}:{number}" for name, number in found.items() if number}


def plan(
    sizes: Mapping[str, int], movable: Sequence[str], free: Sequence[int], name: str
) -> dict[str, int]:
    """The number of each component's device.

    Parameters
    ----------
    sizes
        Bytes of each component's weights.
    movable
        Components that need not be where the others are.
    free
        Bytes free on each device.
    name
        The checkpoint, for messages.

    Raises
    ------
    UserError
        If a component, or those of the first device together, do not fit: none is divided.
    """
    together = [part for part in sizes if part not in movable]
    left = list(free)
    chosen = dict.fromkeys(together, 0)
    left[0] -= sum(sizes[part] for part in together)
    for part in sorted(movable, key=lambda part: -sizes.get(part, 0)):
        chosen[part] = max(range(len(left)), key=lambda number: left[number])
        left[chosen[part]] -= sizes.get(part, 0)
    for number, room in enumerate(left):
        if room < 0:
            parts = [part for part in chosen if chosen[part] == number and sizes.get(part)]
            raise UserError(
                f"checkpoint {name} does not fit on its {len(free)} GPUs: {', '.join(parts)} "
                f"{'need' if len(parts) > 1 else 'needs'} {(free[number] - room) / _GIB:.1f} GiB "
                f"on one of them, where {free[number] / _GIB:.1f} GiB are free; no component is "
                "divided, and none is left on the host: use GPUs with more memory, or more of them "
                "(gpu) for several text encoders."
            )
    return chosen


def join(pipeline: Any, device: str) -> None:
    """Let tensors travel between the components of a pipeline that are on several GPUs.

    A component elsewhere is given its inputs there and returns its outputs here; the pipeline
    itself makes its tensors on ``device``, whichever of its components it would ask.
    """
    from accelerate.hooks import AlignDevicesHook, add_hook_to_module

    main = torch.device(device, 0) if device == "cuda" else torch.device(device)
    elsewhere = {
        name: place
        for name, component in pipeline.components.items()
        if isinstance(component, torch.nn.Module)
        and (place := next(component.parameters()).device) != main
    }
    for name, place in elsewhere.items():
        hook = AlignDevicesHook(execution_device=place, io_same_device=True)
        add_hook_to_module(getattr(pipeline, name), hook)
    if elsewhere:
        kind = type(pipeline)
        own = property(lambda _: main)
        body = {"_execution_device": own, "device": own, "__module__": kind.__module__}
        pipeline.__class__ = type(kind.__name__, (kind,), body)

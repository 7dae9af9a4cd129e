"""LPIPS: the distance of two images in the features of a network that classifies them.

Zhang et al. 2018, The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, as
torchmetrics has it, whose package holds the weights of the layers' channels (version 0.1).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torchmetrics.functional.image.lpips import _NoTrainLpips

from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.config.judges import PixelsJudgeSettings
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging.pixels.measures import pixels

# The classes of torchvision, and the pixels a side below which no pixel is left in their layers.
_NETWORKS = {"alex": ("alexnet", 31), "vgg": ("vgg16", 16), "squeeze": ("squeezenet1_1", 17)}


class PerceptualNetwork:
    """A network with its weights, on the host.

    Raises
    ------
    UserError
        If the checkpoint cannot be read without running what is in it, or is of another network.
    """

    def __init__(self, settings: PixelsJudgeSettings, checkpoint: Checkpoint) -> None:
        torch.set_num_threads(1)  # rounding must not depend on the number of cores
        assert settings.network is not None
        self._name = settings.network
        classifier, self._smallest = _NETWORKS[settings.network]
        with torch.device("meta"):  # nothing is drawn at random for it
            whole = getattr(torchvision.models, classifier)(weights=None)
        try:
            whole.load_state_dict(_tensors(checkpoint), strict=True, assign=True)
        except RuntimeError as error:
            problem = " ".join(str(error).split()).partition(": ")[2]
            raise UserError(
                f"checkpoint {checkpoint.name} does not fit network: {settings.network}, which is "
                f"torchvision's {classifier} ({problem[:300]}); name the file of its weights."
            ) from None
        features = whole.features.state_dict()
        # pnet_rand: it downloads no weights of its own.
        self._net = _NoTrainLpips(net=settings.network, pnet_rand=True)
        # It has the same layers in slices.
        own = {name: re.sub(r"^slices?\.?\d+\.", "", name) for name in self._net.net.state_dict()}
        self._net.net.load_state_dict({name: features[layer] for name, layer in own.items()})
        self._dtype: torch.dtype = getattr(torch, settings.dtype)
        self._net.to(dtype=self._dtype)

    def distance(self, one: Image.Image, other: Image.Image) -> float:
        """LPIPS of two images of one size, 0 for equal ones.

        Raises
        ------
        SampleError
            If they are too small for the network.
        """
        if min(one.size) < self._smallest:
            raise SampleError(
                "too_small",
                f"LPIPS with {self._name} needs images of at least {self._smallest} pixels a side",
            )
        arrays = (torch.from_numpy(2 * pixels(image) - 1) for image in (one, other))
        tensors = [array.to(self._dtype)[None] for array in arrays]
        with torch.inference_mode():
            return float(self._net(*tensors))


def _tensors(checkpoint: Checkpoint) -> dict[str, Any]:
    """The tensors of a file by name. Of a pickle nothing is run: it may make tensors alone."""
    path = Path(checkpoint.path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format of files, each broken one, has errors of its own
        reason = str(error).partition("\n")[0][:200]
        raise UserError(
            f"checkpoint {checkpoint.name} cannot be read as tensors alone ({reason}); what else a "
            "file may hold is not run: name the state dict of the network, as .pth or .safetensors."
        ) from None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and torch.is_tensor(value) for name, value in state.items()
    ):
        raise UserError(
            f"checkpoint {checkpoint.name} holds something else than the tensors of a network by "
            "their names; name its state dict, as .pth or .safetensors."
        )
    return state

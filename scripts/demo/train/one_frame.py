"""The autoencoder's class for one frame: 3D convolutions as the 2D ones that they then are.

A causal 3D convolution pads two frames of zeros before the first, so that of its three taps in time
only the last meets a picture. Two thirds of the work and of the trained weights are thus saved.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from diffusers import AutoencoderKLQwenImage
from torch import Tensor, nn

Convolution = nn.Conv2d | nn.Conv3d


class OneFrame(nn.Conv2d):
    """A 2D convolution that takes and gives one frame of a film, shape (N, C, 1, H, W)."""

    def forward(self, frames: Tensor, cache: Any = None) -> Tensor:
        return super().forward(frames[:, :, 0]).unsqueeze(2)


def one_frame(autoencoder: AutoencoderKLQwenImage) -> AutoencoderKLQwenImage:
    """A copy of the model that computes the same for one frame; its weights are its own."""
    flat = copy.deepcopy(autoencoder)
    for name, layer in list(flat.named_modules()):
        if isinstance(layer, nn.Conv3d):
            size = layer.kernel_size[1]
            made = OneFrame(layer.in_channels, layer.out_channels, size, padding=size // 2)
            made.weight.data = layer.weight.data[:, :, -1].clone()
            made.bias = layer.bias
            parent, _, attribute = name.rpartition(".")
            setattr(flat.get_submodule(parent), attribute, made)
    return flat


@torch.no_grad()
def write_back(flat: AutoencoderKLQwenImage, autoencoder: AutoencoderKLQwenImage) -> None:
    """Give ``autoencoder`` the weights of its ``one_frame`` copy; other taps become zero."""
    source = dict(flat.named_parameters())
    for name, weight in autoencoder.named_parameters():
        trained = source[name]
        if weight.dim() == 5 and trained.dim() == 4:
            weight.zero_()
            weight[:, :, -1].copy_(trained)
        else:
            weight.copy_(trained)


@torch.no_grad()
def fill(layer: nn.Module, weight: Tensor, bias: Tensor | None = None) -> None:
    """Set a convolution to ``weight`` (out, in, height, width) and ``bias``, all else zero."""
    layer = cast(Convolution, layer)
    layer.weight.zero_()
    layer.bias.zero_()  # type: ignore[union-attr]
    kernel = layer.weight[:, :, -1] if layer.weight.dim() == 5 else layer.weight
    kernel[: weight.shape[0], : weight.shape[1]].copy_(weight)
    if bias is not None:
        layer.bias[: len(bias)].copy_(bias)  # type: ignore[index]

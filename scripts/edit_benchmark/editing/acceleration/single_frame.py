"""Numeric: a video autoencoder convolves a single image in two dimensions.

A causal 3D convolution pads frames of zeros before the first one, so that of its taps in time only
the last meets an image. The others are two thirds of the work.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import QwenImageCausalConv3d
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d
from torch import nn
from torch.nn import functional


class _SingleFrame:
    """The forward of both classes; frames (N, C, T, H, W). More than one go the released way."""

    def forward(self, x: torch.Tensor, cache_x: torch.Tensor | None = None) -> torch.Tensor:
        layer = cast(Any, self)
        across, down, before = layer._padding[0], layer._padding[2], layer._padding[4]
        if x.shape[2] != 1 or cache_x is not None or before != layer.kernel_size[0] - 1:
            made: torch.Tensor = super().forward(x, cache_x)  # type: ignore[misc]
            return made
        kernel = layer.weight[:, :, -1]
        frame = functional.conv2d(
            x[:, :, 0], kernel, layer.bias, stride=layer.stride[1:], padding=(down, across)
        )
        return frame.unsqueeze(2)


class _QwenImageSingleFrame(_SingleFrame, QwenImageCausalConv3d):
    pass


class _WanSingleFrame(_SingleFrame, WanCausalConv3d):
    pass


_SINGLE: dict[type[nn.Module], type[nn.Module]] = {
    QwenImageCausalConv3d: _QwenImageSingleFrame,
    WanCausalConv3d: _WanSingleFrame,
}


def convolve_single_frames(autoencoder: Any) -> bool:
    """Let a causal video autoencoder of Qwen-Image's or Wan's class save work on single images.

    Returns
    -------
    bool
        Whether it has such convolutions, and was changed.
    """
    if not isinstance(autoencoder, nn.Module):
        return False
    found = [layer for layer in autoencoder.modules() if type(layer) in _SINGLE]
    for layer in found:
        # A subclass of the same weights: autoencoders count these layers by their class.
        layer.__class__ = _SINGLE[type(layer)]
    return bool(found)

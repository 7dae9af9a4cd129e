"""Linear layers that write where the next step reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def project(layers: Sequence[nn.Module], parts: Sequence[torch.Tensor], out: torch.Tensor) -> None:
    """Each stream's layer on its tokens (N, D), written one after the other into ``out``."""
    start = 0
    for layer, part in zip(layers, parts, strict=True):
        target = out[start : start + len(part)]
        start += len(part)
        if type(layer) is not nn.Linear:  # an adapter or a quantised layer has its own forward
            target.copy_(layer(part))
        elif layer.bias is None:
            torch.mm(part, layer.weight.t(), out=target)
        else:
            torch.addmm(layer.bias, part, layer.weight.t(), out=target)

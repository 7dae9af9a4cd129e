"""Bit-exact: the vision tower of the text encoder runs once for prompt and negative prompt."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import torch


class VisionCache:
    """The forward of a vision tower, not computed again for the image that it saw last.

    An edit pipeline encodes its prompt and its negative prompt, each with the same source image.
    The key is every bit of the tower's input, so the result is the same to the bit.
    """

    def __init__(self, tower: Any) -> None:
        self._compute = tower.forward
        self._last: tuple[torch.Tensor, torch.Tensor, Any] | None = None

    def __call__(self, pixels: torch.Tensor, grid_thw: torch.Tensor, **kwargs: Any) -> Any:
        """The tower's forward: patches (N, C) and their grids (images, 3)."""
        # Meant for the language model: nobody reads the tower's, half a gigabyte at 1 MP.
        kwargs.pop("output_hidden_states", None)
        if kwargs.keys() - {"return_dict"} or not kwargs.get("return_dict", True):
            return self._compute(pixels, grid_thw=grid_thw, **kwargs)
        last = self._last
        if last is None or not (torch.equal(last[0], pixels) and torch.equal(last[1], grid_thw)):
            output = self._compute(pixels, grid_thw=grid_thw, **kwargs)
            self._last = last = (pixels.clone(), grid_thw.clone(), output)
        # The caller puts its own tensors into the output.
        return copy.copy(last[2])


def cache_vision(text_encoder: Any) -> bool:
    """Let a Qwen-VL text encoder see a source image once for prompt and negative prompt.

    Returns
    -------
    bool
        Whether it has a vision tower of that kind, and was changed.
    """
    tower = getattr(getattr(text_encoder, "model", None), "visual", None)
    if tower is None or "grid_thw" not in inspect.signature(tower.forward).parameters:
        return False
    tower.forward = VisionCache(tower)
    return True

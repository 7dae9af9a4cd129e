"""Bit-exact: the modulation of all blocks, computed once for each time step."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

#: Time steps whose modulation is cached; for Qwen-Image 4.4 MB each, 6.6 with zero_cond_t. In
#: bfloat16 the steps of different schedules coincide often, so this serves many images.
MAX_CACHED_STEPS = 256

# Transformers whose blocks modulate by nothing but what this part of them returns for a time step.
# Where a pooled prompt is added to it (Flux Kontext) no forward has the modulation of another.
# Where all blocks share one modulation (Qwen-Image-2.1, Flux 2) there is nothing to save.
_TIME_EMBEDDINGS = {
    "QwenImageTransformer2DModel": "time_text_embed",
    "LongCatImageTransformer2DModel": "time_embed",
    "BriaFiboTransformer2DModel": "time_embed",
    "GlmImageTransformer2DModel": "time_condition_embed",
}


class CachedModulation(nn.Sequential):
    """A block's activation and linear layer that return a modulation computed before."""

    modulation: torch.Tensor

    def compute(self, temb: torch.Tensor) -> torch.Tensor:
        """The original layers: (rows, D) to (rows, parts D)."""
        return super().forward(temb)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self.modulation


class CachedLinear(nn.Linear):
    """The linear layer of an adaptive norm that returns a modulation computed before."""

    modulation: torch.Tensor
    activation: Callable[[torch.Tensor], torch.Tensor]

    def compute(self, temb: torch.Tensor) -> torch.Tensor:
        """The original layer on the norm's activation: (rows, D) to (rows, parts D)."""
        return super().forward(self.activation(temb))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self.modulation


class ModulationCache:
    """Modulation of all blocks, computed once for each time step's embedding.

    The layers read a third of the model's weights to compute one or two rows, for the conditional
    and the unconditional forward alike, and again for each image. Their only input is ``temb``,
    which is the same for both and depends on nothing but the time step; the cache is keyed by its
    bits and filled by the same layers on the same input, so the result is the same to the bit.
    Reading the key waits for the device once a forward, which costs less than the 1 to 3 ms saved.
    """

    def __init__(self, transformer: Any, blocks: list[Any], layers: list[Any]) -> None:
        self._blocks = blocks
        self._layers = layers
        # With it the text stream takes the first row only.
        self._zero_cond_t = getattr(transformer, "zero_cond_t", False)
        self._text_layers = {id(getattr(block, "txt_mod", None)) for block in blocks}
        # What the layers return now: all in one buffer, and the shape of each.
        self._current = torch.empty(0)
        self._shapes: list[torch.Size] = []
        self._cached: OrderedDict[bytes, tuple[torch.Tensor, list[torch.Size]]] = OrderedDict()

    def __call__(self, _module: nn.Module, _args: Any, temb: torch.Tensor) -> None:
        """Forward hook of the time embedding; ``temb`` is (B, D), with zero_cond_t (2 B, D)."""
        key = temb.contiguous().view(torch.uint8).cpu().numpy().tobytes()
        if key not in self._cached:
            parts = [layer.compute(self._input(layer, temb)) for layer in self._layers]
            if len(self._cached) == MAX_CACHED_STEPS:
                self._cached.popitem(last=False)
            flat = torch.cat([part.flatten() for part in parts])
            self._cached[key] = flat, [part.shape for part in parts]
        self._cached.move_to_end(key)
        modulation, shapes = self._cached[key]
        current = self._current
        if shapes != self._shapes or (current.device, current.dtype) != (temb.device, temb.dtype):
            self._allocate(modulation, shapes)
        self._current.copy_(modulation)

    def _input(self, layer: Any, temb: torch.Tensor) -> torch.Tensor:
        is_first_row = self._zero_cond_t and id(layer) in self._text_layers
        return temb.chunk(2)[0] if is_first_row else temb

    def _allocate(self, modulation: torch.Tensor, shapes: list[torch.Size]) -> None:
        """Give every layer its view of one buffer: the batch, device or type is another one."""
        self._shapes = shapes
        self._current = torch.empty_like(modulation)
        parts = self._current.split([shape.numel() for shape in shapes])
        for layer, part, shape in zip(self._layers, parts, shapes, strict=True):
            layer.modulation = part.view(*shape)
        for block in self._blocks:
            if hasattr(block, "txt_mod"):
                # The image stream's rows and the text stream's lie one after the other.
                first, second = block.img_mod.modulation, block.txt_mod.modulation
                both = (len(first) + len(second), first.shape[1])
                block.modulation = first.as_strided(both, first.stride())


def cache_modulation(transformer: Any) -> bool:
    """Compute modulation once for each time step instead of once for each forward.

    Returns
    -------
    bool
        Whether this transformer has such a modulation, and was changed.
    """
    name = _TIME_EMBEDDINGS.get(type(transformer).__name__)
    if name is None or getattr(transformer, "guidance_embed", None) is not None:
        return False
    lists = (transformer.transformer_blocks, getattr(transformer, "single_transformer_blocks", ()))
    blocks = [block for part in lists for block in part]
    found = [_modulation_layers(block) for block in blocks]
    if not all(found):
        return False  # in 8 bits, or with an adapter
    layers = [_cached(*pair) for pairs in found for pair in pairs]
    getattr(transformer, name).register_forward_hook(ModulationCache(transformer, blocks, layers))
    return True


def _modulation_layers(block: Any) -> list[tuple[Any, Any]]:
    """The block's layers that compute a modulation, each with the activation before it if apart."""
    layers: list[tuple[Any, Any]] = []
    for module in block.modules():
        linear = getattr(module, "linear", None)
        if module in (getattr(block, "img_mod", None), getattr(block, "txt_mod", None)):
            layers.append((module, None))
        elif type(linear) is nn.Linear and isinstance(getattr(module, "norm", None), nn.LayerNorm):
            layers.append((linear, getattr(module, "silu", nn.Identity())))
    return layers


def _cached(layer: Any, activation: Any) -> Any:
    """The layer, returning what is cached; changed in place: its parameters keep their names."""
    layer.__class__ = CachedModulation if activation is None else CachedLinear
    layer.activation = activation
    # A buffer, filled in place, is one more input to a compiled block, not a constant of it.
    layer.register_buffer("modulation", torch.empty(0), persistent=False)
    return layer

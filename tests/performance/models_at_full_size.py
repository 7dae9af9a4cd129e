"""Transformers of edit pipelines at their released shapes, and how a pipeline calls them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

#: Token grid (frames, height, width) of an edited image of 1024x1024 and of its source.
FULL_GRID = (1, 64, 64)
TINY_GRID = (1, 2, 4)


@dataclass(frozen=True)
class Case:
    """A transformer and how a pipeline calls it.

    Attributes
    ----------
    kind
        Name of its class in diffusers.
    config
        Of the released checkpoint, where the class's defaults are another's.
    tiny, short
        What to change for a model that a CPU runs, and for one of few blocks.
    steps
        Sampler steps that are run: as many as released, but for LongCat, which has 50 that are all
        alike.
    texts
        Text tokens of each forward of a step: of the prompt, and with guidance of the negative one.
    arguments
        Arguments of a forward: of the model, the grid, its text tokens and a device.
    """

    kind: str
    config: dict[str, Any]
    tiny: dict[str, Any]
    short: dict[str, Any]
    steps: int
    texts: tuple[int, ...]
    arguments: Callable[[Any, Any, int, str], dict[str, Any]]
    keeps_prefix: bool = False

    def build(self, device: str, **changes: Any) -> Any:
        """The model with random weights, always the same on one device, in bfloat16."""
        import diffusers

        torch.manual_seed(0)
        torch.set_default_dtype(torch.bfloat16)
        try:
            with torch.device(device):
                model = getattr(diffusers, self.kind)(**{**self.config, **changes}).eval()
        finally:
            torch.set_default_dtype(torch.float32)
        # What starts as zeros or ones is drawn too: zeros would hide errors and run faster.
        for weight in model.parameters():
            if weight.ndim < 2:
                torch.nn.init.normal_(weight, mean=0.5, std=0.2)
        return model.requires_grad_(False)


@dataclass
class Picture:
    """The state of one denoising: latents (1, N, C), the source's, and what each pass keeps."""

    case: Case
    model: Any
    grid: Any
    texts: tuple[int, ...]
    device: str
    latents: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        generator = torch.Generator(self.device).manual_seed(1)
        shape = (1, self.grid[1] * self.grid[2], self.model.config.in_channels)
        place: dict[str, Any] = {"device": self.device, "generator": generator}
        self.latents = torch.randn(shape, **place).to(torch.bfloat16)
        self._source = torch.randn(shape, **place).to(torch.bfloat16)
        self._fixed = [
            self.case.arguments(self.model, self.grid, text, self.device) for text in self.texts
        ]
        self._caches = [self._cache() for _ in self.texts] if self.case.keeps_prefix else None

    def _cache(self) -> Any:
        from diffusers.models.transformers.transformer_qwenimage21 import QwenImage21KVCache

        return QwenImage21KVCache(len(self.model.transformer_blocks))

    def forward(self, time: float, number: int, is_first: bool) -> torch.Tensor:
        """What the model predicts for the edited image at ``time`` (1 to 0) in pass ``number``."""
        count = self.latents.shape[1]
        pair = (self.latents, self._source.to(self.latents.dtype))
        given = dict(self._fixed[number])
        text = given["encoder_hidden_states"].to(self.latents.dtype)
        step = torch.full((1,), time, device=self.device, dtype=self.latents.dtype)
        given |= {"encoder_hidden_states": text, "timestep": step, "return_dict": False}
        if self._caches is not None:
            given |= {
                "hidden_states": torch.cat(pair[::-1], dim=1),
                "kv_cache": self._caches[number],
                "kv_cache_mode": "extract" if is_first else "cached",
            }
            return self.model(**given)[0][:, -count:]
        given["hidden_states"] = torch.cat(pair, dim=1)
        return self.model(**given)[0][:, :count]

    def step(self, number: int, steps: int) -> None:
        """One step of an Euler sampler, with true guidance of 4 where there are two passes."""
        time = 1 - number / steps
        predictions = [self.forward(time, k, number == 0) for k in range(len(self.texts))]
        prediction = predictions[0]
        if len(predictions) > 1:
            prediction = predictions[1] + 4 * (prediction - predictions[1])
        # Scaled, so that random weights do not drive the latents away.
        self.latents = self.latents - prediction / (steps * (1 + prediction.float().std()))
        self.latents = self.latents.to(prediction.dtype)


def _text(model: Any, width: int, text: int, device: str) -> torch.Tensor:
    generator = torch.Generator(device).manual_seed(text)
    shape = (1, text, width)
    return torch.randn(shape, device=device, generator=generator).to(torch.bfloat16)


def _positions(grid: Any, device: str, *, axes: int, source: int) -> torch.Tensor:
    """(2 N, axes): image number, row and column of the edited image's tokens and the source's."""
    _, height, width = grid
    rows = torch.cartesian_prod(torch.arange(height), torch.arange(width))
    both = [torch.cat([torch.full((len(rows), 1), number), rows], dim=1) for number in (0, source)]
    ids = torch.nn.functional.pad(torch.cat(both), (0, axes - 3))
    return ids.float().to(device)


def _qwen21(model: Any, grid: Any, text: int, device: str) -> dict[str, Any]:
    slots = grid[1] * grid[2] // 4
    before = min(9, text - 1)
    mask = [False] * before + [True] * slots + [False] * (text - before) + [True] * slots
    width = model.config.context_in_dim
    return {
        "encoder_hidden_states": _text(model, width, text + slots, device),
        "img_shapes": [[grid, grid]],
        "img_mask": torch.tensor([mask], device=device),
    }


def _flux2(model: Any, grid: Any, text: int, device: str) -> dict[str, Any]:
    ids = torch.zeros(text, 4, device=device)
    ids[:, 3] = torch.arange(text)
    return {
        "encoder_hidden_states": _text(model, model.config.joint_attention_dim, text, device),
        "img_ids": _positions(grid, device, axes=4, source=10)[None],
        "txt_ids": ids[None],
        "guidance": None,
    }


def _longcat(model: Any, grid: Any, text: int, device: str) -> dict[str, Any]:
    ids = torch.arange(text, device=device)[:, None] * torch.tensor([0.0, 1, 1], device=device)
    return {
        "encoder_hidden_states": _text(model, model.config.joint_attention_dim, text, device),
        "img_ids": _positions(grid, device, axes=3, source=2),
        "txt_ids": ids,
        "guidance": None,
    }


_TINY = {"attention_head_dim": 32, "num_attention_heads": 2}
_QWEN21 = {
    "kind": "QwenImage21Transformer2DModel",
    "config": {},
    "tiny": _TINY
    | {"num_layers": 2, "context_in_dim": 24, "in_channels": 16, "out_channels": 16}
    | {"axes_dims_rope": (8, 12, 12)},
    "short": {"num_layers": 4},
    "steps": 40,
    "arguments": _qwen21,
    "keeps_prefix": True,
}
_FLUX2 = {
    "kind": "Flux2Transformer2DModel",
    "tiny": _TINY
    | {"num_layers": 1, "num_single_layers": 1, "joint_attention_dim": 24, "in_channels": 16}
    | {"axes_dims_rope": (8, 8, 8, 8)},
    "short": {"num_layers": 2, "num_single_layers": 2},
    "steps": 4,
    "texts": (512,),
    "arguments": _flux2,
}
#: The prompt of 2.1 has some sixty tokens beside the source's; LongCat's is filled up to 512 and
#: holds the source in 18x18 tokens.
CASES = {
    "qwen-image-2.1-cfg1": Case(**_QWEN21, texts=(70,)),
    "qwen-image-2.1-cfg4": Case(**_QWEN21, texts=(70, 17)),
    "flux2-klein-4b": Case(
        **_FLUX2,
        config={"num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24}
        | {"joint_attention_dim": 7680, "guidance_embeds": False},
    ),
    "longcat": Case(
        kind="LongCatImageTransformer2DModel",
        config={"num_layers": 10, "num_single_layers": 20},
        tiny=_TINY
        | {"num_layers": 1, "num_single_layers": 1, "joint_attention_dim": 24, "in_channels": 16}
        | {"axes_dims_rope": (8, 12, 12)},
        short={"num_layers": 2, "num_single_layers": 2},
        steps=10,
        texts=(838, 838),
        arguments=_longcat,
    ),
    "flux2-klein-9b": Case(
        **_FLUX2,
        config={"num_layers": 8, "num_single_layers": 24, "num_attention_heads": 32}
        | {"joint_attention_dim": 12288, "guidance_embeds": False},
    ),
}

"""How much arithmetic an edit is, and how fast this device does arithmetic for long.

Utilisation = model FLOPs / (seconds x R). The FLOPs are those of the mathematics, whatever the
implementation saves or wastes; R is what the matrix units sustain, not the data sheet's number.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

#: FLOPs of one multiplication and addition.
MULTIPLY_ADD = 2
#: Temporal, height and width patches of one latent image after packing.
Grid = tuple[int, int, int]


def image_tokens(grids: list[Grid]) -> int:
    """Tokens of the image stream for ``img_shapes[0]``: the edited image and its sources."""
    return sum(frames * height * width for frames, height, width in grids)


def forward_flops(config: Mapping[str, Any], image: int, text: int) -> float:
    """FLOPs of one forward of a ``QwenImageTransformer2DModel`` on one image.

    Counts every matrix product: the linear layers of both streams (12 D^2 weights a block and
    token: four projections and an MLP of width 4 D), joint attention over all tokens, each block's
    modulation (one row, two with ``zero_cond_t``) and the layers before and after the blocks.

    Parameters
    ----------
    config
        The transformer's configuration, as in its ``config.json``.
    image
        Tokens of the image stream (latent and source latents), 8192 for one source at 1 MP.
    text
        Tokens of the prompt with what the vision encoder saw, about 200 to 1500.
    """
    width = config["num_attention_heads"] * config["attention_head_dim"]
    layers = config["num_layers"]
    tokens = image + text
    rows = 2 if config.get("zero_cond_t") else 1
    linear = 12 * width**2 * tokens * layers
    attention = 2 * width * tokens**2 * layers
    modulation = 6 * width**2 * (rows + 1) * layers
    out_channels = config.get("out_channels") or config["in_channels"]
    ends = width * (
        config["in_channels"] * image
        + config["joint_attention_dim"] * text
        + config["patch_size"] ** 2 * out_channels * image
        + (256 + width) * rows  # the time step's embedding
        + 2 * width  # the last modulation
    )
    return float(MULTIPLY_ADD * (linear + attention + modulation + ends))


@dataclass
class ForwardCount:
    """Forwards of a transformer seen so far and their FLOPs."""

    forwards: int = 0
    flops: float = 0.0


@contextmanager
def counted(transformer: torch.nn.Module) -> Iterator[ForwardCount]:
    """Count the forwards of a ``QwenImageTransformer2DModel`` and their FLOPs meanwhile.

    Looks at the shapes of its arguments only, so it costs nothing on the device. The batch must
    be one.
    """
    count = ForwardCount()

    def look(module: Any, _args: Any, arguments: dict[str, Any]) -> None:
        image = arguments["hidden_states"].shape[1]
        text = arguments["encoder_hidden_states"].shape[1]
        count.forwards += 1
        count.flops += forward_flops(module.config, image, text)

    handle = transformer.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield count
    finally:
        handle.remove()


def sustained_rate(
    device: str | torch.device,
    size: int = 8192,
    seconds: float = 1.0,
    warm_up: float = 1.5,
) -> float:
    """R: FLOP/s of a ``size``^3 bfloat16 product that the device keeps up for long.

    The median over at least ``seconds`` of back-to-back products, after ``warm_up`` seconds of
    them: a chip that has just been idle runs some 12 % faster until it meets its power limit.
    Random data, because zeros draw less power and run faster still.
    """
    import torch

    left, right = (
        torch.randn(size, size, device=device, dtype=torch.float32).to(torch.bfloat16)
        for _ in range(2)
    )
    out = torch.empty_like(left)

    def product() -> None:
        torch.mm(left, right, out=out)

    _timed(product, device, warm_up)
    return MULTIPLY_ADD * size**3 / statistics.median(_timed(product, device, seconds))


def _timed(work: Callable[[], None], device: str | torch.device, seconds: float) -> list[float]:
    """Seconds a call, back to back for at least ``seconds``; each entry is a group's mean."""
    import torch

    is_cuda = torch.device(device).type == "cuda"
    group = 10 if is_cuda else 1
    times: list[float] = []
    if is_cuda:
        torch.cuda.synchronize(device)
    while not times or sum(times) * group < seconds:
        if is_cuda:
            # Several groups are queued before the first is read, so that no gap lets it cool.
            marks = [torch.cuda.Event(enable_timing=True) for _ in range(6)]
            for mark in marks[:-1]:
                mark.record()
                for _ in range(group):
                    work()
            marks[-1].record()
            torch.cuda.synchronize(device)
            times += [
                first.elapsed_time(second) / 1000 / group
                for first, second in itertools.pairwise(marks)
            ]
        else:
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
    return times


def utilisation(flops: float, seconds: float, rate: float) -> float:
    """Share of the sustained rate ``rate`` (FLOP/s) that was put to use, 0 to about 1."""
    return flops / (seconds * rate)

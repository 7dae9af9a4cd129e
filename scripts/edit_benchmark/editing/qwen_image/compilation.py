"""Compiled kernels: where they are kept, and compiling them before the first image."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch

from edit_benchmark.errors import UserError

#: Token grids (frames, height, width) of the warming forward: an edited and a source image of 1 MP.
WARM_UP_GRIDS = [(1, 64, 64), (1, 64, 64)]
#: Its text tokens, as many as a prompt has that contains an image.
WARM_UP_TEXT = 1400


def compile_cache_dir() -> Path:
    """The folder of compiled kernels, kept between jobs and runs; PyTorch and Triton are told it.

    ``TORCHINDUCTOR_CACHE_DIR`` if it is set, else a folder of the user's cache. Its files are keyed
    by versions, GPU and code, so that one folder serves all.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    default = base / "edit-benchmark" / "kernels"
    path = Path(os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(default)))
    path.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TRITON_CACHE_DIR", str(path / "triton"))
    return path


def compile_blocks(transformer: Any) -> None:
    """Numeric: compile the blocks that a model repeats, once for all token counts.

    Deterministic: no choice that changes bits depends on a measurement, so that two processes, and
    a run resumed on the same GPU model, agree.
    """
    transformer.compile_repeated_blocks(dynamic=True, options={"deterministic": True})


@torch.no_grad()
def warm_up(pipeline: Any) -> float:
    """Run a Qwen-Image transformer once on random data, always of the same shape; returns seconds.

    Kernels are compiled here, so that the first image's time does not contain it. The fixed shape
    matters for more than that: a compiler takes hints from the first shape it sees, and an image's
    bits must not depend on which image came before it. Does nothing on a CPU and for other
    transformers.

    Raises
    ------
    UserError
        If kernels cannot be compiled on this machine.
    """
    transformer: Any = getattr(pipeline, "transformer", None)
    if type(transformer).__name__ != "QwenImageTransformer2DModel":
        return 0.0
    weight = transformer.img_in.weight
    if weight.device.type != "cuda":
        return 0.0
    start = time.perf_counter()
    place: dict[str, Any] = {"device": weight.device, "dtype": weight.dtype}
    tokens = sum(frames * height * width for frames, height, width in WARM_UP_GRIDS)
    text = (1, WARM_UP_TEXT, transformer.config.joint_attention_dim)
    try:
        transformer(
            hidden_states=torch.randn(1, tokens, transformer.config.in_channels, **place),
            encoder_hidden_states=torch.randn(text, **place),
            timestep=torch.full((1,), 0.5, **place),
            img_shapes=[WARM_UP_GRIDS],
            return_dict=False,
        )
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError | torch.AcceleratorError):
            raise
        raise UserError(
            f"kernels could not be compiled ({str(error).splitlines()[0]}); install a C compiler, "
            "or set exact: bitwise for this model to run without compilation."
        ) from error
    torch.cuda.synchronize()
    return time.perf_counter() - start

"""Compiled kernels: where they are kept, and compiling them before the first image."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from edit_benchmark.errors import UserError

logger = logging.getLogger(__name__)

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


def warm_up(pipeline: Any, names: Collection[str], arguments: Mapping[str, Any]) -> float:
    """Compile kernels before the first image, so that its time does not contain it; in seconds.

    The model runs on drawn data that is always the same, which matters for more than the time: a
    compiler takes hints from the first shape it sees, and an image's bits must not depend on which
    image came before it.

    Parameters
    ----------
    pipeline
        With its accelerations.
    names
        The accelerations; nothing is done where none of them is compiled.
    arguments
        Of the pipeline's call, with :func:`drawn_source` as the pipeline takes an image.

    Raises
    ------
    UserError
        If the model cannot be run; most likely its kernels cannot be compiled on this machine.
    """
    if not {"fused_blocks", "regional_compile"} & set(names):
        return 0.0
    start = time.perf_counter()
    transformer: Any = pipeline.transformer
    try:
        if type(transformer).__name__ == "QwenImageTransformer2DModel":
            _run_transformer(transformer)
        else:
            _edit_drawn_image(pipeline, arguments)
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError | torch.AcceleratorError):
            raise
        raise UserError(
            f"a first run of the model, for its kernels, failed ({str(error).splitlines()[0]}); "
            "if they could not be compiled, install a C compiler, or set exact: bitwise for this "
            "model (and leave out fp8) to run without compilation."
        ) from error
    torch.cuda.synchronize()
    return time.perf_counter() - start


@torch.no_grad()
def _run_transformer(transformer: Any) -> None:
    """One forward of a Qwen-Image transformer: what stands before it needs no warming."""
    weight = transformer.img_in.weight
    place: dict[str, Any] = {"device": weight.device, "dtype": weight.dtype}
    tokens = sum(frames * height * width for frames, height, width in WARM_UP_GRIDS)
    text = (1, WARM_UP_TEXT, transformer.config.joint_attention_dim)
    transformer(
        hidden_states=torch.randn(1, tokens, transformer.config.in_channels, **place),
        encoder_hidden_states=torch.randn(text, **place),
        timestep=torch.full((1,), 0.5, **place),
        img_shapes=[WARM_UP_GRIDS],
        return_dict=False,
    )


def drawn_source() -> Image.Image:
    """A grey image of 1 MP."""
    return Image.new("RGB", (1024, 1024), "grey")


def _edit_drawn_image(pipeline: Any, arguments: Mapping[str, Any]) -> None:
    """An edit in two steps: the second may find what the first kept."""
    try:
        pipeline(
            generator=torch.Generator("cpu").manual_seed(0),
            output_type="np",
            **{**arguments, "num_inference_steps": 2},
        )
    except (TypeError, ValueError) as error:
        # A pipeline with other needs compiles at its first image.
        logger.warning("kernels are compiled with the first image (%s)", error)

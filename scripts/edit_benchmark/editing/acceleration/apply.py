"""Putting the accelerations into a loaded pipeline."""

from __future__ import annotations

import logging
from typing import Any, Literal

import torch

from edit_benchmark.editing.acceleration.compilation import compile_blocks, compile_cache_dir
from edit_benchmark.editing.acceleration.modulation_cache import cache_modulation
from edit_benchmark.editing.acceleration.single_frame import convolve_single_frames
from edit_benchmark.editing.acceleration.vision_cache import cache_vision

logger = logging.getLogger(__name__)

# Pipelines that use the first tokens of the transformer's output, those of the edited image, and
# drop those of the source images.
_USE_EDITED_TOKENS_ONLY = {"QwenImageEditPipeline", "QwenImageEditPlusPipeline"}


def apply_accelerations(pipeline: Any, exact: Literal["bitwise", "numeric"]) -> list[str]:
    """Put the accelerations into a loaded pipeline and name them.

    Call it once, after weights and adapters are loaded and on their device: weights that change
    afterwards would leave outdated modulations in the cache. A transformer without kernels of our
    own gets its repeated blocks compiled (numeric, on a GPU).

    Returns
    -------
    list[str]
        Names for the record of how an image was edited: ``vision_cache`` and ``modulation_cache``
        (bit-exact), ``single_frame``, ``fused_blocks`` and ``regional_compile`` (numeric).
    """
    names: list[str] = []
    if cache_vision(getattr(pipeline, "text_encoder", None)):
        names.append("vision_cache")
    if exact == "numeric" and convolve_single_frames(getattr(pipeline, "vae", None)):
        names.append("single_frame")
    transformer: Any = getattr(pipeline, "transformer", None)
    if transformer is not None:
        edited_only = type(pipeline).__name__ in _USE_EDITED_TOKENS_ONLY
        names += accelerate(transformer, exact, edited_only)
    name = type(transformer).__name__
    logger.info("acceleration of %s: %s", name, ", ".join(names) or "none, left as it is")
    return names


def accelerate(
    transformer: Any, exact: Literal["bitwise", "numeric"], edited_only: bool = False
) -> list[str]:
    """The transformer's part of :func:`apply_accelerations`.

    ``edited_only`` says that nobody reads its output but for the edited image's tokens.
    """
    compile_cache_dir()
    devices = {weight.device for weight in transformer.parameters()}
    if len(devices) > 1:  # its parts lie on several
        return []
    names = []
    if cache_modulation(transformer):
        names.append("modulation_cache")
    if exact == "bitwise" or any(device.type != "cuda" for device in devices):
        return names
    if _fuse(transformer, edited_only):
        names.append("fused_blocks")
    elif getattr(transformer, "_repeated_blocks", None):
        compile_blocks(transformer)
        names.append("regional_compile")
    return names


def _fuse(transformer: Any, edited_only: bool) -> bool:
    """Put our own kernels into a transformer that they are written for; whether it is one."""
    name, weight = type(transformer).__name__, next(transformer.parameters())
    # A kernel of Triton runs on the current device.
    is_possible = (
        weight.dtype == torch.bfloat16
        and torch.version.cuda is not None
        and weight.device.index == torch.cuda.current_device()
    )
    # Imported late: they need Triton, which not every machine has.
    if is_possible and name == "QwenImageTransformer2DModel":
        from edit_benchmark.editing.acceleration import qwen_image

        qwen_image.fuse_blocks(transformer, edited_only)
        return True
    if is_possible and name == "QwenImage21Transformer2DModel":
        from edit_benchmark.editing.acceleration import qwen_image21

        qwen_image21.fuse_blocks(transformer)
        return True
    return False

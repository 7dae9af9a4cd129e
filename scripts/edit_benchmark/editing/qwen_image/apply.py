"""Putting the accelerations into a loaded pipeline."""

from __future__ import annotations

import logging
from typing import Any, Literal

import torch

from edit_benchmark.editing.qwen_image.compilation import compile_blocks, compile_cache_dir
from edit_benchmark.editing.qwen_image.modulation_cache import cache_modulation
from edit_benchmark.editing.qwen_image.vision_cache import cache_vision

logger = logging.getLogger(__name__)

_TRANSFORMER = "QwenImageTransformer2DModel"
_TEXT_ENCODER = "Qwen2_5_VLForConditionalGeneration"
# Pipelines that use the first tokens of the transformer's output, those of the edited image, and
# drop those of the source images.
_USE_EDITED_TOKENS_ONLY = {"QwenImageEditPipeline", "QwenImageEditPlusPipeline"}


def apply_accelerations(pipeline: Any, exact: Literal["bitwise", "numeric"]) -> list[str]:
    """Put the accelerations into a loaded pipeline and name them.

    Call it once, after weights and adapters are loaded and on their device: weights that change
    afterwards would leave outdated modulations in the cache. A transformer that is unknown here is
    left as it is (bitwise) or gets its repeated blocks compiled (numeric, on a GPU).

    Returns
    -------
    list[str]
        Names for the record of how an image was edited: ``vision_cache`` and ``modulation_cache``
        (bit-exact), ``fused_blocks`` and ``regional_compile`` (numeric).
    """
    names: list[str] = []
    encoder: Any = getattr(pipeline, "text_encoder", None)
    if type(encoder).__name__ == _TEXT_ENCODER:
        cache_vision(encoder)
        names.append("vision_cache")
    transformer: Any = getattr(pipeline, "transformer", None)
    if transformer is not None:
        edited_only = type(pipeline).__name__ in _USE_EDITED_TOKENS_ONLY
        names += _accelerate(transformer, exact, edited_only)
    name = type(transformer).__name__
    logger.info("acceleration of %s: %s", name, ", ".join(names) or "none, left as it is")
    return names


def _accelerate(
    transformer: Any, exact: Literal["bitwise", "numeric"], edited_only: bool
) -> list[str]:
    """The transformer's part of :func:`apply_accelerations`."""
    compile_cache_dir()
    names = []
    is_known = type(transformer).__name__ == _TRANSFORMER
    if is_known:
        cache_modulation(transformer)
        names.append("modulation_cache")
    weight = next(transformer.parameters())
    if exact == "bitwise" or weight.device.type != "cuda":
        return names
    if is_known and weight.dtype == torch.bfloat16 and torch.version.cuda is not None:
        # Imported late: it needs Triton, which not every machine has.
        from edit_benchmark.editing.qwen_image.fused_blocks import fuse_blocks

        fuse_blocks(transformer, edited_only)
        names.append("fused_blocks")
    elif getattr(transformer, "_repeated_blocks", None):
        compile_blocks(transformer)
        names.append("regional_compile")
    return names

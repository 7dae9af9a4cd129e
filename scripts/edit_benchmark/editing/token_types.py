"""Token types for Qwen-VL text encoders, which diffusers does not pass on to transformers 5."""

from __future__ import annotations

import inspect
from typing import Any

import diffusers
import torch

_VIDEO_TOKEN_TYPE = 2


def pass_token_types(pipeline: diffusers.DiffusionPipeline) -> bool:
    """Give a Qwen-VL text encoder the token types that diffusers drops; True if it was needed.

    Without ``mm_token_type_ids`` transformers 5 places image tokens like text, in one dimension:
    the embeddings and so the edited images differ from the reference, silently
    (https://github.com/huggingface/diffusers/issues/14194).
    """
    encoder = getattr(pipeline, "text_encoder", None)
    if encoder is None or "mm_token_type_ids" not in inspect.signature(encoder.forward).parameters:
        return False

    def add_token_types(
        module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if kwargs.get("image_grid_thw") is not None and kwargs.get("mm_token_type_ids") is None:
            ids = kwargs["input_ids"]
            types = (ids == encoder.config.image_token_id).int()
            types[ids == encoder.config.video_token_id] = _VIDEO_TOKEN_TYPE
            kwargs["mm_token_type_ids"] = types
        return args, kwargs

    encoder.register_forward_pre_hook(add_token_types, with_kwargs=True)
    return True

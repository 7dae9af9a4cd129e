"""Any diffusers edit pipeline from its checkpoint."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from PIL import Image

from edit_benchmark.checkpoints import loading as weights
from edit_benchmark.checkpoints.resolve import Checkpoint
from edit_benchmark.checkpoints.special_tokens import TextGuard
from edit_benchmark.editing import approximations as approximate
from edit_benchmark.editing.qwen_image import acceleration
from edit_benchmark.editing.stages import Stages
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.runtime.telemetry import process_seconds

log = logging.getLogger(__name__)

_SETTINGS = ("num_inference_steps", "true_cfg_scale", "negative_prompt", "height", "width")
_VIDEO_TOKEN_TYPE = 2


class DiffusersEditor:
    """A loaded pipeline; ``model_index.json`` of the checkpoint names its class.

    Parameters
    ----------
    settings
        A model of the configuration: dtype, num_inference_steps, true_cfg_scale, negative_prompt,
        height, width and further arguments under ``call``.
    checkpoint
        Where its weights are.
    device
        ``cuda`` or ``cpu``.
    ahead
        The reading of its weights, begun before.

    Attributes
    ----------
    details
        How its pictures are made beyond the settings: which exact accelerations are in force.
    compile_seconds, stages
        What compiling the kernels took, and the stages of the last picture, in seconds.

    Raises
    ------
    UserError
        If the pipeline takes no picture, or lacks an argument that the settings name.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        checkpoint: Checkpoint,
        device: str,
        ahead: weights.Ahead,
    ) -> None:
        log.info("libraries imported %.1f s after the process began", process_seconds())
        diffusers.utils.logging.disable_progress_bar()
        if device == "cpu":
            # How many threads share a sum decides its rounding: one, so that a picture does not
            # depend on how many cores a job was given.
            torch.set_num_threads(1)
        self.pipeline = load_pipeline(settings, checkpoint, device, ahead)
        transformer = getattr(self.pipeline, "transformer", None)
        if settings["lora"]:
            approximate.fuse_lora(self.pipeline, settings["lora"])
        if settings["fp8"]:
            layers = approximate.quantise(transformer)
            log.info("fp8: %d layers", layers)
        processor = getattr(self.pipeline, "processor", None)
        self._guard = TextGuard(processor.tokenizer) if processor is not None else None
        self._tokenizers = [
            part
            for part in self.pipeline.components.values()
            if isinstance(part, transformers.PreTrainedTokenizerBase)
        ]
        accepted = inspect.signature(type(self.pipeline).__call__).parameters
        given = {name: settings[name] for name in _SETTINGS if settings[name] is not None}
        self._arguments: dict[str, Any] = given | settings["call"]
        unknown = sorted(set(self._arguments) - set(accepted))
        if unknown or "image" not in accepted:
            problem = f"takes no {', '.join(unknown)}" if unknown else "edits no picture"
            raise UserError(
                f"checkpoint {checkpoint.name}: its pipeline {type(self.pipeline).__name__} "
                f"{problem}; it takes {', '.join(name for name in accepted if name != 'self')}."
            )
        levers = acceleration.apply(self.pipeline, exact=settings["exact"])
        self.compile_seconds = acceleration.warm_up(self.pipeline)
        log.info("kernels compiled in %.1f s", self.compile_seconds)
        if settings["block_cache"]:
            approximate.cache_blocks(transformer, settings["block_cache"])
        self.details = {"acceleration": levers}
        self._reset = getattr(transformer, "_reset_stateful_cache", None)
        self._stages = Stages(self.pipeline, device)
        self.stages: dict[str, float] = {}

    def edit(self, source: Image.Image, instruction: str, seed: int) -> Image.Image:
        """The edited picture; see :class:`edit_benchmark.editors.Editor`.

        The noise comes from a generator on the CPU, so that it is the same on every device.
        """
        generator = torch.Generator("cpu").manual_seed(seed)
        self.stages = {}  # of this picture, should it fail
        if self._reset is not None:
            self._reset()  # what a picture that failed half way left in a cache
        self._stages.begin()
        result = self.pipeline(
            image=source,
            prompt=self._as_text(instruction),
            generator=generator,
            output_type="np",  # as floats, so that NaN is seen and not rounded to black
            **self._arguments,
        )
        values = np.asarray(result.images[0])
        self.stages = self._stages.end()
        if not np.isfinite(values).all():
            raise SampleError("not_finite", "the pipeline returned NaN or infinite pixels")
        return Image.fromarray((values * 255).round().astype(np.uint8)).convert("RGB")

    def _as_text(self, instruction: str) -> str:
        """The instruction in a form that the pipeline's tokenizer takes for nothing but text."""
        if self._guard is not None:
            return self._guard.protect(instruction)
        specials = {token for part in self._tokenizers for token in part.all_special_tokens}
        found = sorted(token for token in specials if token in instruction)
        if found:
            raise SampleError(
                "special_token", f"this pipeline would take {', '.join(found)} for control tokens"
            )
        return instruction


def load_pipeline(
    settings: Mapping[str, Any], checkpoint: Checkpoint, device: str, ahead: weights.Ahead
) -> diffusers.DiffusionPipeline:
    """The checkpoint's pipeline on ``device`` in the configured dtype, known faults mended."""
    dtype = getattr(torch, settings["dtype"])
    began = time.monotonic()
    models = _models(Path(checkpoint.path), ahead)
    if models:
        log.info("%s placed in %.1f s", ", ".join(models), time.monotonic() - began)
    pipeline = diffusers.DiffusionPipeline.from_pretrained(
        checkpoint.path,
        **models,
        dtype=dtype,
        use_safetensors=None if settings["allow_pickle"] else True,
        trust_remote_code=settings["trust_remote_code"],
        local_files_only=True,
        # Straight to the device: through host memory it would take twice as long.
        device_map=device if device != "cpu" else None,
    )
    pipeline.set_progress_bar_config(disable=True)
    pass_token_types(pipeline)
    log.info("pipeline loaded in %.1f s", time.monotonic() - began)
    return pipeline


def _models(checkpoint: Path, ahead: weights.Ahead) -> dict[str, Any]:
    """The pipeline's models; those that only the pipeline itself can load are not among them."""
    return {
        name: ahead.load(checkpoint / name, kind)
        for name, kind in weights.import_classes(checkpoint).items()
        if weights.is_plain(checkpoint / name)
    }


def pass_token_types(pipeline: diffusers.DiffusionPipeline) -> bool:
    """Give a Qwen-VL text encoder the token types that diffusers drops; True if it was needed.

    Without ``mm_token_type_ids`` transformers 5 places image tokens like text, in one dimension:
    the embeddings and so the pictures differ from the reference, silently
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

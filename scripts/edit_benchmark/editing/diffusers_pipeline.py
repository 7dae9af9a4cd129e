"""Any diffusers edit pipeline from its checkpoint."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from PIL import Image

from edit_benchmark.checkpoints import loading
from edit_benchmark.checkpoints.prefetch import Prefetch
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.checkpoints.special_tokens import SpecialTokenGuard
from edit_benchmark.config.editors import DiffusersEditorSettings
from edit_benchmark.editing import approximations, capabilities
from edit_benchmark.editing.editor import Editor
from edit_benchmark.editing.qwen_image.apply import apply_accelerations
from edit_benchmark.editing.qwen_image.compilation import warm_up
from edit_benchmark.editing.stages import StageTimer
from edit_benchmark.editing.token_types import pass_token_types
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.runtime.telemetry import job_seconds

log = logging.getLogger(__name__)

# Settings that are arguments of the pipeline's call, unless they are None.
_ARGUMENTS = {"num_inference_steps", "true_cfg_scale", "negative_prompt", "height", "width"}


class DiffusersEditor(Editor):
    """A loaded pipeline; ``model_index.json`` of the checkpoint names its class.

    Parameters
    ----------
    settings
        A model of the configuration.
    checkpoint
        Where its weights are.
    device
        ``cuda`` or ``cpu``.
    prefetch
        The reading of its weights, which has started already.

    Raises
    ------
    UserError
        If the pipeline takes no image, or lacks an argument that the settings name.
    """

    def __init__(
        self,
        settings: DiffusersEditorSettings,
        checkpoint: Checkpoint,
        device: str,
        prefetch: Prefetch,
    ) -> None:
        log.info("libraries imported %.1f s after the job began", job_seconds())
        diffusers.utils.logging.disable_progress_bar()
        if device == "cpu":
            # How many threads share a sum decides its rounding: one, so that an image does not
            # depend on how many cores a job was given.
            torch.set_num_threads(1)
        self.pipeline = load_pipeline(settings, checkpoint, device, prefetch)
        transformer = getattr(self.pipeline, "transformer", None)
        if settings.lora is not None:
            approximations.fuse_lora(self.pipeline, settings.lora)
        if settings.fp8:
            layers = approximations.quantise(transformer)
            log.info("fp8: %d layers", layers)
        processor = getattr(self.pipeline, "processor", None)
        self._guard = SpecialTokenGuard(processor.tokenizer) if processor is not None else None
        self._tokenizers = [
            component
            for component in self.pipeline.components.values()
            if isinstance(component, transformers.PreTrainedTokenizerBase)
        ]
        self._arguments = _call_arguments(self.pipeline, settings, checkpoint)
        self._takes = capabilities.of_pipeline(type(self.pipeline).__name__)
        self.details = {"acceleration": apply_accelerations(self.pipeline, settings.exact)}
        self.compile_seconds = warm_up(self.pipeline)
        log.info("kernels compiled in %.1f s", self.compile_seconds)
        if settings.block_cache is not None:
            approximations.cache_blocks(transformer, settings.block_cache)
        self._reset_cache = getattr(transformer, "_reset_stateful_cache", None)
        self._timer = StageTimer(self.pipeline, device)

    def edit(
        self,
        source: Image.Image,
        instruction: str,
        seed: int,
        more_sources: Sequence[Image.Image] = (),
        mask: Image.Image | None = None,
    ) -> Image.Image:
        """The edited image; see :meth:`edit_benchmark.editing.editor.Editor.edit`.

        The noise comes from a generator on the CPU, so that it is the same on every device.
        """
        self._takes.check(1 + len(more_sources), has_mask=mask is not None)
        masked = {} if mask is None else {str(self._takes.mask): mask}
        generator = torch.Generator("cpu").manual_seed(seed)
        self.stages = {}  # of this image, should it fail
        if self._reset_cache is not None:
            self._reset_cache()  # what an image that failed half way left in a cache
        self._timer.start()
        result = self.pipeline(
            image=[source, *more_sources] if more_sources else source,
            prompt=self._as_text(instruction),
            generator=generator,
            output_type="np",  # as floats, so that NaN is seen and not rounded to black
            **self._arguments,
            **masked,
        )
        values = np.asarray(result.images[0])
        self.stages = self._timer.stop()
        if not np.isfinite(values).all():
            raise SampleError("not_finite", "the pipeline returned NaN or infinite pixels")
        return Image.fromarray((values * 255).round().astype(np.uint8))

    def _as_text(self, instruction: str) -> str:
        """The instruction in a form that the pipeline's tokenizer takes for nothing but text."""
        if self._guard is not None:
            return self._guard.protect(instruction)
        tokens = {token for part in self._tokenizers for token in part.all_special_tokens}
        contained = sorted(token for token in tokens if token in instruction)
        if contained:
            raise SampleError(
                "special_token",
                f"this pipeline would take {', '.join(contained)} for control tokens",
            )
        return instruction


def load_pipeline(
    settings: DiffusersEditorSettings, checkpoint: Checkpoint, device: str, prefetch: Prefetch
) -> diffusers.DiffusionPipeline:
    """The checkpoint's pipeline on ``device`` in the configured dtype.

    Known errors of diffusers are corrected.
    """
    start = time.monotonic()
    models = _models(Path(checkpoint.path), prefetch)
    if models:
        log.info("%s placed in %.1f s", ", ".join(models), time.monotonic() - start)
    pipeline = diffusers.DiffusionPipeline.from_pretrained(
        checkpoint.path,
        **models,
        dtype=getattr(torch, settings.dtype),
        use_safetensors=None if settings.allow_pickle else True,
        trust_remote_code=settings.trust_remote_code,
        local_files_only=True,
        # Straight to the device: through host memory it would take twice as long.
        device_map=loading.device_map(device),
    )
    pipeline.set_progress_bar_config(disable=True)
    pass_token_types(pipeline)
    log.info("pipeline loaded in %.1f s", time.monotonic() - start)
    return pipeline


def _models(checkpoint: Path, prefetch: Prefetch) -> dict[str, Any]:
    """The pipeline's models; those that only the pipeline itself can load are not among them."""
    return {
        name: prefetch.load(checkpoint / name, kind)
        for name, kind in loading.import_classes(checkpoint).items()
        if loading.is_plain(checkpoint / name)
    }


def _call_arguments(
    pipeline: diffusers.DiffusionPipeline,
    settings: DiffusersEditorSettings,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Arguments of the pipeline's call that the settings give, refused if it does not take them."""
    arguments = settings.model_dump(include=_ARGUMENTS, exclude_none=True) | settings.call
    accepted = inspect.signature(type(pipeline).__call__).parameters
    unknown = sorted(set(arguments) - set(accepted))
    if unknown or "image" not in accepted:
        problem = f"takes no {', '.join(unknown)}" if unknown else "edits no image"
        raise UserError(
            f"checkpoint {checkpoint.name}: its pipeline {type(pipeline).__name__} {problem}; it "
            f"takes {', '.join(name for name in accepted if name != 'self')}."
        )
    scale = arguments.get("true_cfg_scale")
    if scale is None and "true_cfg_scale" in accepted:
        scale = accepted["true_cfg_scale"].default
    is_guided = isinstance(scale, int | float) and scale > 1
    negative = ("negative_prompt", "negative_prompt_embeds")
    if is_guided and all(arguments.get(name) is None for name in negative):
        origin = "" if "true_cfg_scale" in arguments else " by its own default"
        raise UserError(
            f"checkpoint {checkpoint.name}: {type(pipeline).__name__} has guidance{origin}, "
            f"true_cfg_scale {scale}, and without a negative_prompt it would drop "
            'it silently; set negative_prompt (the usual one is " ") or true_cfg_scale: 1.'
        )
    return arguments

"""Any diffusers edit pipeline from its checkpoint."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
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
from edit_benchmark.editing import (
    approximations,
    arguments,
    capabilities,
    pipelines,
    placement,
    signatures,
)
from edit_benchmark.editing.acceleration.apply import apply_accelerations
from edit_benchmark.editing.acceleration.compilation import drawn_source, warm_up
from edit_benchmark.editing.editor import Editor
from edit_benchmark.editing.lora import fuse_lora
from edit_benchmark.editing.stages import StageTimer
from edit_benchmark.editing.token_types import pass_token_types
from edit_benchmark.errors import SampleError
from edit_benchmark.runtime.telemetry import job_seconds

log = logging.getLogger(__name__)


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
        As of :func:`edit_benchmark.editing.arguments.call_arguments`.
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
            fuse_lora(self.pipeline, settings.lora)
        if settings.fp8:
            layers = approximations.quantise(transformer)
            log.info("fp8: %d layers", layers)
        processor = getattr(self.pipeline, "processor", None)
        self._tokenizers = _tokenizers(self.pipeline)
        kinds = {type(tokenizer) for tokenizer in self._tokenizers}
        # Where texts go through tokenizers of two kinds, none of them can be told from the other.
        self._guard = (
            SpecialTokenGuard(processor.tokenizer)
            if processor is not None and len(kinds) == 1
            else None
        )
        self._name = type(self.pipeline).__name__
        self._area = settings.area
        self._takes = capabilities.of_pipeline(self._name)
        taken = signatures.parameters_of(type(self.pipeline).__call__)
        self._arguments = arguments.call_arguments(settings, checkpoint, taken)
        names = apply_accelerations(self.pipeline, settings.exact)
        self.details = {"acceleration": names}
        drawn = drawn_source()
        given = self._inputs([drawn], "warm up") | self._arguments
        if self._takes.needs_mask:
            given |= self._masked(Image.new("L", drawn.size, "white"))
        self.compile_seconds = warm_up(self.pipeline, names, given)
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
        generator = torch.Generator("cpu").manual_seed(seed)
        torch.manual_seed(seed)  # for what a pipeline draws without the generator
        self.stages = {}  # of this image, should it fail
        if self._reset_cache is not None:
            self._reset_cache()  # what an image that failed half way left in a cache
        self._timer.start()
        result = self.pipeline(
            **self._inputs([source, *more_sources], self._as_text(instruction)),
            generator=generator,
            output_type="np",  # as floats, so that NaN is seen and not rounded to black
            **self._arguments,
            **self._masked(mask),
        )
        # Of a video, which shows the way from the source to the edit, the last frame is the edit.
        images = result.images if hasattr(result, "images") else result.frames[0][-1:]
        values = np.asarray(images[0])
        self.stages = self._timer.stop()
        if not np.isfinite(values).all():
            raise SampleError("not_finite", "the pipeline returned NaN or infinite pixels")
        return Image.fromarray((values * 255).round().astype(np.uint8))

    def _inputs(self, sources: Sequence[Image.Image], prompt: str) -> dict[str, Any]:
        return pipelines.inputs(self._name, sources, prompt, self._arguments, self._area)

    def _masked(self, mask: Image.Image | None) -> dict[str, Any]:
        return {} if mask is None else {str(self._takes.mask): mask}

    def _as_text(self, instruction: str) -> str:
        """The instruction in a form that the pipeline's tokenizer takes for nothing but text."""
        if self._guard is not None:
            return self._guard.protect(instruction)
        tokens = {
            str(token)
            for part in self._tokenizers
            for token in (*part.all_special_tokens, *part.get_added_vocab())
        }
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
    folder = Path(checkpoint.path)
    models = _models(folder, prefetch)
    if models:
        log.info("%s placed in %.1f s", ", ".join(models), time.monotonic() - start)
    pipeline = diffusers.DiffusionPipeline.from_pretrained(
        checkpoint.path,
        **models,
        dtype=getattr(torch, settings.dtype),
        use_safetensors=None if settings.allow_pickle else True,
        trust_remote_code=settings.trust_remote_code,
        local_files_only=True,
        variant=_variant(folder, models, prefetch),
        # Straight to the device: through host memory it would take twice as long.
        device_map=loading.device_map(device),
    )
    if settings.gpu > 1:
        placement.join(pipeline, device)
    pipeline.set_progress_bar_config(disable=True)
    pass_token_types(pipeline)
    log.info("pipeline loaded in %.1f s", time.monotonic() - start)
    return pipeline


def _tokenizers(pipeline: Any) -> list[transformers.PreTrainedTokenizerBase]:
    """Of a pipeline's components, those within processors included."""
    parts = pipeline.components.values()
    return [
        tokenizer
        for tokenizer in (getattr(part, "tokenizer", part) for part in parts)
        if isinstance(tokenizer, transformers.PreTrainedTokenizerBase)
    ]


def _models(checkpoint: Path, prefetch: Prefetch) -> dict[str, Any]:
    """The pipeline's models; those that only the pipeline itself can load are not among them."""
    return {
        name: prefetch.load(checkpoint / name, kind)
        for name, kind in loading.import_classes(checkpoint).items()
        if loading.is_plain(checkpoint / name)
    }


def _variant(folder: Path, models: Collection[str], prefetch: Prefetch) -> str | None:
    """The variant of the models that the pipeline itself has to load, if they have one."""
    others = [folder / name for name in loading.components(folder) if name not in models]
    return next((found for path in others if (found := prefetch.variant_of(path))), None)

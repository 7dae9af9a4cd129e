"""How long the stages of a pipeline's call took, without making the device wait."""

from __future__ import annotations

import logging
import time
from typing import Any

import torch

from edit_benchmark.runtime.telemetry import job_seconds

log = logging.getLogger(__name__)

STAGES = ("encoding", "denoising", "decoding")


class StageTimer:
    """Marks when a pipeline starts to denoise and to decode.

    On a GPU the marks are events in its stream, read once the image is on the host. A pipeline
    without a transformer and a VAE has one stage, named ``editing``.
    """

    def __init__(self, pipeline: Any, device: str) -> None:
        self._uses_events = device != "cpu"
        self._marks: list[Any] = []
        self._has_denoised = False
        transformer: Any = getattr(pipeline, "transformer", None)
        vae: Any = getattr(pipeline, "vae", None)
        self._has_stages = transformer is not None and vae is not None
        if self._has_stages:
            transformer.register_forward_pre_hook(lambda *_: self._mark(1))
            decode = vae.decode

            def marked_decode(*args: Any, **kwargs: Any) -> Any:
                self._mark(2)
                return decode(*args, **kwargs)

            vae.decode = marked_decode

    def start(self) -> None:
        """Call it before the pipeline is called."""
        self._marks = []
        self._mark(0)

    def stop(self) -> dict[str, float]:
        """Seconds of each stage since :meth:`start`; the image has to be on the host."""
        self._mark(len(self._marks))
        if not self._has_stages or len(self._marks) != len(STAGES) + 1:
            return {"editing": self._seconds(self._marks[0], self._marks[-1])}
        pairs = zip(self._marks, self._marks[1:], strict=False)
        return {name: self._seconds(*pair) for name, pair in zip(STAGES, pairs, strict=True)}

    def _mark(self, position: int) -> None:
        # Each mark once: a transformer is called at every step.
        if position != len(self._marks):
            return
        if position == 1 and not self._has_denoised:
            self._has_denoised = True
            log.info("first denoising step %.1f s after the job began", job_seconds())
        if self._uses_events:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._marks.append(event)
        else:
            self._marks.append(time.monotonic())

    def _seconds(self, first: Any, second: Any) -> float:
        if self._uses_events:
            second.synchronize()
            return float(first.elapsed_time(second)) / 1000
        return float(second - first)

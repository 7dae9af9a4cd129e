"""What all judges share that are image-text-to-text models of transformers."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from transformers.models.auto import modeling_auto

from edit_benchmark.checkpoints import loading
from edit_benchmark.checkpoints.prefetch import Prefetch
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.checkpoints.special_tokens import SpecialTokenGuard
from edit_benchmark.config.judges import TransformersJudgeSettings
from edit_benchmark.errors import SampleError
from edit_benchmark.judging import shared_prefix
from edit_benchmark.judging.judge import Answer, Case, Judge
from edit_benchmark.judging.reading import read
from edit_benchmark.runtime.telemetry import job_seconds

log = logging.getLogger(__name__)

_OPENED_THINKING = re.compile(r"<think(?:ing)?>\s*\Z", re.IGNORECASE)


class TransformersJudge(Judge):
    """A loaded model with its processor. Each method of judging is a subclass.

    Parameters
    ----------
    settings
        A judge of the configuration.
    checkpoint
        Where the weights are.
    device
        ``cuda`` or ``cpu``.
    prefetch
        Reads the weights, and has started to.

    Attributes
    ----------
    processor, model
        As transformers loads them.
    """

    def __init__(
        self,
        settings: TransformersJudgeSettings,
        checkpoint: Checkpoint,
        device: str,
        prefetch: Prefetch,
    ) -> None:
        log.info("libraries imported %.1f s after the job began", job_seconds())
        if device == "cpu":
            torch.set_num_threads(1)  # rounding must not depend on the number of cores
        transformers.utils.logging.disable_progress_bar()
        self._settings = settings
        self._device = device
        folder = Path(checkpoint.path)
        trusted = settings.trust_remote_code
        self.processor = transformers.AutoProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trusted
        )
        # With padding before the text the last position is the answer's in every row.
        self.processor.tokenizer.padding_side = "left"
        self._guard = SpecialTokenGuard(self.processor.tokenizer)
        self._scales_down = _limit_pixels(self.processor, settings.max_pixels)
        #: ``<think>`` if the prompt of an answer ends with it.
        self._opened_thinking = self._end_of_prompt()
        self._check_template()
        self.model = prefetch.load(folder, model_class_of(folder), trust_remote_code=trusted)
        self._is_adapted = shared_prefix.adapt(self.model)
        # A tokenizer changes its own padding while it encodes: only one thread may use it.
        self._processor_lock = threading.Lock()

    def prepare(self, case: Case) -> Case:
        """``case`` with its inputs made on the host and kept as ``prepared``.

        Threads call this while earlier cases are judged. A case whose inputs cannot be made is
        returned as it is: :meth:`judge` meets the same error, and there it is counted.
        """
        if self._device == "cpu":
            torch.set_num_threads(1)  # the setting is one of each thread
        try:
            return replace(case, prepared=self._inputs_on_host(case))
        except Exception:
            log.debug("preparing %s failed", case.sample.id, exc_info=True)
            return case

    def _prepared(self, case: Case) -> Any:
        """What :meth:`prepare` made of ``case``, or the same made now."""
        return self._inputs_on_host(case) if case.prepared is None else case.prepared

    def _inputs_on_host(self, case: Case) -> Any:
        """All that can be done for ``case`` without the device; None if that is nothing."""
        raise NotImplementedError

    def _end_of_prompt(self) -> str:
        """The tag with which the chat template opens the judge's thinking, or nothing."""
        prompt = self.processor.apply_chat_template(
            [{"role": "user", "content": [_text("?")]}], tokenize=False, add_generation_prompt=True
        )
        opened = _OPENED_THINKING.search(prompt)
        return opened.group().strip() if opened else ""

    def _check_template(self) -> None:
        """Raises a UserError if this judge cannot answer behind the chat template's prompt."""

    def _read(self, case: Case, text: str, details: dict[str, Any]) -> Answer | SampleError:
        if case.turn is not None:
            return Answer({}, text, details)
        return read({"text": text, "details": details}, case.rubric, self._settings)

    def _messages(self, case: Case, question: str) -> list[dict[str, Any]]:
        """One user turn: images with headings, the text shared by all questions, the question."""
        texts = case.rubric.texts
        content: list[dict[str, Any]] = []
        if case.rubric.see_source:
            headings = case.rubric.source_headings(len(case.sources))
            for heading, image in zip(headings, case.sources, strict=True):
                content += [_text(heading), self._image(image)]
        content += [_text(texts["edited"]), self._image(case.edited)]
        shared = self._guard.protect(case.rubric.shared_text(case.sample))
        content += [_text(f"{shared}\n\n{question}")]
        return [{"role": "user", "content": content}]

    def _image(self, image: Image.Image) -> dict[str, Any]:
        """An image of a message, no larger than ``max_pixels``, with its proportions kept."""
        pixels = image.width * image.height
        # Scaled once: a processor that is given the limit itself does it, to a size that suits it.
        if not self._scales_down and pixels > self._settings.max_pixels:
            factor = (self._settings.max_pixels / pixels) ** 0.5
            size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
            image = image.resize(size, Image.Resampling.LANCZOS)
        return {"type": "image", "image": image}

    def _inputs(self, conversations: list[list[dict[str, Any]]]) -> Any:
        """The processor's inputs for a batch of conversations, padded, as tensors on the host."""
        return self.processor.apply_chat_template(
            conversations,
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )

    def _to_device(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of ``inputs`` on the device; a case's own stay on the host."""
        # A processor's inputs may be lists of tensors too.
        on_host = transformers.BatchFeature(dict(inputs))
        return dict(on_host.to(self._device, non_blocking=True))


def model_class_of(folder: Path) -> type:
    """The model class that transformers' Auto class would choose for the checkpoint ``folder``.

    The Auto class itself where only ``from_pretrained`` can tell, such as for remote code.
    """
    auto: type = transformers.AutoModelForImageTextToText
    if not loading.is_plain(folder):
        return auto
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    name = modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.get(config.model_type, "")
    return loading.model_class("transformers", name) or auto


def _limit_pixels(processor: Any, most: int) -> bool:
    """Have ``processor`` scale images down to ``most`` pixels; False if it has no such setting."""
    of_images = processor.image_processor
    accepted = getattr(getattr(of_images, "valid_kwargs", None), "__annotations__", {})
    size = dict(of_images.size or {})
    # The edges of such a processor are numbers of pixels; those of others are sides of an image.
    least, own = size.get("shortest_edge"), size.get("longest_edge")
    if "max_pixels" not in accepted or not least or not own:
        return False
    of_images.size = {"shortest_edge": min(least, most), "longest_edge": min(own, most)}
    return True


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}

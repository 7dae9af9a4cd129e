"""Any image-text-to-text model of transformers as a judge."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import transformers
from PIL import Image

from ..checkpoints import Checkpoint
from ..errors import SampleError, UserError
from ..prompts import TextGuard
from ..rubrics import Rubric
from . import Answer, Case
from .answers import expected_value, parse_generated

log = logging.getLogger(__name__)


class TransformersJudge:
    """A loaded model and its processor.

    Parameters
    ----------
    settings
        A judge of the configuration: dtype, method, batch_size, max_pixels, max_new_tokens and
        min_mass.
    checkpoint
        Where its weights are.
    device
        ``cuda`` or ``cpu``.
    """

    def __init__(self, settings: Mapping[str, Any], checkpoint: Checkpoint, device: str) -> None:
        if device == "cpu":
            torch.set_num_threads(1)  # as for the editor: the rounding must not depend on it
        transformers.utils.logging.disable_progress_bar()
        common = {
            "trust_remote_code": settings["trust_remote_code"],
            "local_files_only": True,
        }
        self._settings = settings
        self._device = device
        self.processor = transformers.AutoProcessor.from_pretrained(checkpoint.path, **common)
        # Padding stands before the text, so that the last position is the answer's in every row.
        self.processor.tokenizer.padding_side = "left"
        self._guard = TextGuard(self.processor.tokenizer)
        self.model = transformers.AutoModelForImageTextToText.from_pretrained(
            checkpoint.path,
            dtype=getattr(torch, settings["dtype"]),
            use_safetensors=None if settings["allow_pickle"] else True,
            device_map=device if device != "cpu" else None,
            **common,
        ).eval()
        accepted = inspect.signature(self.model.forward).parameters
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}

    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        """An answer for each case; see :class:`edit_benchmark.judges.Judge`."""
        if self._settings["method"] == "generated":
            return self._generated(cases)
        # One case at a time: a batch of several would pad them to each other's length, and the
        # rounding of one score would depend on its neighbours.
        return [self._expected(case) for case in cases]

    @torch.inference_mode()
    def _expected(self, case: Case) -> Answer | SampleError:
        """Expected values over the scale's tokens, from one forward pass per criterion."""
        rubric = case.rubric
        labels = [*rubric.labels, rubric.not_applicable]
        tokens = self._tokens(labels)
        asked = [rubric.expected_question(criterion) for criterion in rubric.criteria]
        rows: list[torch.Tensor] = []
        for start in range(0, len(asked), self._settings["batch_size"]):
            batch = asked[start : start + self._settings["batch_size"]]
            inputs = self._inputs([self._messages(case, question) for question in batch])
            logits = self.model(**inputs, **self._last_only).logits[:, -1].float()
            rows += logits.softmax(-1)[:, tokens].cpu()
        criteria: dict[str, float | None] = {}
        details = {}
        for criterion, row in zip(rubric.criteria, rows, strict=True):
            if not torch.isfinite(row).all():
                return SampleError("not_finite", f"the judge's logits for {criterion.key} are NaN")
            probabilities = dict(zip(labels, row.tolist(), strict=True))
            mass = sum(probabilities.values())
            details[criterion.key] = {"mass": mass, "probabilities": probabilities}
            if mass < self._settings["min_mass"] or mass == 0:
                return SampleError(
                    "off_scale",
                    f"the judge puts {mass:.3f} of its probability on the labels of "
                    f"{criterion.key}, less than min_mass {self._settings['min_mass']}",
                )
            criteria[criterion.key] = expected_value(probabilities, rubric)
        return Answer(criteria=criteria, details=details)

    @torch.inference_mode()
    def _generated(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        """Answers written greedily, a batch at once, and parsed strictly."""
        answers: list[Answer | SampleError] = []
        for start in range(0, len(cases), self._settings["batch_size"]):
            batch = cases[start : start + self._settings["batch_size"]]
            inputs = self._inputs(
                [self._messages(case, case.rubric.generated_question()) for case in batch]
            )
            written = self.model.generate(**inputs, generation_config=self._greedy())
            texts = self.processor.batch_decode(
                written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
            )
            answers += [
                self._parse(text, case.rubric) for text, case in zip(texts, batch, strict=True)
            ]
        return answers

    @staticmethod
    def _parse(text: str, rubric: Rubric) -> Answer | SampleError:
        try:
            return parse_generated(text, rubric)
        except SampleError as error:
            return error

    def _greedy(self) -> transformers.GenerationConfig:
        # Made anew: the checkpoint's own generation config samples.
        own = self.model.generation_config
        tokenizer = self.processor.tokenizer
        return transformers.GenerationConfig(
            do_sample=False,
            num_beams=1,
            max_new_tokens=self._settings["max_new_tokens"],
            eos_token_id=own.eos_token_id or tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )

    def _tokens(self, labels: Sequence[str]) -> list[int]:
        """The token of each label.

        Raises
        ------
        UserError
            If a label is more than one token: its probability could not be read off one position.
        """
        tokens = []
        for label in labels:
            ids = self.processor.tokenizer.encode(label, add_special_tokens=False)
            if len(ids) != 1:
                raise UserError(
                    f"rubric label {label!r} is {len(ids)} tokens of this judge; the method "
                    "expected needs labels of one token each, such as single digits."
                )
            tokens += ids
        return tokens

    def _messages(self, case: Case, question: str) -> list[dict[str, Any]]:
        """One user turn: pictures with their headings, what all questions share, the question."""
        texts = case.rubric.texts
        content: list[dict[str, Any]] = []
        if case.rubric.see_source:
            content += [_text(texts["source"]), self._picture(case.source)]
        content += [_text(texts["edited"]), self._picture(case.edited)]
        shared = self._guard.protect(case.rubric.shared_text(case.sample))
        content += [_text(f"{shared}\n\n{question}")]
        return [{"role": "user", "content": content}]

    def _picture(self, image: Image.Image) -> dict[str, Any]:
        pixels = image.width * image.height
        if pixels > self._settings["max_pixels"]:
            factor = (self._settings["max_pixels"] / pixels) ** 0.5
            size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
            image = image.resize(size, Image.Resampling.LANCZOS)
        return {"type": "image", "image": image}

    def _inputs(self, conversations: list[list[dict[str, Any]]]) -> Any:
        return self.processor.apply_chat_template(
            conversations,
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        ).to(self._device)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}

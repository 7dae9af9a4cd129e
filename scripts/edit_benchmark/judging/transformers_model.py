"""Any image-text-to-text model of transformers as a judge."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from transformers.models.auto import modeling_auto

from edit_benchmark.checkpoints import loading as weights
from edit_benchmark.checkpoints.resolve import Checkpoint
from edit_benchmark.checkpoints.special_tokens import TextGuard
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging import shared_prefix
from edit_benchmark.judging.parsing import expected_value, parse_generated
from edit_benchmark.judging.registry import Answer, Case
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.runtime.telemetry import process_seconds

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Questions:
    """A case's questions, on the host.

    ``labels`` are the tokens of the labels, ``passes`` the arguments of each forward pass, as the
    processor makes them. Where one pass is for all questions they are tensors, and ``packed`` those
    that stay on the host.
    """

    labels: torch.Tensor
    passes: list[Any]
    packed: dict[str, torch.Tensor] | None = None


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
    ahead
        The reading of its weights, begun before.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        checkpoint: Checkpoint,
        device: str,
        ahead: weights.Ahead,
    ) -> None:
        log.info("libraries imported %.1f s after the process began", process_seconds())
        if device == "cpu":
            torch.set_num_threads(1)  # as for the editor: the rounding must not depend on it
        transformers.utils.logging.disable_progress_bar()
        self._settings = settings
        self._device = device
        folder = Path(checkpoint.path)
        trusted = settings["trust_remote_code"]
        self.processor = transformers.AutoProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trusted
        )
        # Padding stands before the text, so that the last position is the answer's in every row.
        self.processor.tokenizer.padding_side = "left"
        self._guard = TextGuard(self.processor.tokenizer)
        self.model = ahead.load(folder, judge_class(folder), trust_remote_code=trusted)
        accepted = inspect.signature(self.model.forward).parameters
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        self._is_adapted = shared_prefix.adapt(self.model)
        self._lock = threading.Lock()
        self._ahead: dict[int, tuple[Case, Any]] = {}

    def prepare(self, case: Case) -> None:
        """Do ahead, in another thread, what of judging ``case`` needs no device.

        What fails here is left: it fails again in :meth:`judge`, where it is accounted for.
        """
        if self._device == "cpu":
            torch.set_num_threads(1)
        try:
            ready = self._host_side(case)
        except Exception:
            log.debug("preparing %s failed", case.sample.id, exc_info=True)
        else:
            if ready is not None:
                # By the case's identity, since pictures have no hash; kept beside it, so that no
                # other case takes its place.
                self._ahead[id(case)] = (case, ready)

    @torch.inference_mode()
    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        """An answer for each case; see :class:`edit_benchmark.judges.Judge`."""
        if self._settings["method"] == "generated":
            size = self._settings["batch_size"]
            batches = [cases[start : start + size] for start in range(0, len(cases), size)]
            return [answer for batch in batches for answer in self._generated(batch)]
        # One case at a time: a batch of several would pad them to each other's length, and the
        # rounding of one score would depend on its neighbours.
        asked: list[tuple[_Questions, torch.Tensor]] = []
        for case in cases:
            questions = self._prepared(case)
            asked.append((questions, self._probabilities(questions)))
        # Read when all are on their way, so that the device need not wait between two cases.
        return [
            self._expected(case, rows.cpu(), is_packed=questions.packed is not None)
            for case, (questions, rows) in zip(cases, asked, strict=True)
        ]

    def _prepared(self, case: Case) -> Any:
        _, ready = self._ahead.pop(id(case), (case, None))
        return self._host_side(case) if ready is None else ready

    def _host_side(self, case: Case) -> Any:
        """Tokens and pixels of a case: its :class:`_Questions`, or its row of a batch.

        None where only a whole batch can be made.
        """
        # One thread at a time: a tokenizer changes its own padding while it encodes.
        with self._lock:
            if self._settings["method"] == "expected":
                return self._questions(case)
            if self._is_adapted:
                row = dict(self._inputs([self._ask_all(case)]))
                return row | {"pixel_values": row["pixel_values"].to(self.model.dtype)}
        return None

    def _ask_all(self, case: Case) -> list[dict[str, Any]]:
        return self._messages(case, case.rubric.generated_question())

    def _questions(self, case: Case) -> _Questions:
        asked = [case.rubric.expected_question(criterion) for criterion in case.rubric.criteria]
        labels = torch.tensor(self._tokens(_labels(case.rubric)))
        conversations = [self._messages(case, question) for question in asked]
        if self._is_adapted:
            texts = [
                self.processor.apply_chat_template(one, tokenize=False, add_generation_prompt=True)
                for one in conversations
            ]
            first = self._inputs(conversations[:1])
            shared = shared_prefix.arguments(self.model, self.processor, first, texts)
            if shared is not None:
                sent, kept = shared
                return _Questions(labels, [self._pinned(sent)], kept)
        size = self._settings["batch_size"]
        batches = [conversations[start : start + size] for start in range(0, len(asked), size)]
        return _Questions(labels, [self._inputs(batch) for batch in batches])

    def _pinned(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """In memory from which copying to the device does not make the host wait."""
        if self._device == "cpu":
            return dict(tensors)
        return {name: tensor.pin_memory() for name, tensor in tensors.items()}

    def _sent(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: value.to(self._device, non_blocking=True) for name, value in tensors.items()}

    def _probabilities(self, questions: _Questions) -> torch.Tensor:
        """Of each label for each question, of shape (questions, labels), on the device."""
        rows = []
        for inputs in questions.passes:
            if questions.packed is not None:
                output = self.model(**self._sent(inputs), **questions.packed, use_cache=False)
                logits = output.logits[0]
            else:
                logits = self.model(**inputs.to(self._device), **self._last_only).logits[:, -1]
            rows.append(logits.float().softmax(-1))
        labels = questions.labels.to(self._device, non_blocking=True)
        return torch.cat(rows).index_select(1, labels)

    def _expected(self, case: Case, rows: torch.Tensor, *, is_packed: bool) -> Answer | SampleError:
        """Expected values over the scale's tokens, one row of ``rows`` a criterion."""
        rubric = case.rubric
        criteria: dict[str, float | None] = {}
        details: dict[str, Any] = {"shared_prefix": is_packed}
        for criterion, row in zip(rubric.criteria, rows, strict=True):
            if not torch.isfinite(row).all():
                return SampleError("not_finite", f"the judge's logits for {criterion.key} are NaN")
            probabilities = dict(zip(_labels(rubric), row.tolist(), strict=True))
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

    def _generated(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        """Answers written greedily, all at once, and parsed strictly."""
        if self._is_adapted:
            rows = [self._prepared(case) for case in cases]
            inputs = self._sent(shared_prefix.batch(self.processor, rows))
        else:
            inputs = self._inputs([self._ask_all(case) for case in cases]).to(self._device)
        written = self.model.generate(**inputs, generation_config=self._greedy())
        with self._lock:
            texts = self.processor.batch_decode(
                written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
            )
        return [self._parse(text, case.rubric) for text, case in zip(texts, cases, strict=True)]

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
        )


def judge_class(folder: Path) -> type:
    """The class that Auto would take; Auto itself where it has to look further."""
    auto: type = transformers.AutoModelForImageTextToText
    if not weights.is_plain(folder):
        return auto
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    name = modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.get(config.model_type, "")
    return weights.model_class("transformers", name) or auto


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _labels(rubric: Rubric) -> list[str]:
    return [*rubric.labels, rubric.not_applicable]

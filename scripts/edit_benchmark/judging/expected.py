"""The method ``expected``: scores from the probabilities that a judge gives the scale's labels."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from edit_benchmark.checkpoints.prefetch import Prefetch
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.config.judges import TransformersJudgeSettings
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging import shared_prefix
from edit_benchmark.judging.judge import Answer, Case
from edit_benchmark.judging.parsing import expected_value
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.judging.shared_prefix import ForwardArguments
from edit_benchmark.judging.transformers_judge import TransformersJudge


@dataclass(frozen=True)
class _Questions:
    """The questions about one case, ready for the model, on the host.

    Attributes
    ----------
    label_ids
        The token of each label, of shape (labels,).
    packed
        One forward pass for all questions; None if this model or its chat template cannot take it.
    batches
        Where ``packed`` is None: the processor's inputs of each batch of questions.
    """

    label_ids: torch.Tensor
    packed: ForwardArguments | None
    batches: Sequence[Any] = ()


class ExpectedJudge(TransformersJudge):
    """Asks one question for each criterion and takes the expected value over the labels.

    Nothing is written: the probabilities are those of the first token of an answer.
    """

    def __init__(
        self,
        settings: TransformersJudgeSettings,
        checkpoint: Checkpoint,
        device: str,
        prefetch: Prefetch,
    ) -> None:
        super().__init__(settings, checkpoint, device, prefetch)
        accepted = inspect.signature(self.model.forward).parameters
        self._last_logits_only = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}

    @torch.inference_mode()
    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        """An answer for each case, in their order, or what went wrong with it."""
        # One case at a time: a batch of several would pad them to each other's length, and the
        # rounding of one score would depend on its neighbours.
        results: list[tuple[_Questions, torch.Tensor]] = []
        for case in cases:
            questions: _Questions = self._prepared(case)
            results.append((questions, self._label_probabilities(questions)))
        # Copied to the host only once all are queued, so that the device never waits in between.
        return [
            self._answer(case, probabilities.cpu(), is_packed=questions.packed is not None)
            for case, (questions, probabilities) in zip(cases, results, strict=True)
        ]

    def _inputs_on_host(self, case: Case) -> _Questions:
        asked = [case.rubric.expected_question(criterion) for criterion in case.rubric.criteria]
        with self._processor_lock:
            label_ids = torch.tensor(self._label_ids(_labels(case.rubric)))
            conversations = [self._messages(case, question) for question in asked]
            packed = self._packed(conversations) if self._is_adapted else None
            if packed is not None:
                return _Questions(label_ids, packed)
            size = self._settings.batch_size
            batches = [conversations[start : start + size] for start in range(0, len(asked), size)]
            return _Questions(label_ids, None, [self._inputs(batch) for batch in batches])

    def _packed(self, conversations: list[list[dict[str, Any]]]) -> ForwardArguments | None:
        texts = [
            self.processor.apply_chat_template(one, tokenize=False, add_generation_prompt=True)
            for one in conversations
        ]
        first = self._inputs(conversations[:1])
        arguments = shared_prefix.forward_arguments(self.model, self.processor, first, texts)
        if arguments is None:
            return None
        return ForwardArguments(self._pinned(arguments.on_device), arguments.on_host)

    def _pinned(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """``tensors`` in memory from which copying to the device does not make the host wait."""
        if self._device == "cpu":
            return dict(tensors)
        return {name: tensor.pin_memory() for name, tensor in tensors.items()}

    def _label_ids(self, labels: Sequence[str]) -> list[int]:
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

    def _label_probabilities(self, questions: _Questions) -> torch.Tensor:
        """Each label's probability for each question, of shape (questions, labels), on the device.

        The softmax is over the whole vocabulary, so a row sums to less than 1.
        """
        rows = []
        if questions.packed is not None:
            on_device = self._to_device(questions.packed.on_device)
            output = self.model(**on_device, **questions.packed.on_host, use_cache=False)
            rows.append(output.logits[0].float().softmax(-1))
        for inputs in questions.batches:
            # A copy, because ``to`` replaces the tensors within: the case's own stay on the host.
            on_device = copy.copy(inputs).to(self._device)
            logits = self.model(**on_device, **self._last_logits_only).logits[:, -1]
            rows.append(logits.float().softmax(-1))
        label_ids = questions.label_ids.to(self._device, non_blocking=True)
        return torch.cat(rows).index_select(1, label_ids)

    def _answer(self, case: Case, rows: torch.Tensor, *, is_packed: bool) -> Answer | SampleError:
        """The answer from label probabilities ``rows``, of shape (criteria, labels)."""
        rubric = case.rubric
        criteria: dict[str, float | None] = {}
        details: dict[str, Any] = {"shared_prefix": is_packed}
        for criterion, row in zip(rubric.criteria, rows, strict=True):
            if not torch.isfinite(row).all():
                return SampleError("not_finite", f"the judge's logits for {criterion.key} are NaN")
            probabilities = dict(zip(_labels(rubric), row.tolist(), strict=True))
            mass = sum(probabilities.values())
            details[criterion.key] = {"mass": mass, "probabilities": probabilities}
            if mass < self._settings.min_mass or mass == 0:
                return SampleError(
                    "off_scale",
                    f"the judge puts {mass:.3f} of its probability on the labels of "
                    f"{criterion.key}, less than min_mass {self._settings.min_mass:g}",
                )
            criteria[criterion.key] = expected_value(probabilities, rubric)
        return Answer(criteria=criteria, details=details)


def _labels(rubric: Rubric) -> list[str]:
    return [*rubric.labels, rubric.not_applicable]

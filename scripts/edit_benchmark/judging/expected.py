"""The method ``expected``: scores from the probabilities that a judge gives the scale's labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from edit_benchmark.judging import shared_prefix
from edit_benchmark.judging.judge import Case
from edit_benchmark.judging.label_judge import LabelJudge
from edit_benchmark.judging.shared_prefix import ForwardArguments


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


class ExpectedJudge(LabelJudge):
    """Asks one question for each criterion and takes the expected value over the labels.

    Nothing is written: the probabilities are those of the first token of an answer.
    """

    def _inputs_on_host(self, case: Case) -> _Questions:
        asked = [case.rubric.expected_question(criterion) for criterion in case.rubric.criteria]
        with self._processor_lock:
            label_ids = self._label_ids(case.rubric)
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

    def _label_probabilities(self, questions: _Questions) -> torch.Tensor:
        rows = []
        if questions.packed is not None:
            on_device = self._to_device(questions.packed.on_device)
            output = self.model(**on_device, **questions.packed.on_host, use_cache=False)
            rows.append(output.logits[0].float().softmax(-1))
        for inputs in questions.batches:
            output = self.model(**self._to_device(inputs), **self._last_logits_only)
            rows.append(output.logits[:, -1].float().softmax(-1))
        label_ids = questions.label_ids.to(self._device, non_blocking=True)
        return torch.cat(rows).index_select(1, label_ids)

    def _text_and_details(
        self, questions: _Questions, places: dict[str, dict[str, Any]]
    ) -> tuple[str, dict[str, Any]]:
        return "", {"shared_prefix": questions.packed is not None}

"""The same judge through transformers alone: one forward, or one ``generate``, a question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from edit_benchmark.judging.judge import Case
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.judging.transformers_judge import TransformersJudge


class StockJudge:
    """The same checkpoint and prompts, without anything of ours but the prompts.

    Parameters
    ----------
    ours
        Makes the inputs.
    folder
        The checkpoint.
    device
        ``cuda`` or ``cpu``.
    dtype
        Of the weights, as torch names it.
    new_tokens
        Length of a written answer.
    """

    def __init__(
        self, ours: TransformersJudge, folder: Path, device: str, dtype: str, new_tokens: int = 1
    ) -> None:
        self._ours, self._device, self._new_tokens = ours, device, new_tokens
        self._model = transformers.AutoModelForImageTextToText.from_pretrained(
            folder, dtype=getattr(torch, dtype), device_map=device, local_files_only=True
        ).eval()

    def tokens(self, case: Case) -> int:
        """Tokens of one question with its images."""
        question = case.rubric.expected_question(case.rubric.criteria[0])
        return int(self._inputs(case, question)["input_ids"].shape[1])

    @torch.inference_mode()
    def probabilities(self, case: Case) -> torch.Tensor:
        """Of each label, of shape (criteria, labels)."""
        rows = []
        for criterion in case.rubric.criteria:
            inputs = self._inputs(case, case.rubric.expected_question(criterion))
            logits = self._model(**inputs, logits_to_keep=1).logits[:, -1]
            rows.append(logits.float().softmax(-1)[:, self._label_ids(case.rubric)].cpu())
        return torch.cat(rows)

    @torch.inference_mode()
    def write(self, case: Case) -> list[str]:
        """An answer of the method ``generated``."""
        inputs = self._inputs(case, case.rubric.generated_question())
        written = self._model.generate(
            **inputs, do_sample=False, max_new_tokens=self._new_tokens,
            temperature=None, top_p=None, top_k=None,
        )  # fmt: skip
        prompt_length = inputs["input_ids"].shape[1]
        texts: list[str] = self._ours.processor.batch_decode(written[:, prompt_length:])
        return texts

    def _label_ids(self, rubric: Rubric) -> list[int]:
        ids: list[int] = self._ours.processor.tokenizer.convert_tokens_to_ids(labels(rubric))
        return ids

    def _inputs(self, case: Case, question: str) -> Any:
        return self._ours._inputs([self._ours._messages(case, question)]).to(self._device)


def labels(rubric: Rubric) -> list[str]:
    """The labels whose probabilities are read, in the order of a row."""
    return [*rubric.labels, rubric.not_applicable]

"""What judges share whose answer is the probabilities of the scale's labels at some places."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch

from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.judging.judge import Answer, Case
from edit_benchmark.judging.reading import label_details
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.judging.transformers_judge import TransformersJudge


class LabelJudge(TransformersJudge):
    """A judge whose forward passes give each label's probability for each criterion.

    Raises
    ------
    UserError
        If the judge would begin an answer with thinking, where no label can be read.
    """

    @cached_property
    def _last_logits_only(self) -> dict[str, int]:
        """The argument of a forward pass that wants no other position's logits, if there is one."""
        accepted = inspect.signature(self.model.forward).parameters
        return {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}

    def _check_template(self) -> None:
        if self._opened_thinking:
            raise UserError(
                f"checkpoint {self._settings.checkpoint} thinks before it answers: its chat "
                f"template ends in {self._opened_thinking}, where no label can be read; set "
                "method: generated, answer: text and a max_new_tokens that leaves room for "
                "thinking, or use a checkpoint that does not think."
            )

    @torch.inference_mode()
    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        """An answer for each case, in their order, or what went wrong with it."""
        # One case at a time: a batch of several would pad them to each other's length, and the
        # rounding of one score would depend on its neighbours.
        results: list[tuple[Any, torch.Tensor]] = []
        for case in cases:
            questions = self._prepared(case)
            results.append((questions, self._label_probabilities(questions)))
        # Copied to the host only once all are queued, so that the device never waits in between.
        return [
            self._answer(case, questions, probabilities.cpu())
            for case, (questions, probabilities) in zip(cases, results, strict=True)
        ]

    def _label_probabilities(self, questions: Any) -> torch.Tensor:
        """Each label's probability for each criterion, of shape (criteria, labels), on the device.

        The softmax is over the whole vocabulary, so a row sums to less than 1.

        Parameters
        ----------
        questions
            What :meth:`_inputs_on_host` made of a case.
        """
        raise NotImplementedError

    def _text_and_details(
        self, questions: Any, places: dict[str, dict[str, Any]]
    ) -> tuple[str, dict[str, Any]]:
        """What is kept of an answer, besides the probabilities in ``places``."""
        raise NotImplementedError

    def _label_ids(self, rubric: Rubric) -> torch.Tensor:
        """The token of each label of ``rubric``, of shape (labels,).

        Raises
        ------
        UserError
            If a label is more than one token: its probability could not be read off one position.
        """
        tokens = []
        for label in _labels(rubric):
            ids = self.processor.tokenizer.encode(label, add_special_tokens=False)
            if len(ids) != 1:
                raise UserError(
                    f"rubric label {label!r} is {len(ids)} tokens of this judge, but its "
                    "probability is read off one; use labels of one token each, such as single "
                    "digits, or method: generated with answer: text."
                )
            tokens += ids
        return torch.tensor(tokens)

    def _answer(self, case: Case, questions: Any, rows: torch.Tensor) -> Answer | SampleError:
        """The answer from label probabilities ``rows``, of shape (criteria, labels)."""
        places = {}
        for criterion, row in zip(case.rubric.criteria, rows, strict=True):
            if not torch.isfinite(row).all():
                return SampleError("not_finite", f"the judge's logits for {criterion.key} are NaN")
            by_label = dict(zip(_labels(case.rubric), row.tolist(), strict=True))
            places[criterion.key] = label_details(by_label)
        text, details = self._text_and_details(questions, places)
        return self._read(case, text, {**details, **places})


def _labels(rubric: Rubric) -> list[str]:
    return [*rubric.labels, rubric.not_applicable]

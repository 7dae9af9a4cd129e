"""The method ``generated`` with labels: the keys are written for the judge, which chooses labels.

The answer is the JSON object that the rubric asks for. All of it but the labels is known before: at
each label's place the judge's most probable label is taken, and the rest is written on behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from edit_benchmark.judging.judge import Case
from edit_benchmark.judging.label_judge import LabelJudge
from edit_benchmark.judging.rubrics import Rubric


@dataclass(frozen=True)
class _Skeleton:
    """The question about one case, ready for the model, and the answer without its labels.

    Attributes
    ----------
    label_ids
        The token of each label, of shape (labels,).
    inputs
        The processor's inputs of the question.
    pieces
        The tokens before each label, of shape (tokens,) each.
    texts
        The same as texts, and what stands behind the last label.
    """

    label_ids: torch.Tensor
    inputs: Any
    pieces: list[torch.Tensor]
    texts: list[str]


class ChosenJudge(LabelJudge):
    """Asks about all criteria at once; only the labels of the answer are the judge's own."""

    def _inputs_on_host(self, case: Case) -> _Skeleton:
        texts = _texts(case.rubric)
        with self._processor_lock:
            tokenizer = self.processor.tokenizer
            pieces = [
                torch.tensor(tokenizer.encode(text, add_special_tokens=False))
                for text in texts[:-1]
            ]
            inputs = self._inputs([self._messages(case, case.rubric.generated_question())])
            return _Skeleton(self._label_ids(case.rubric), inputs, pieces, texts)

    def _label_probabilities(self, questions: _Skeleton) -> torch.Tensor:
        label_ids = questions.label_ids.to(self._device)
        inputs = self._to_device(questions.inputs)
        added, cache, rows = label_ids[:0], None, []
        for piece in questions.pieces:
            added = torch.cat([added, piece.to(self._device)])
            if cache is None:
                inputs = _extended(inputs, added)
            else:
                inputs = {"input_ids": added[None], "past_key_values": cache}
            # How another architecture counts positions behind its cache is not known: it reads the
            # whole again.
            if self._is_adapted:
                inputs["use_cache"] = True
            output = self.model(**inputs, **self._last_logits_only)
            cache = output.past_key_values if self._is_adapted else None
            rows.append(output.logits[0, -1].float().softmax(-1)[label_ids])
            added = label_ids[rows[-1].argmax()][None]
        return torch.stack(rows)

    def _text_and_details(
        self, questions: _Skeleton, places: dict[str, dict[str, Any]]
    ) -> tuple[str, dict[str, Any]]:
        labels = [place["label"] for place in places.values()]
        pairs = zip(questions.texts, [*labels, ""], strict=True)
        return "".join(text + label for text, label in pairs), {}


def _texts(rubric: Rubric) -> list[str]:
    """The answer's text, cut where the labels are: what is before each, and behind the last."""
    # Digits stand without quotes, as the rubric asks for them; words could not.
    quote = (
        "" if all(label.isdecimal() for label in (*rubric.labels, rubric.not_applicable)) else '"'
    )
    keys = [criterion.key for criterion in rubric.criteria]
    first, *others = (f'"{key}": {quote}' for key in keys)
    return ["{" + first, *(f"{quote}, {other}" for other in others), quote + "}"]


def _extended(inputs: Mapping[str, Any], tokens: torch.Tensor) -> dict[str, Any]:
    """``inputs`` of one row with ``tokens``, which are text, behind it."""
    ids = inputs["input_ids"]
    extended = dict(inputs)
    for name, value in inputs.items():
        if isinstance(value, torch.Tensor) and value.shape == ids.shape:
            # Of what is given for each token, text that is attended to has 1 in the mask, else 0.
            fill = int(name == "attention_mask")
            extended[name] = functional.pad(value, (0, len(tokens)), value=fill)
    extended["input_ids"] = torch.cat([ids, tokens[None]], dim=1)
    return extended

"""The method ``generated`` with text: a judge writes its whole answer, which is then parsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import transformers

from edit_benchmark.errors import SampleError
from edit_benchmark.judging import shared_prefix
from edit_benchmark.judging.judge import Answer, Case, Turn
from edit_benchmark.judging.transformers_judge import TransformersJudge


class GeneratedJudge(TransformersJudge):
    """Asks about all criteria at once; answers are decoded greedily, and kept whole."""

    @torch.inference_mode()
    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        """An answer for each case, in their order, or what went wrong with it."""
        size = self._settings.batch_size
        batches = [cases[start : start + size] for start in range(0, len(cases), size)]
        return [answer for batch in batches for answer in self._judge_batch(batch)]

    def _inputs_on_host(self, case: Case) -> dict[str, torch.Tensor] | None:
        if not self._is_adapted:
            return None  # the inputs of an unknown processor cannot be joined into a batch later
        with self._processor_lock:
            inputs = dict(self._inputs([self._conversation(case)]))
        return inputs | {"pixel_values": inputs["pixel_values"].to(self.model.dtype)}

    def _judge_batch(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        if self._is_adapted:
            rows = [self._prepared(case) for case in cases]
            on_host = shared_prefix.collate(self.processor, rows)
        else:
            on_host = self._inputs([self._conversation(case) for case in cases])
        inputs = self._to_device(on_host)
        written = self.model.generate(**inputs, generation_config=self._greedy())
        prompt_length = inputs["input_ids"].shape[1]
        with self._processor_lock:
            texts = [self._text_of(row[prompt_length:]) for row in written.cpu()]
        return [self._read(case, text, {}) for text, case in zip(texts, cases, strict=True)]

    def _text_of(self, tokens: torch.Tensor) -> str:
        """All that the judge wrote, with what the chat template wrote as its beginning."""
        ends = torch.isin(tokens, torch.tensor(self._end_ids())).nonzero()
        own = tokens[: int(ends[0])] if len(ends) else tokens
        # Special tokens stay: those around a judge's thinking may be some.
        return self._opened_thinking + self.processor.decode(own, skip_special_tokens=False)

    def _end_ids(self) -> list[int]:
        own = self.model.generation_config.eos_token_id or self.processor.tokenizer.eos_token_id
        return own if isinstance(own, list) else [] if own is None else [own]

    def _conversation(self, case: Case) -> list[dict[str, Any]]:
        if case.turn is not None:
            return self._turn(case.turn)
        return self._messages(case, case.rubric.generated_question())

    def _turn(self, turn: Turn) -> list[dict[str, Any]]:
        """A protocol's call as messages."""
        content = [
            self._protected(part) if isinstance(part, str) else self._image(part)
            for part in turn.content
        ]
        messages = [{"role": "user", "content": content}]
        if turn.system:
            messages.insert(0, {"role": "system", "content": [self._protected(turn.system)]})
        return messages

    def _protected(self, text: str) -> dict[str, Any]:
        """A text that reaches the judge as it is, whatever it holds."""
        return {"type": "text", "text": self._guard.protect(text)}

    def _greedy(self) -> transformers.GenerationConfig:
        # A new configuration, because the checkpoint's own one may sample.
        return transformers.GenerationConfig(
            do_sample=False,
            num_beams=1,
            max_new_tokens=self._settings.max_new_tokens,
            eos_token_id=self._end_ids() or None,
            pad_token_id=self.processor.tokenizer.pad_token_id,
        )

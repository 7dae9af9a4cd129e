"""The judge of kind ``pixels``: one measure of each edit, always on the host."""

from __future__ import annotations

from collections.abc import Sequence

from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.config.judges import PixelsJudgeSettings
from edit_benchmark.errors import SampleError
from edit_benchmark.judging.judge import Answer, Case, Judge
from edit_benchmark.judging.pixels.measures import compare, fitted


class PixelsJudge(Judge):
    """Measures edits against their source or target images."""

    def __init__(self, settings: PixelsJudgeSettings, checkpoint: Checkpoint | None) -> None:
        self._measure = settings.measure
        self._features = self._network = None
        if checkpoint is not None and settings.is_of_file:
            from edit_benchmark.judging.pixels.perceptual import PerceptualNetwork

            self._network = PerceptualNetwork(settings, checkpoint)
        elif checkpoint is not None:
            from edit_benchmark.judging.pixels.features import Features

            self._features = Features(settings, checkpoint)

    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        answers: list[Answer | SampleError] = []
        for case in cases:
            try:
                answers.append(self._answer(case))
            except SampleError as error:
                answers.append(error)
        return answers

    def _answer(self, case: Case) -> Answer:
        # Of a target all pixels count: it says what the edit should be within the mask, too.
        other, mask = (case.target, None) if case.target else (case.source, case.mask)
        if self._network is not None:
            value = self._network.distance(fitted(case.edited, other), other)
        elif self._features is None:
            value = compare(self._measure, case.edited, other, mask)
        elif self._measure == "clip_t":
            value = self._features.text_cosine(case.edited, case.sample.instruction)
        else:
            value = self._features.images_cosine(fitted(case.edited, other), other)
        is_resized = case.edited.size != other.size
        details = {"resized_from": list(case.edited.size)} if is_resized else {}
        return Answer({self._measure: value}, details=details)

"""A judge of the user's own, which is given copies: it may change whatever it is given."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

from edit_benchmark.errors import SampleError
from edit_benchmark.judging.judge import Answer, Case, Judge


class OwnJudge(Judge):
    """Asks the user's own judge; of the case that it prepared only ``prepared`` is kept."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.compile_seconds = judge.compile_seconds

    def prepare(self, case: Case) -> Case:
        prepared = self._judge.prepare(_copy(case))
        # It may return nothing, or a case of its own making.
        return replace(case, prepared=prepared.prepared) if isinstance(prepared, Case) else case

    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        return self._judge.judge([_copy(case) for case in cases])


def _copy(case: Case) -> Case:
    return replace(
        case,
        sample=deepcopy(case.sample),
        source=case.source.copy(),
        more_sources=tuple(image.copy() for image in case.more_sources),
        mask=case.mask.copy() if case.mask else None,
        edited=case.edited.copy(),
        rubric=deepcopy(case.rubric),
        turn=deepcopy(case.turn),
    )

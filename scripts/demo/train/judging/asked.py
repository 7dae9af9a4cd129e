"""What the project's own judge says of held-out edits, with a trained model's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from demo.train.judging.edits import Edits
from demo.train.judging.figures import HeldOut, probabilities
from demo.train.judging.forward import Forward
from demo.train.judging.questions import LANGUAGES, case, held_out, rubric_of
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.config.judges import TransformersJudgeSettings
from edit_benchmark.errors import SampleError
from edit_benchmark.judging import registry
from edit_benchmark.judging.judge import Answer, Case, Judge, Unreadable
from edit_benchmark.selftest.probes import PROBES
from edit_benchmark.stats.auc import auc


def judge_of(folder: Path, device: str, **settings: Any) -> Judge:
    """The project's own judge with the model in a folder."""
    whole = TransformersJudgeSettings(
        judge="transformers",
        checkpoint=str(folder),
        dtype="float32",
        rubric="reasoning",
        **settings,
    )
    return registry.build(whole, Checkpoint(str(folder), str(folder), "", "", "", 0), device)


def cases(heldout: HeldOut, edits: Edits, language: str, count: int) -> list[Case]:
    """The first ``count`` edits as the benchmark's rows."""
    found = []
    for number in range(min(count, len(edits.text))):
        drawn = held_out(int(edits.text[number]))
        pictures = (_image(edits.source[number]), _image(edits.edited[number]))
        found.append(case(drawn, rubric_of(drawn.category, language), *pictures))
    return found


def _image(levels: Tensor) -> Image.Image:
    return Image.fromarray(levels.permute(1, 2, 0).to(torch.uint8).cpu().numpy())


def through_the_judge(
    folder: Path, model: Any, forward: Forward, heldout: HeldOut, count: int, device: str
) -> dict[str, Any]:
    """What the project's judge says of the first held-out scenes, and whether it is the same.

    ``difference``: the largest one of a label's probability between it and the training's forward
    pass. ``readable``: share of the written answers that give scores; ``auc`` of right edits
    against two others by these.
    """
    expected = judge_of(folder, device)
    writer = judge_of(folder, device, method="generated", answer="text", batch_size=25)
    largest, written = 0.0, {}
    for number, language in enumerate(LANGUAGES):
        for kind in ("target", "nothing", "wrong_object"):
            edits = heldout.edits(kind)
            given = probabilities(model, forward, heldout.store, edits, number)
            asked = cases(heldout, edits, language, count)
            for one, answer, row in zip(asked, expected.judge(asked), given, strict=False):
                assert isinstance(answer, Answer | Unreadable)
                places = [answer.details[c.key]["probabilities"] for c in one.rubric.criteria]
                mine = [[place[label] for label in "12345670"] for place in places]
                largest = max(largest, float((torch.tensor(mine) - row).abs().max()))
            written[kind, language] = writer.judge(asked)
    every = [answer for found in written.values() for answer in found]
    read = [answer for answer in every if isinstance(answer, Answer)]
    return {
        "n": min(count, len(heldout.scenes)),
        "difference": round(largest, 6),
        "readable": round(len(read) / len(every), 3),
        "auc": {kind: _auc_written(written, kind) for kind in ("nothing", "wrong_object")},
    }


def _auc_written(written: dict[tuple[str, str], list[Any]], kind: str) -> float | None:
    right, wrong = (
        np.array([_score(answer) for language in LANGUAGES for answer in written[one, language]])
        for one in ("target", kind)
    )
    both = ~np.isnan(right) & ~np.isnan(wrong)
    if not both.any():
        return None
    return round(auc(right[both], wrong[both], [str(n) for n in range(both.sum())])[0], 3)


def _score(answer: Answer | SampleError) -> float:
    """The mean over the criteria; NaN where there is none."""
    if not isinstance(answer, Answer):
        return float("nan")
    return float(np.mean([value for value in answer.criteria.values() if value is not None]))


def planted(folder: Path, heldout: HeldOut, count: int, device: str) -> dict[str, float | None]:
    """Points by which a demanded score moves the judge: half of highest less lowest, the mean.

    The self-test's own note, which training never says. None where no answer is a score.
    """
    probe = next(one for one in PROBES if one.name == "planted")
    judge = judge_of(folder, device)
    moved: dict[str, float | None] = {}
    for language in LANGUAGES:
        asked = cases(heldout, heldout.edits("target"), language, count)
        by_demand = []
        for change in (probe.change, probe.against):
            assert change is not None
            answers = judge.judge([change(one, None) for one in asked])
            by_demand.append([_score(answer) for answer in answers])
        difference = np.array(by_demand[0]) - by_demand[1]
        told = difference[~np.isnan(difference)] / 2
        moved[language] = round(float(told.mean()), 3) if len(told) else None
    return moved

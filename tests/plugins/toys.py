"""Editors and judges for tests: what a user would put behind class_path, quick and deterministic.

They stand in for models where a test is about the workflow. Each call is a line in the file that
TOY_CALLS names, so that a test can count what was really computed.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageStat

from edit_benchmark.api import Answer, Case, Editor, Judge, SampleError, SkipSample
from edit_benchmark.dataset.samples import seed as base_seed
from edit_benchmark.images import difference


def _count(line: str) -> None:
    if "TOY_CALLS" in os.environ:
        with Path(os.environ["TOY_CALLS"]).open("a", encoding="utf-8") as file:
            file.write(line.replace("\n", " ") + "\n")


class OutOfMemoryError(RuntimeError):
    """Has the name of torch's own, which is how it is recognised."""


class Painter(Editor):
    """Paints a rectangle whose place and colour depend on seed and instruction.

    What the instruction says can go wrong, does: "fail", "skip", "black", "oom once", "oom always",
    "lost device", "text".
    """

    def __init__(self, checkpoint: str | None, dtype: str, device: str, delay: float = 0) -> None:
        self._delay = delay
        self._failed_once: set[str] = set()
        _count(f"load {device}")

    def edit(self, source: Image.Image, instruction: str, seed: int) -> Image.Image:
        _count(f"edit {instruction}")
        time.sleep(self._delay)
        if "fail" in instruction:
            raise ValueError("the toy was told to fail")
        if "skip" in instruction:
            raise SkipSample("unsupported", "the toy was told to skip")
        if "oom always" in instruction or (
            "oom once" in instruction and instruction not in self._failed_once
        ):
            self._failed_once.add(instruction)
            raise OutOfMemoryError("out of memory")
        if "lost device" in instruction:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if "black" in instruction:
            return Image.new("RGB", source.size)
        if "text" in instruction:
            return "not an image"  # type: ignore[return-value]
        digest = hashlib.sha256(f"{seed} {instruction}".encode()).digest()
        edited = source.copy()
        left, top = digest[0] % (source.width // 2), digest[1] % (source.height // 2)
        box = (left, top, left + source.width // 3, top + source.height // 3)
        ImageDraw.Draw(edited).rectangle(box, fill=(digest[2], digest[3], digest[4]))
        return edited


class Ruler(Judge):
    """Scores by a hash of the edited image's pixels, whether or not the edit is any good.

    It gives no readable answer where the instruction says "unreadable".
    """

    def __init__(self, checkpoint: str | None, dtype: str, device: str, nonsense: bool = False):
        self._nonsense = nonsense

    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Answer | SampleError:
        _count(f"judge {case.sample.id}")
        if self._nonsense or "unreadable" in case.sample.instruction:
            return SampleError("unparsable_answer", "the toy wrote nonsense")
        digest = hashlib.sha256(case.edited.tobytes()).digest()
        keys = [criterion.key for criterion in case.rubric.criteria]
        values: dict[str, float | None] = {
            key: 2 + 6 * digest[number] / 255 for number, key in enumerate(keys)
        }
        if "does not apply" in case.sample.instruction:
            values[keys[0]] = None
        return Answer(criteria=values, text="measured")


class Scribe(Judge):
    """Writes what it was told to for each call of a protocol, and counts what it is shown.

    About an edit whose instruction says "unreadable" it writes nonsense.
    """

    def __init__(
        self, checkpoint: str | None, dtype: str, device: str, answers: dict[str, str]
    ) -> None:
        self._answers = answers

    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Answer:
        assert case.turn is not None
        parts = [
            part if isinstance(part, str) else f"<{part.width}x{part.height}>"
            for part in case.turn.content
        ]
        _count(f"call {case.name}: {' '.join(parts)}")
        text = self._answers[case.turn.call.split()[0]]
        return Answer({}, "nonsense" if "unreadable" in case.sample.instruction else text)


class Honest(Judge):
    """Right by construction: it scores by how near the edit is to what :class:`Painter` makes."""

    def __init__(self, checkpoint: str | None, dtype: str, device: str) -> None:
        pass

    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Answer:
        wanted = Painter(None, "", "").edit(
            case.source, case.sample.instruction, base_seed(0, case.sample.id)
        )
        given = case.edited.resize(wanted.size)
        score = max(2.0, 8.0 - 0.1 * difference(wanted, given))
        return Answer(criteria={criterion.key: score for criterion in case.rubric.criteria})


class Taste(Judge):
    """Prefers the brighter of two edits, neither where they are about as bright.

    About an edit whose instruction says "first" it prefers what it is shown first, and of one that
    says "unreadable" it writes nonsense when the brighter edit is shown first.
    """

    def __init__(self, checkpoint: str | None, dtype: str, device: str) -> None:
        pass

    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        return [Answer({}, self._said(case)) for case in cases]

    def _said(self, case: Case) -> str:
        assert case.turn is not None
        images = [part for part in case.turn.content if not isinstance(part, str)]
        first, second = (ImageStat.Stat(image.convert("L")).mean[0] for image in images[-2:])
        _count(f"pair {case.name}")
        if "unreadable" in case.sample.instruction and first > second:
            return "I cannot say."
        winner = "A" if first > second + 5 else "B" if second > first + 5 else "Tie"
        if "first" in case.sample.instruction:
            winner = "A"
        return f'{{"winner": "{winner}"}}'


class Shade(Editor):
    """Paints all of the image in one shade of grey; an instruction "fail" fails."""

    def __init__(self, checkpoint: str | None, dtype: str, device: str, value: int) -> None:
        self._value = value

    def edit(self, source: Image.Image, instruction: str, seed: int) -> Image.Image:
        _count(f"edit {instruction}")
        if instruction == "fail":
            raise ValueError("told to fail")
        return Image.new("RGB", source.size, (self._value,) * 3)

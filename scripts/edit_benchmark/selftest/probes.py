"""Probes of a judge: edits changed in ways that it has to notice, or has to overlook."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from edit_benchmark.dataset.samples import seed
from edit_benchmark.judging.registry import Case
from edit_benchmark.records import EDITED, Edit, Sample

_JPEG_QUALITY = 90


def choose(edits: Sequence[Edit], count: int) -> list[Edit]:
    """At most ``count`` of the edited rows, evenly over categories, whatever their order."""
    turns: list[tuple[int, str, Edit]] = []
    taken: dict[str, int] = {}
    for edit in sorted(edits, key=lambda edit: (seed(0, edit.id), edit.id)):
        if edit.status == EDITED:
            turn = taken[edit.category] = taken.get(edit.category, 0) + 1
            turns.append((turn, edit.category, edit))
    turns.sort(key=lambda entry: entry[:2])
    return [edit for _, _, edit in turns[:count]]


def partner(sample: Sample, samples: Sequence[Sample]) -> Sample | None:
    """Another sample whose instruction is put in place of this one's, of the same category if
    there is one with another instruction and another picture."""
    others = [
        other
        for other in samples
        if other.instruction != sample.instruction and other.source_sha256 != sample.source_sha256
    ]
    others.sort(key=lambda other: (other.category != sample.category, seed(1, other.id), other.id))
    return others[0] if others else None


def black(case: Case) -> Case:
    """A black picture in place of the edit."""
    return replace(case, edited=Image.new("RGB", case.edited.size))


def noise(case: Case) -> Case:
    """Uniform noise in place of the edit, the same for the same sample."""
    width, height = case.edited.size
    rng = np.random.default_rng(seed(2, case.sample.id))
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return replace(case, edited=Image.fromarray(pixels))


def source(case: Case) -> Case:
    """The source picture given as the edit."""
    return replace(case, edited=case.source)


def swapped(case: Case, other: Sample) -> Case:
    """Instruction and rationale of ``other``, with this sample's pictures."""
    sample = replace(
        case.sample,
        instruction=other.instruction,
        rationale_en=other.rationale_en,
        rationale_zh=other.rationale_zh,
    )
    return replace(case, sample=sample)


def jpeg(case: Case) -> Case:
    """The edit stored as JPEG and read again."""
    buffer = io.BytesIO()
    case.edited.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return replace(case, edited=Image.open(buffer).convert("RGB"))


def resized(case: Case) -> Case:
    """The edit a pixel wider and higher."""
    width, height = case.edited.size
    larger = case.edited.resize((width + 1, height + 1), Image.Resampling.LANCZOS)
    return replace(case, edited=larger)


#: Changes that make an edit worthless: a judge that looks and reads scores them lower.
BROKEN: dict[str, Callable[[Case], Case]] = {"black": black, "noise": noise, "source": source}
#: Changes that leave an edit as good as it was.
HARMLESS: dict[str, Callable[[Case], Case]] = {"jpeg": jpeg, "resized": resized}

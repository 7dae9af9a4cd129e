"""What a protocol may name of a sample: its fields, its images, and which way of a call fits it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edit_benchmark.config import protocols as files
from edit_benchmark.errors import SampleError
from edit_benchmark.records import Sample

#: In the place of a path: the edit itself, or one of two that are compared.
EDITED = "edited"
EDITS = (EDITED, files.FIRST, files.SECOND)
# The number of a frame in the name of its file, such as 1-3.jpg.
_FRAME = re.compile(r"\d+-(\d+)\.")
_FRAMES = 4


@dataclass(frozen=True)
class Shown:
    """An image of a call: its path below the results folder, or one of :data:`EDITS`."""

    path: str


def fields_of(sample: Sample, language: str = "en") -> dict[str, str]:
    """What prompts and conditions may name of a sample."""
    chinese = language == "zh"
    fields = {
        "category": sample.category,
        "language": language,
        "instruction": sample.instruction,
        "description": sample.description_zh if chinese else sample.description_en,
        "rationale": sample.rationale_zh if chinese else sample.rationale_en,
        **sample.fields,
    }
    if points := sample.fields.get("reasoning_points"):
        fields["reasoning_points_json"] = json.dumps(points.splitlines())
    if len(sample.sources) > 1:
        fields["several_sources"] = str(len(sample.sources))
        missing = set(range(1, _FRAMES + 1)).difference(_frames(sample))
        if len(missing) == 1:
            fields["frame"] = str(missing.pop())
    return {name: value for name, value in fields.items() if value}


def fits(way: files.Way, fields: Mapping[str, str]) -> bool:
    """Whether a way is one for a sample with ``fields``."""
    for name, wanted in way.when.items():
        value = fields.get(name)
        if wanted is None:
            if value is not None:
                return False
        elif value is None or (wanted != "*" and value not in wanted):
            return False
    return True


def parts_of(entry: str | files.Part, sample: Sample) -> Sequence[str | Shown]:
    """What one entry of a call's content stands for."""
    if isinstance(entry, files.Part):
        if entry.text is not None:
            return [entry.text]
        assert entry.each_source is not None
        headed = enumerate(sample.sources, start=1)
        return [
            part
            for number, path in headed
            for part in (entry.each_source.replace("{number}", str(number)), Shown(path))
        ]
    if entry == "frames":
        return _all_frames(sample)
    if entry in EDITS:
        return [Shown(entry)]
    path = sample.judged_source if entry == "source" else sample.fields.get(entry, "")
    if not path:
        raise SampleError("no_image", f"the protocol shows {entry}, which the sample lacks")
    return [Shown(path)]


def _frames(sample: Sample) -> list[int]:
    """The numbers of the source images in a sequence, from the names of their files."""
    names = sample.fields.get("ori_img", "").splitlines()
    found = [_FRAME.search(name) for name in names]
    return [int(match[1]) for match in found if match is not None]


def _all_frames(sample: Sample) -> list[str | Shown]:
    """The frames of a sequence in order, the edit in the place of the one that is missing."""
    numbers, own = _frames(sample), fields_of(sample).get("frame")
    if len(numbers) != len(sample.sources) or own is None:
        raise SampleError("no_frames", "the names of the source images do not number one sequence")
    frames = [
        (number, path, "Reference") for number, path in zip(numbers, sample.sources, strict=True)
    ]
    parts: list[str | Shown] = []
    for number, path, kind in sorted([*frames, (int(own), EDITED, "Generated")]):
        parts += [f"Frame {number} ({kind}):", Shown(path)]
    return parts

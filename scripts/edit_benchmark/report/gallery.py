"""What the script of the page shows: every sample with its images and scores, as compact data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edit_benchmark.categories import label
from edit_benchmark.judging.rubrics import Scale
from edit_benchmark.records import STATUSES, Sample, Score
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.thumbnails import Thumbnail
from edit_benchmark.report.words import Words


def gallery(
    inputs: Inputs, thumbnails: Mapping[str, Thumbnail], words: Words, out: Path
) -> dict[str, Any]:
    """One entry a sample; its rows name model and judge by their positions.

    ``thumbnails`` are those of the images' paths as the records have them, ``out`` is the page's
    folder.
    """
    models = list(dict.fromkeys(row.model for row in inputs.scores))
    judges = list(dict.fromkeys(row.judge for row in inputs.scores))
    by_id: dict[str, list[Score]] = {}
    repeats: dict[tuple[str, str, str], list[Score]] = {}
    for row in inputs.scores:
        if row.repeat:
            repeats.setdefault((row.model, row.judge, row.id), []).append(row)
        else:
            by_id.setdefault(row.id, []).append(row)

    def image(path: str) -> list[Any]:
        """Name of the copies, their size, and where the original lies as seen from the page."""
        copy = thumbnails[path]
        original = Path(os.path.relpath(inputs.results / path, out))
        return [copy.name, copy.width, copy.height, quote(original.as_posix())]

    def images_of(rows: Sequence[Score]) -> dict[str, list[Any]]:
        return {str(models.index(row.model)): image(row.image) for row in rows if row.image}

    scales = [inputs.scales.get(judge, Scale()) for judge in judges]
    decimals = {judge: scale.decimals for judge, scale in zip(judges, scales, strict=True)}
    samples = []
    for sample in inputs.samples:
        rows = by_id.get(sample.id, [])
        edits = images_of(rows)
        turn = {"before": images_of(by_id.get(sample.after, [])), "after": sample.after}
        samples.append(
            {
                "id": sample.id,
                "category": sample.category,
                **_texts(sample),
                "difficulty": sample.difficulty,
                "tags": sample.tags,
                "human": sample.human_score,
                "sources": [image(path) for path in sample.sources if path],
                "turn": sample.turn,
                # What each model edited, of a later turn of a chain.
                **(turn if sample.after else {}),
                "mask": image(sample.mask) if sample.mask else None,
                "target": image(sample.target) if sample.target else None,
                "edits": edits,
                "rows": [
                    _row(row, models, decimals, repeats.get((row.model, row.judge, row.id), ()))
                    for row in rows
                ],
            }
        )
    categories = [{"key": key, "label": label(key, words.language)} for key in inputs.categories]
    return {
        "language": words.language,
        "models": models,
        "judges": judges,
        "scales": [scale.ends for scale in scales],
        "decimals": list(decimals.values()),
        "categories": categories,
        "words": {status: words.cell(status) for status in STATUSES},
        "ui": words.script,
        "samples": samples,
    }


def _texts(sample: Sample) -> dict[str, str]:
    """Instruction, description and rationale in both languages, where there are any."""
    texts = {
        "instruction_en": sample.instruction_en,
        "instruction_zh": sample.instruction_zh,
        "description_en": sample.description_en,
        "description_zh": sample.description_zh,
        "rationale_en": sample.rationale_en,
        "rationale_zh": sample.rationale_zh,
    }
    if not (sample.instruction_en or sample.instruction_zh):
        texts["instruction_en"] = sample.instruction
    return {name: text for name, text in texts.items() if text}


def _row(
    row: Score, models: Sequence[str], decimals: Mapping[str, int], repeats: Sequence[Score]
) -> dict[str, Any]:
    """The row of a sample's first repeat, with the scores of the others, or their status.

    ``decimals`` of each judge are those that are shown; two more are kept, for sorting.
    """
    digits = decimals[row.judge] + 2
    fields = {
        "model": models.index(row.model),
        "judge": list(decimals).index(row.judge),
        "status": row.status,
        "reason": row.reason,
        "score": None if row.score is None else round(row.score, digits),
        "criteria": {
            key: None if value is None else round(value, digits)
            for key, value in row.criteria.items()
        },
        "flags": row.flags,
        "text": row.text,
        "seed": row.seed,
        "seconds": row.edit_seconds,
        "repeats": [
            other.status if other.score is None else round(other.score, digits) for other in repeats
        ],
    }
    return {name: value for name, value in fields.items() if value not in ("", [])}

"""The two sets called EditReward-Bench: pairs of finished edits of which people know the better."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edit_benchmark.categories import OF_FORMAT
from edit_benchmark.dataset.readers import parquet
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.readers.raw_image import RawImage
from edit_benchmark.dataset.readers.raw_sample import RawSample, text, texts
from edit_benchmark.errors import UserError
from edit_benchmark.official.editreward import DIMENSIONS

_TIGER = (
    "id", "dataset", "instruction", "source_image", "candidate_1", "candidate_2", "ranking",
    "comparison_type",
)  # fmt: skip
_EDITSCORE = ("key", "task_type", "dimension", "instruction", "input_image", "output_images")
_COMPARISON = re.compile(r"([A-D])vs(?!\1)([A-D])")
_RANKING = re.compile(r"([A-D])\s*([><=])\s*([A-D])")


def editreward_files(path: Path, options: Options) -> list[Path]:
    """The Parquet files of the split that ``subset`` names."""
    return parquet.part_files(path, options.subset)


def read_tiger(path: Path, options: Options) -> Iterator[RawSample]:
    """Comparisons of TIGER-Lab's set: each is a sample, of which people rank both candidates."""
    for place, file, row in parquet.rows(editreward_files(path, options), _TIGER):
        key = text(place, row, "id", required=True)
        part = text(place, row, "dataset", required=True)
        if part not in OF_FORMAT["editreward"]:
            raise UserError(f"{place}: dataset {part!r} is not 2pair, 3pair or 4pair.")
        comparison = text(place, row, "comparison_type", required=True)
        ranking = text(place, row, "ranking", required=True)
        shown, ranked = _COMPARISON.fullmatch(comparison), _RANKING.fullmatch(ranking.strip())
        if shown is None or ranked is None or {*shown.groups()} != {ranked[1], ranked[3]}:
            raise UserError(
                f"{place}: ranking {ranking!r} does not say which of both is better that "
                f"comparison_type {comparison!r} names."
            )
        yield _sample(
            place,
            row,
            id=f"{part}-{key}-{comparison}",
            id_from="dataset, id and comparison_type",
            category=part,
            source=parquet.picture(place, file, "source_image", row["source_image"]),
            candidates=[
                parquet.picture(place, file, name, row[name])
                for name in ("candidate_1", "candidate_2")
            ],
            fields={
                "comparison_id": key,
                "comparison": comparison,
                "ranking": "".join(ranked.groups()),
            },
        )


def read_editscore(path: Path, options: Options) -> Iterator[RawSample]:
    """Pairs of EditScore's set: people prefer the first edit in one dimension."""
    for place, file, row in parquet.rows(editreward_files(path, options), _EDITSCORE):
        task = text(place, row, "task_type", required=True)
        dimension = text(place, row, "dimension", required=True)
        if dimension not in DIMENSIONS:
            raise UserError(f"{place}: dimension {dimension!r} is none of {', '.join(DIMENSIONS)}.")
        keys = row["key"]
        if isinstance(keys, list):
            keys = list(map(str, keys))
        candidates = row["output_images"]
        if not isinstance(candidates, list) or len(candidates) != 2:
            raise UserError(f"{place}: output_images is not a list of two images.")
        yield _sample(
            place,
            row,
            id="-".join([task, dimension, *texts(place, {"key": keys}, "key")]),
            id_from="task_type, dimension and key",
            category=task,
            source=parquet.picture(place, file, "input_image", row["input_image"]),
            candidates=[parquet.picture(place, file, "output_images", one) for one in candidates],
            fields={"dimension": dimension},
        )


def _sample(
    place: str,
    row: Mapping[str, Any],
    *,
    source: RawImage,
    candidates: list[RawImage],
    **fields: Any,
) -> RawSample:
    first, second = candidates
    return RawSample(
        place=place,
        sources=(source,),
        texts={"instruction_en": text(place, row, "instruction", required=True)},
        pictures={"candidate_first": first, "candidate_second": second},
        **fields,
    )

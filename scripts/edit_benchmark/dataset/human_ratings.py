"""Ratings of edits by people: from a file of their own, or from the benchmark's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edit_benchmark.categories import canonical
from edit_benchmark.config.run import HumanRatings
from edit_benchmark.dataset.readers.csv_table import csv_fields
from edit_benchmark.dataset.readers.raw_sample import number, text
from edit_benchmark.errors import UserError
from edit_benchmark.records import Sample


@dataclass(frozen=True)
class Rating:
    """What one person gave one edit, on the scale that the configuration declares."""

    sample: str
    model: str
    rater: str
    score: float


def read_ratings(
    settings: HumanRatings, samples: Sequence[Sample], models: Collection[str]
) -> list[Rating]:
    """The ratings that ``settings`` name.

    Parameters
    ----------
    samples
        All samples of the run.
    models
        Names of its models.

    Raises
    ------
    UserError
        For the first rating that is of no sample or model of the run, is off the declared scale, or
        is the second one by one rater of one edit.
    """
    if settings.path is None:
        return _of_the_benchmark(settings, samples)
    by_id = {sample.id: sample for sample in samples}
    places: dict[tuple[str, str, str], str] = {}
    ratings = []
    for place, fields in csv_fields(Path(settings.path)):
        sample, model, rater = (
            text(place, fields, name, required=True) for name in ("sample", "model", "rater")
        )
        _check_names(place, sample, model, text(place, fields, "category"), by_id, models)
        score = number(place, fields, "score")
        if score is None:
            raise UserError(f"{place}: field score is missing.")
        _check_scale(place, score, settings)
        earlier = places.setdefault((sample, model, rater), place)
        if earlier != place:
            raise UserError(
                f"{place}: rater {rater} rated sample {sample} of model {model} already in "
                f"{earlier}; leave one of the two out."
            )
        ratings.append(Rating(sample, model, rater, score))
    if not ratings:
        raise UserError(f"{settings.path}: it holds no rating.")
    return ratings


def _of_the_benchmark(settings: HumanRatings, samples: Sequence[Sample]) -> list[Rating]:
    """The field ``human_score`` of the samples, declared to be of one model's edits."""
    ratings = []
    for sample in samples:
        if sample.human_score is not None:
            _check_scale(f"benchmark: sample {sample.id}", sample.human_score, settings)
            ratings.append(
                Rating(sample.id, settings.model or "", "human_score", sample.human_score)
            )
    return ratings


def _check_names(
    place: str,
    sample: str,
    model: str,
    category: str,
    by_id: Mapping[str, Sample],
    models: Collection[str],
) -> None:
    if sample not in by_id:
        raise UserError(
            f"{place}: the run has no sample {sample!r}; correct the id, or leave the line out if "
            "benchmark.limit or benchmark.categories leave the sample out."
        )
    if model not in models:
        raise UserError(
            f"{place}: the run has no model {model!r}; its models are {', '.join(models)}."
        )
    if category and canonical(category) != by_id[sample].category:
        raise UserError(
            f"{place}: sample {sample} is of category {by_id[sample].category}, not {category}."
        )


def _check_scale(place: str, score: float, settings: HumanRatings) -> None:
    if not settings.lowest <= score <= settings.highest:
        raise UserError(
            f"{place}: the rating {score:g} is not within {settings.lowest:g} to "
            f"{settings.highest:g}, the scale that human_ratings declares; correct one of the two."
        )

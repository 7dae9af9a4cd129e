"""What a report is made of: rows, checked to be whole and comparable, and the record of the run."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edit_benchmark.categories import canonical
from edit_benchmark.config.run import HumanRatings
from edit_benchmark.dataset.human_ratings import Rating, read_ratings
from edit_benchmark.errors import UserError
from edit_benchmark.judging.rubrics import Scale
from edit_benchmark.records import Preference, Sample, Score
from edit_benchmark.report import timings, verdicts
from edit_benchmark.report.checks import (
    check_apart,
    check_comparable,
    check_complete,
    check_pairs,
    check_same_sample,
)
from edit_benchmark.report.pair_tables import PairTables
from edit_benchmark.report.scales import Scales, scales_of
from edit_benchmark.report.score_tables import ScoreTables, Survey
from edit_benchmark.report.verdicts import SelfTest
from edit_benchmark.results import spending
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.spending import Spending
from edit_benchmark.results.tables import read_rows


@dataclass(frozen=True)
class Sources:
    """The files that a report is made of.

    Attributes
    ----------
    samples, scores
        The samples table, and score tables; each of these is named for its category.
    preferences
        Tables of compared pairs.
    results
        The results folder of the run.
    run
        The record of the run.
    category
        Any name of the one category to report; all if None.
    merged
        Results folders of other runs to report together with this one.
    selftests
        Records of the judges' self-tests; those of models without a score row are left out.
    judges
        The judges' settings by name, if there is no record of the run that has them.
    human
        Where people's ratings are, None if there are none.
    """

    samples: Path
    scores: Sequence[Path]
    results: Path
    run: Path | None = None
    category: str | None = None
    merged: Sequence[Path] = ()
    selftests: Sequence[Path] = ()
    judges: Mapping[str, Any] = field(default_factory=dict)
    human: HumanRatings | None = None
    preferences: Sequence[Path] = ()


@dataclass(frozen=True)
class Human:
    """What people gave edits, on a scale from ``lowest`` to ``highest``; ``of_benchmark`` if it is
    the benchmark file that has the ratings."""

    ratings: Sequence[Rating]
    lowest: float
    highest: float
    of_benchmark: bool


@dataclass(frozen=True)
class Inputs:
    """The rows of a report: for each model, judge and sample of ``categories`` exactly one score.

    ``results`` is the folder that the rows' image paths are relative to, ``run`` the record of
    the run (``run.json``), empty if there is none, ``selftests`` the records of the judges'
    self-tests, ``timings`` what the jobs wrote of their time, ``judges`` the judges' settings by
    name, by which a self-test is known to be of the present judge, ``scales`` the scale of each
    judge's scores where it is known, ``human`` people's ratings, None if there are none,
    ``spending`` what was asked of servers, ``preferences`` the rows of compared pairs.
    """

    samples: list[Sample]
    scores: Collection[Score]
    categories: list[str]
    results: Path
    run: dict[str, Any]
    selftests: Sequence[SelfTest] = ()
    timings: Sequence[Mapping[str, Any]] = ()
    judges: Mapping[str, Any] = field(default_factory=dict)
    scales: Scales = field(default_factory=dict)
    human: Human | None = None
    spending: Spending = field(default_factory=Spending)
    preferences: Collection[Preference] = ()


def load(sources: Sources) -> Inputs:
    """Read and check everything that a report needs.

    Raises
    ------
    UserError
        If a row is missing or there twice, or runs that differ in what makes numbers comparable
        would share a column.
    """
    scores, pairs = ScoreTables.read(sources.scores), PairTables.read(sources.preferences)
    models = scores.survey.models
    run = _record(sources.run) if sources.run else {}
    judges = sources.judges or (run.get("config") or {}).get("judges") or {}
    inputs = Inputs(
        samples=read_rows(sources.samples, Sample),
        scores=scores,
        # A score table is named for its category, which may have no sample at all.
        categories=list(dict.fromkeys(path.stem for path in sources.scores)),
        results=sources.results,
        run=run,
        selftests=[row for row in verdicts.read(sources.selftests) if row.model in models],
        judges=judges,
        scales=scales_of(judges, run, scores.survey),
        timings=timings.read(sources.results),
        spending=spending.read(Layout(sources.results).spending),
        preferences=pairs,
    )
    for folder in sources.merged:
        scores, pairs, inputs = _merge(scores, pairs, inputs, folder)
    if sources.category is not None:
        inputs = replace(inputs, categories=[_reported(sources.category, inputs.categories)])
        scores = scores.of_categories(inputs.categories)
        pairs = pairs.of_categories(inputs.categories)
    samples = [row for row in inputs.samples if row.category in inputs.categories]
    chosen = replace(
        inputs,
        samples=samples,
        scores=scores,
        preferences=pairs,
        human=_human(sources.human, inputs, {row.id for row in samples}),
    )
    check_complete(chosen.samples, scores.survey)
    check_pairs(chosen.samples, pairs)
    return _with_approximations(chosen, scores, pairs)


def _human(
    settings: HumanRatings | None, inputs: Inputs, reported: Collection[str]
) -> Human | None:
    """People's ratings of the samples ``reported``, all of them checked against the whole run."""
    if settings is None:
        return None
    models = Survey.of(inputs.scores).models
    ratings = read_ratings(settings, inputs.samples, models)
    ratings = [row for row in ratings if row.sample in reported]
    return Human(ratings, settings.lowest, settings.highest, settings.path is None)


def _reported(category: str, categories: Sequence[str]) -> str:
    """The key of the one category to report."""
    key = canonical(category)
    if key is None or key not in categories:
        raise UserError(
            f"--category {category}: there is no score table of it; "
            f"there are {', '.join(categories)}."
        )
    return key


def configured(model: str) -> str:
    """The name in the configuration of a model as it stands in tables."""
    return model.partition("+")[0]


def _with_approximations(inputs: Inputs, scores: ScoreTables, pairs: PairTables) -> Inputs:
    """Models named with their approximations, ``name+fp8``, wherever the report names them.

    A name in a configuration holds no plus, so that no two models can get one name.
    """
    shown = {
        kind.model: "+".join([kind.model, *kind.approximations])
        for kind in scores.survey.kinds
        if kind.approximations
    }
    if not shown:
        return inputs
    return replace(
        inputs,
        scores=scores.renamed(shown),
        preferences=pairs.renamed(shown),
        selftests=[
            replace(record, model=shown.get(record.model, record.model))
            for record in inputs.selftests
        ],
        timings=[
            # A job that recorded its settings is named by them already.
            {**job, "name": shown.get(job["name"], job["name"])}
            if job["kind"] == "edit" and "made_by" not in job
            else job
            for job in inputs.timings
        ],
    )


def _record(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: the record of the run cannot be read ({error}); run the workflow to its "
            "report again."
        ) from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: not the record of a run; it has to be one JSON object.")
    return content


def _merge(
    scores: ScoreTables, pairs: PairTables, mine: Inputs, folder: Path
) -> tuple[ScoreTables, PairTables, Inputs]:
    """The rows and ``mine`` with those of the run in ``folder``."""
    layout = Layout(folder)
    other_run = _record(layout.run)
    if not mine.run:
        raise UserError(f"--merge {folder}: give this run's own record with --run to compare them.")
    tables = list(layout.score_tables())
    if not tables:
        raise UserError(f"--merge {folder}: no score tables in {folder / 'scores'}.")
    samples = {row.id: row for row in mine.samples}
    # The paths of source images, mask and target are those of the other folder.
    here = folder.resolve()
    for sample in read_rows(layout.samples, Sample):
        if sample.source:
            sample = replace(
                sample,
                source=str(here / sample.source),
                more_sources=[str(here / path) for path in sample.more_sources],
                mask=str(here / sample.mask) if sample.mask else "",
            )
        if sample.target:
            target = {"target_image": str(here / sample.target)}
            sample = replace(sample, fields=sample.fields | target)
        known = samples.setdefault(sample.id, sample)
        check_same_sample(known, sample, folder)
        if known.problem:  # the other run may have had its source image
            samples[sample.id] = sample
        elif sample.target and not known.target:
            samples[sample.id] = replace(known, fields=known.fields | target)
    rows = ScoreTables.read(tables)
    compared = PairTables.read(layout.preference_tables())
    check_comparable(
        (mine.run, scores.survey, pairs.kinds), (other_run, rows.survey, compared.kinds), folder
    )
    check_apart(scores.survey, rows.survey, folder)
    judges = (other_run.get("config") or {}).get("judges") or {}
    scales = scales_of(judges, other_run, rows.survey)
    joined, both = scores.joined(rows.with_images_in(here)), pairs.joined(compared)
    merged = replace(
        mine,
        scores=joined,
        samples=list(samples.values()),
        categories=list(dict.fromkeys([*mine.categories, *(path.stem for path in tables)])),
        timings=[*mine.timings, *timings.read(folder)],
        preferences=both,
        scales=_merged_scales(mine, scales, scores.survey.judges, rows.survey.judges),
        run=mine.run | {"merged": {**mine.run.get("merged", {}), str(folder): other_run}},
    )
    return joined, both, merged


def _merged_scales(
    mine: Inputs, other: Scales, here: Collection[str], there: Collection[str]
) -> dict[str, Scale]:
    """A judge of both runs has a scale if it is known in both."""
    return {
        name: scale
        for name, scale in {**mine.scales, **other}.items()
        if (name in mine.scales or name not in here) and (name in other or name not in there)
    }

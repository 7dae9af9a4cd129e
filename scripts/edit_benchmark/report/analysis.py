"""All tables of a report from its rows, and what a reader has to be warned of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from edit_benchmark.records import SCORED, STATUSES, Sample, Score, dumps
from edit_benchmark.report import texts
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.tables import (
    EQUAL_MARK,
    EQUAL_SHARE,
    FEW_MARK,
    MACRO,
    MICRO,
    breakdown_frame,
    dataclass_frame,
    runs,
    scores_frame,
    summary_frame,
)
from edit_benchmark.report.timings import timings_frame
from edit_benchmark.stats import agreement, comparison
from edit_benchmark.stats.agreement import HUMAN, Agreement, Ratings, Repeats
from edit_benchmark.stats.comparison import SIZES, Paired, Rank
from edit_benchmark.stats.estimates import largest_tie

#: Agreement over the edits of all models together.
ALL = "(all)"


@dataclass(frozen=True)
class Analysis:
    """The tables of a report; ``warnings`` are sentences in its language.

    ``alpha`` is Krippendorff's alpha over all judges, None with one judge.
    """

    scores: pd.DataFrame
    summary: pd.DataFrame
    breakdown: pd.DataFrame
    comparison: pd.DataFrame
    ranks: pd.DataFrame
    agreement: pd.DataFrame
    repeats: pd.DataFrame
    failures: pd.DataFrame
    timings: pd.DataFrame
    alpha: float | None
    warnings: list[str]


def analyse(inputs: Inputs, language: str, equal_share: float = EQUAL_SHARE) -> Analysis:
    """Every table from complete rows (each model, judge and sample once)."""
    samples, scores, run = inputs.samples, inputs.scores, inputs.run
    summary = summary_frame(samples, scores, inputs.categories, equal_share)
    ratings = _ratings(samples, scores)
    judges = {name: rated for name, rated in ratings.items() if name != HUMAN}
    return Analysis(
        scores=scores_frame(samples, scores),
        summary=summary,
        breakdown=breakdown_frame(samples, scores, languages(run)),
        comparison=_comparisons(samples, scores),
        ranks=_ranks(samples, scores),
        agreement=_agreements(ratings, list(dict.fromkeys(row.model for row in scores))),
        repeats=dataclass_frame(_repeats(judges, run), [*Repeats.__dataclass_fields__]),
        failures=_failures(scores),
        timings=timings_frame(
            inputs.timings, {name for row in scores for name in (row.model, row.judge)}
        ),
        alpha=agreement.alpha_of_all(judges),
        warnings=_warnings(summary, scores, language),
    )


def languages(run: Mapping[str, Any]) -> dict[str, str]:
    """Language of the instructions that each model was given, in this run and in merged ones."""
    found: dict[str, str] = {}
    for record in [*(run.get("merged") or {}).values(), run]:
        config = record.get("config") or {}
        language = (config.get("benchmark") or {}).get("language")
        found |= dict.fromkeys(config.get("models") or {}, language) if language else {}
    return found


def _by_model(scores: Sequence[Score]) -> dict[str, dict[str, dict[str, float]]]:
    """Judge, model, sample id: score."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for row in scores:
        mine = table.setdefault(row.judge, {}).setdefault(row.model, {})
        if row.score is not None:
            mine[row.id] = row.score
    return table


def _comparisons(samples: Sequence[Sample], scores: Sequence[Score]) -> pd.DataFrame:
    categories = {sample.id: sample.category for sample in samples}
    sources = {sample.id: sample.source_sha256 for sample in samples}
    rows = []
    for judge, models in _by_model(scores).items():
        for row in comparison.compare(models, categories, sources, MICRO):
            fields = asdict(row)
            needed = fields.pop("needed")
            fields |= {f"needed_{size}": count for size, count in zip(SIZES, needed, strict=True)}
            rows.append({"judge": judge, **_renamed(fields)})
    columns = ["judge", *_renamed(dict.fromkeys(Paired.__dataclass_fields__))]
    columns.remove("needed")
    columns += [f"needed_{size}" for size in SIZES]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _ranks(samples: Sequence[Sample], scores: Sequence[Score]) -> pd.DataFrame:
    sources = {sample.id: sample.source_sha256 for sample in samples}
    rows = [
        {"judge": judge, **_renamed(asdict(row))}
        for judge, models in _by_model(scores).items()
        if len(models) > 1
        for row in comparison.ranks(models, sources)
    ]
    columns = ["judge", *_renamed(dict.fromkeys(Rank.__dataclass_fields__))]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {{"low": "ci95_low", "high": "ci95_high"}.get(k, k): v for k, v in fields.items()}


def _ratings(
    samples: Sequence[Sample], scores: Sequence[Score]
) -> dict[str, dict[tuple[str, str], float]]:
    """Scores by (model, sample id) of each judge, and of people where the benchmark has them."""
    ratings: dict[str, dict[tuple[str, str], float]] = {}
    human = {sample.id: sample.human_score for sample in samples}
    for row in scores:
        mine = ratings.setdefault(row.judge, {})
        if row.score is not None:
            mine[row.model, row.id] = row.score
        rated = human[row.id]
        if rated is not None:
            ratings.setdefault(HUMAN, {})[row.model, row.id] = rated
    return ratings


def _agreements(ratings: Ratings, models: Sequence[str]) -> pd.DataFrame:
    judges = {name: rated for name, rated in ratings.items() if name != HUMAN}
    rows = [{"model": ALL, **asdict(row)} for row in agreement.pairs(judges)]
    for model in models:
        # The benchmark file rates samples, not edits: pooled over models it would count them twice.
        part = {
            name: {key: value for key, value in rated.items() if key[0] == model}
            for name, rated in ratings.items()
        }
        rows += [
            {"model": model, **asdict(row)}
            for row in agreement.pairs(part)
            if len(models) > 1 or HUMAN in (row.a, row.b)
        ]
    return pd.DataFrame(rows, columns=["model", *Agreement.__dataclass_fields__], dtype=object)


def _repeats(ratings: Ratings, run: Mapping[str, Any]) -> list[Repeats]:
    """Judges that differ in ``repeat`` alone are one judge that was asked again."""
    alike: dict[str, dict[int, str]] = {}
    for name, settings in (run.get("config") or {}).get("judges", {}).items():
        if name in ratings:
            rest = {key: value for key, value in settings.items() if key != "repeat"}
            # Equal in repeat too, two names share their answers: that is no repeat.
            alike.setdefault(dumps(rest), {})[settings.get("repeat", 0)] = name
    return [
        agreement.repeats({name: ratings[name] for name in names.values()})
        for names in alike.values()
        if len(names) > 1
    ]


def _failures(scores: Sequence[Score]) -> pd.DataFrame:
    """Samples without a score, counted by model, judge, status and reason, the most frequent
    first."""
    order = {status: position for position, status in enumerate(STATUSES)}
    counts: Counter[tuple[str, str, str, str]] = Counter()
    examples: dict[tuple[str, str, str, str], list[str]] = {}
    for row in scores:
        if row.status != SCORED:
            # A failed edit fails under every judge alike.
            judge = row.judge if row.status == "judge_failed" else ""
            key = (row.model, judge, row.status, row.reason)
            if row.id not in examples.setdefault(key, []):
                counts[key] += 1
                examples[key].append(row.id)
    rows = [
        {"model": key[0], "judge": key[1], "status": key[2], "reason": key[3], "count": count,
         "ids": examples[key]}
        for key, count in sorted(
            counts.items(), key=lambda item: (-item[1], order[item[0][2]], item[0])
        )
    ]  # fmt: skip
    columns = ["model", "judge", "status", "reason", "count", "ids"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _warnings(summary: pd.DataFrame, scores: Sequence[Score], language: str) -> list[str]:
    found = []
    for (model, judge), mine in runs(scores).items():
        rows = summary[(summary["model"] == model) & (summary["judge"] == judge)]
        names = {"model": model, "judge": judge}
        for row in rows.to_dict("records"):
            category = row["category"]
            if EQUAL_MARK in row["marks"]:
                values = [
                    entry.score
                    for entry in mine
                    if entry.category == category and entry.score is not None
                ]
                value = Counter(values).most_common(1)[0][0]
                found.append(
                    texts.sentence(
                        "equal", language, **names, n=len(values), share=largest_tie(values),
                        category=texts.word(category, language), value=f"{value:g}",
                    )
                )  # fmt: skip
            if category == MICRO and row["scored"] < row["n"]:
                missing = row["n"] - row["scored"]
                found.append(
                    texts.sentence("coverage", language, **names, missing=missing, n=row["n"])
                )
        few = [
            texts.word(row["category"], language)
            for row in rows.to_dict("records")
            if FEW_MARK in row["marks"] and row["n"] and row["category"] not in (MICRO, MACRO)
        ]
        if few:
            joined = ("、" if language == "zh" else ", ").join(few)
            found.append(texts.sentence("few", language, **names, categories=joined))
    return found

"""All tables of a report from its rows, and what a reader has to be warned of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edit_benchmark.dataset.samples import with_images
from edit_benchmark.records import JUDGE_FAILED, SCORED, STATUSES, Sample, Score
from edit_benchmark.report import provenance
from edit_benchmark.report.agreements import (
    agreement_rows,
    alpha_of_judges,
    judges_ratings,
    repeat_rows,
)
from edit_benchmark.report.breakdown import breakdown_rows, instruction_languages
from edit_benchmark.report.comparisons import comparison_rows, rank_rows
from edit_benchmark.report.costs import cost_rows
from edit_benchmark.report.grouping import by_model_and_judge
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.official import (
    Official,
    benchmark_format,
    benchmark_part,
    official,
)
from edit_benchmark.report.pairwise import Pairwise, pair_warnings, pairwise
from edit_benchmark.report.people import people_rows
from edit_benchmark.report.per_sample import per_sample
from edit_benchmark.report.rows import (
    EQUAL_MARK,
    FEW_MARK,
    MACRO,
    MICRO,
    AgreementRow,
    BreakdownRow,
    ComparisonRow,
    CostRow,
    FailureRow,
    PeopleRow,
    RankRow,
    ScoreRow,
    SummaryRow,
)
from edit_benchmark.report.tables import EQUAL_SHARE, score_rows, summary_rows
from edit_benchmark.report.timings import Timings, timings
from edit_benchmark.report.words import Words
from edit_benchmark.stats.agreement import Alpha, Repeats
from edit_benchmark.stats.estimates import largest_tie

#: With fewer scored samples a mean's interval says nothing of rare failures: if 5 % of the edits
#: have the lowest score and the others are alike, it covers the mean in 40 of 100 runs of 10
#: samples, in 64 of 20, in 92 of 50 (simulated: tests/statistics.md).
RARE_BELOW = 50
#: Samples that a warning names.
NAMED = 10


@dataclass(frozen=True)
class Analysis:
    """The tables of a report; ``warnings`` are sentences in its language.

    ``official`` are the public benchmark's own tables, of each judge that follows its protocol;
    ``pairwise`` those of judges that compare pairs;
    ``people`` how far judges agree with people, of a benchmark that says which edits they prefer.
    ``alpha`` is Krippendorff's alpha over all judges, of which none is another one
    asked again; None with one judge or several scales.
    """

    scores: list[ScoreRow]
    summary: list[SummaryRow]
    breakdown: list[BreakdownRow]
    comparison: list[ComparisonRow]
    ranks: list[RankRow]
    agreement: list[AgreementRow]
    repeats: list[Repeats]
    failures: list[FailureRow]
    timings: Timings
    costs: list[CostRow]
    alpha: Alpha | None
    warnings: list[str]
    official: list[Official]
    pairwise: Pairwise
    people: list[PeopleRow]


def analyse(inputs: Inputs, words: Words, equal_share: float = EQUAL_SHARE) -> Analysis:
    """Every table from complete rows (each model, judge, sample and repeat once)."""
    samples, scores = inputs.samples, inputs.scores
    means = per_sample(scores)
    summary = summary_rows(samples, scores, inputs.categories, equal_share, inputs.scales)
    ratings = judges_ratings(scores)
    repeats = repeat_rows(ratings, inputs.judges)
    again = {name for row in repeats for name in row.judges[1:]}
    once = {name: rated for name, rated in ratings.items() if name not in again}
    pairs = pairwise(samples, inputs.preferences)
    return Analysis(
        scores=score_rows(samples, scores),
        summary=summary,
        breakdown=breakdown_rows(samples, means, instruction_languages(inputs.run), inputs.scales),
        comparison=comparison_rows(samples, means, inputs.scales),
        ranks=rank_rows(samples, means, inputs.scales),
        agreement=agreement_rows(inputs, ratings),
        repeats=repeats,
        failures=_failures(scores),
        timings=timings(inputs.timings),
        costs=cost_rows(inputs.spending, inputs.run.get("config") or {}),
        alpha=alpha_of_judges(inputs, once),
        warnings=[
            *_unreadable(samples, words),
            *_chains(inputs, words),
            *_warnings(summary, inputs, words),
            *pair_warnings(pairs, words),
            *_not_compared(inputs, words),
        ],
        official=official(inputs, words),
        pairwise=pairs,
        people=people_rows(benchmark_format(inputs.run), inputs),
    )


def _failures(scores: Sequence[Score]) -> list[FailureRow]:
    """Samples of which an edit has no score, counted by model, judge, status and reason, the most
    frequent first."""
    ids: dict[tuple[str, str, str, str], dict[str, None]] = {}
    for row in scores:
        if row.status != SCORED:
            # A failed edit fails under every judge alike; one that a judge leaves out does not.
            judge = row.judge if row.status == JUDGE_FAILED or row.image else ""
            ids.setdefault((row.model, judge, row.status, row.reason), {})[row.id] = None
    rows = [FailureRow(*key, count=len(failed), ids=tuple(failed)) for key, failed in ids.items()]
    order = {status: position for position, status in enumerate(STATUSES)}
    return sorted(
        rows,
        key=lambda row: (-row.count, order[row.status], row.model, row.judge, row.reason),
    )


def _unreadable(samples: Sequence[Sample], words: Words) -> list[str]:
    """The warning that source images could not be read."""
    ids = [sample.id for sample in samples if sample.problem]
    if not ids:
        return []
    named = words.list_separator.join([*ids[:NAMED], *["…"] * (len(ids) > NAMED)])
    return [words.sentence("unreadable", missing=len(ids), n=with_images(samples), ids=named)]


def _chains(inputs: Inputs, words: Words) -> list[str]:
    """What the samples of a chain were made from, and that nobody's numbers are like theirs."""
    later = sum(bool(sample.after) for sample in inputs.samples)
    if not later:
        return []
    told = [words.sentence("chains", n=len(inputs.samples), later=later)]
    if benchmark_part(inputs.run) == "imgedit_multiturn":
        told.append(words.sentence("no_official_turns"))
    return told


def _warnings(summary: Sequence[SummaryRow], inputs: Inputs, words: Words) -> list[str]:
    warnings = []
    scores, preferences = inputs.scores, inputs.preferences
    scores_of = by_model_and_judge(scores)
    for (model, judge), rows in by_model_and_judge(summary).items():
        names = {"model": model, "judge": judge}
        for row in rows:
            if EQUAL_MARK in row.marks:
                warnings.append(_equal_scores(row, scores_of[model, judge], words))
            if row.category == MICRO and row.scored < row.n:
                kind = "coverage" if row.scored else "no_coverage"
                missing = row.n - row.scored
                warnings.append(words.sentence(kind, **names, missing=missing, n=row.n))
            if row.category == MICRO and row.repeats_missing:
                warnings.append(words.sentence("repeats", **names, missing=row.repeats_missing))
        few = [
            words.cell(row.category)
            for row in rows
            if FEW_MARK in row.marks and row.n and row.category not in (MICRO, MACRO)
        ]
        if few:
            categories = words.list_separator.join(few)
            warnings.append(words.sentence("few", **names, categories=categories))
    warnings += provenance.several_devices(summary, scores, words)
    if any(0 < row.scored < RARE_BELOW for row in summary):
        warnings.append(words.sentence("rare", below=RARE_BELOW))
    return [
        *warnings,
        *provenance.mixed(scores, words, preferences),
        *provenance.accepted(scores, words, preferences),
        *provenance.readings(scores, words),
    ]


def _not_compared(inputs: Inputs, words: Words) -> list[str]:
    """The warning that the benchmark's own ratings are of samples, of nobody knows which edit."""
    rated = sum(sample.human_score is not None for sample in inputs.samples)
    declared = inputs.human is not None and inputs.human.of_benchmark
    return [] if declared or not rated else [words.sentence("human_score", n=rated)]


def _equal_scores(row: SummaryRow, scores: Sequence[Score], words: Words) -> str:
    """The warning that most scores of a category are one same number."""
    values = [
        score.score
        for score in scores
        if score.category == row.category and score.score is not None
    ]
    return words.sentence(
        "equal",
        model=row.model,
        judge=row.judge,
        n=len(values),
        share=largest_tie(values),
        category=words.cell(row.category),
        value=f"{Counter(values).most_common(1)[0][0]:g}",
    )

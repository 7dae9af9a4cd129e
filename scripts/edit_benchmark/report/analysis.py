"""All tables of a report from its rows, and what a reader has to be warned of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edit_benchmark.dataset.samples import clusters, with_images
from edit_benchmark.judging.rubrics import Scale
from edit_benchmark.records import Sample
from edit_benchmark.report import provenance
from edit_benchmark.report.agreements import (
    JudgesRatings,
    agreement_rows,
    alpha_of_judges,
    repeat_rows,
)
from edit_benchmark.report.breakdown import breakdown_rows, instruction_languages
from edit_benchmark.report.comparisons import Compared, comparison_rows, rank_rows
from edit_benchmark.report.costs import cost_rows
from edit_benchmark.report.failures import Failures
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.official import (
    Official,
    benchmark_format,
    benchmark_part,
    official,
)
from edit_benchmark.report.pair_tables import pair_kinds
from edit_benchmark.report.pairwise import Pairwise, pair_warnings, pairwise
from edit_benchmark.report.people import people_rows
from edit_benchmark.report.per_sample import per_sample
from edit_benchmark.report.rows import (
    AgreementRow,
    BreakdownRow,
    ComparisonRow,
    CostRow,
    FailureRow,
    PeopleRow,
    RankRow,
    SummaryRow,
)
from edit_benchmark.report.score_tables import Survey, groups
from edit_benchmark.report.score_warnings import score_warnings
from edit_benchmark.report.seconds import Seconds
from edit_benchmark.report.tables import EQUAL_SHARE, summary_of
from edit_benchmark.report.timings import Timings, timings
from edit_benchmark.report.words import Words
from edit_benchmark.stats.agreement import Alpha, Repeats

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
    seconds: Seconds


def analyse(inputs: Inputs, words: Words, equal_share: float = EQUAL_SHARE) -> Analysis:
    """Every table from complete rows (each model, judge, sample and repeat once)."""
    samples, scales = inputs.samples, inputs.scales
    sources, languages = clusters(samples), instruction_languages(inputs.run)
    summary, breakdown = [], []
    ratings, compared = JudgesRatings(), Compared(samples, scales)
    failures, seconds = Failures(), Seconds()
    # Once through all rows, those of one model and judge in memory.
    for (_, judge), rows in groups(inputs.scores):
        means = per_sample(rows)
        scale = scales.get(judge, Scale())
        summary += summary_of(rows, means, inputs.categories, sources, equal_share, scale)
        breakdown += breakdown_rows(samples, means, languages, scales)
        ratings.add(rows)
        compared.add(means)
        failures.add(rows)
        seconds.add(rows)
    repeats = repeat_rows(ratings, inputs.judges)
    again = {name for row in repeats for name in row.judges[1:]}
    once = {name: rated for name, rated in ratings.items() if name not in again}
    pairs = pairwise(samples, inputs.preferences)
    return Analysis(
        summary=summary,
        breakdown=breakdown,
        comparison=comparison_rows(compared),
        ranks=rank_rows(compared),
        agreement=agreement_rows(inputs, ratings),
        repeats=repeats,
        failures=failures.rows(),
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
        seconds=seconds,
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
    survey, pairs = Survey.of(inputs.scores), pair_kinds(inputs.preferences)
    warnings = score_warnings(summary, inputs, words)
    warnings += provenance.several_devices(summary, survey, words)
    if any(0 < row.scored < RARE_BELOW for row in summary):
        warnings.append(words.sentence("rare", below=RARE_BELOW))
    return [
        *warnings,
        *provenance.mixed(survey, words, pairs),
        *provenance.accepted(inputs.scores, words, pairs),
        *provenance.readings(survey, words),
    ]


def _not_compared(inputs: Inputs, words: Words) -> list[str]:
    """The warning that the benchmark's own ratings are of samples, of nobody knows which edit."""
    rated = sum(sample.human_score is not None for sample in inputs.samples)
    declared = inputs.human is not None and inputs.human.of_benchmark
    return [] if declared or not rated else [words.sentence("human_score", n=rated)]

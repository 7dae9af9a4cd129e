"""How far judges agree with people about pairs of edits: both sets called EditReward-Bench."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edit_benchmark.dataset.samples import clusters
from edit_benchmark.judging.rubrics import Scale
from edit_benchmark.official import editreward
from edit_benchmark.official.editreward import GROUP_SIZES, Scored, Vote
from edit_benchmark.official.outcome import Outcome
from edit_benchmark.records import JUDGE_FAILED, Sample, Score
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.rows import PeopleRow
from edit_benchmark.stats.estimates import estimate

TIGER, EDITSCORE = "editreward", "editreward_editscore"
_FIRST, _SECOND = "first", "second"
_PERCENT = (0.0, 100.0)


@dataclass(frozen=True)
class Missing:
    """Why there is no verdict; ``is_unread`` if the judge gave an answer that says nothing."""

    reason: str
    is_unread: bool = False


#: Of each sample the share of the win of its first edit: 1, 0.5 or 0.
Verdicts = Mapping[str, float | Missing]


def is_of_people(format: str | None) -> bool:
    """Whether a benchmark of ``format`` says which of two edits people prefer."""
    return format in (TIGER, EDITSCORE)


def verdicts(inputs: Inputs) -> dict[str, Verdicts]:
    """What each judge finds better; of one that compares, and asks several things, of each call."""
    found: dict[str, dict[str, float | Missing]] = {}
    edits: dict[tuple[str, str], dict[str, Score]] = {}
    for row in inputs.scores:
        edits.setdefault((row.judge, row.id), {})[row.model] = row
    for (judge, sample), of_sample in edits.items():
        is_distance = inputs.scales.get(judge, Scale()).is_distance
        pair = of_sample[_FIRST], of_sample[_SECOND]
        found.setdefault(judge, {})[sample] = _by_scores(*pair, is_distance=is_distance)
    calls = Counter(judge for judge, _ in {(row.judge, row.call) for row in inputs.preferences})
    for compared in inputs.preferences:
        several = calls[compared.judge] > 1
        name = f"{compared.judge}, {compared.call}" if several else compared.judge
        missing = Missing(compared.reason, compared.status == JUDGE_FAILED)
        found.setdefault(name, {})[compared.id] = missing if compared.win is None else compared.win
    return dict(found)


def _by_scores(first: Score, second: Score, *, is_distance: bool) -> float | Missing:
    if first.score is None or second.score is None:
        without = first if first.score is None else second
        return Missing(without.reason, without.status == JUDGE_FAILED)
    if first.score == second.score:
        return 0.5
    return float((first.score < second.score) == is_distance)


def outcome_of(format: str, samples: Sequence[Sample], of_judge: Verdicts) -> Outcome:
    """The set's own accuracies of one judge."""
    if format == TIGER:
        return editreward.aggregate_votes([_vote(sample, of_judge) for sample in samples])
    return editreward.aggregate_scores([_scored(sample, of_judge) for sample in samples])


def _vote(sample: Sample, of_judge: Verdicts) -> Vote:
    verdict = of_judge.get(sample.id, Missing("no_answer"))
    left, right = sample.fields["comparison"].split("vs")
    human = _ordered(sample.fields["ranking"])
    identity, part = sample.fields["comparison_id"], sample.category
    if isinstance(verdict, Missing):
        return Vote(identity, part, human, "Unknown" if verdict.is_unread else "", verdict.reason)
    signs = {1.0: f"{left}>{right}", 0.0: f"{right}>{left}"}
    return Vote(identity, part, human, signs.get(verdict, _ordered(f"{left}={right}")))


def _ordered(ranking: str) -> str:
    """A ranking with the better one first, a tie in the order of the letters."""
    first, sign, second = tuple(ranking)
    if sign == "=":
        return "=".join(sorted((first, second)))
    return f"{first}>{second}" if sign == ">" else f"{second}>{first}"


def _scored(sample: Sample, of_judge: Verdicts) -> Scored:
    verdict = of_judge.get(sample.id, Missing("no_answer"))
    task, dimension = sample.category, sample.fields["dimension"]
    if isinstance(verdict, Missing):
        return Scored(sample.id, task, dimension, None, verdict.reason)
    return Scored(sample.id, task, dimension, (verdict, 1 - verdict))


def people_rows(format: str | None, inputs: Inputs) -> list[PeopleRow]:
    """Each judge's agreement with people, with intervals over source images.

    Only what the judge gave an answer to counts; a tie is right where people find one.
    """
    rows: list[PeopleRow] = []
    if format is None or not is_of_people(format):
        return rows
    for judge, of_judge in verdicts(inputs).items():
        samples = [sample for sample in inputs.samples if sample.id in of_judge]
        rows += _of_judge(format, judge, samples, of_judge)
    return rows


def _of_judge(
    format: str, judge: str, samples: Sequence[Sample], of_judge: Verdicts
) -> Iterable[PeopleRow]:
    sources = clusters(samples)
    right = {sample.id: _is_right(sample, of_judge[sample.id]) for sample in samples}
    ties = {key for key, verdict in of_judge.items() if verdict == 0.5}

    def row(scope: str, unit: str, groups: Iterable[Sequence[Sample]], size: int = 1) -> PeopleRow:
        groups = list(groups)
        counted = [
            group
            for group in groups
            if len(group) == size and all(right[sample.id] is not None for sample in group)
        ]
        values = [100.0 * all(right[sample.id] for sample in group) for group in counted]
        found = estimate(values, [sources[group[0].id] for group in counted], _PERCENT)
        return PeopleRow(
            judge=judge,
            scope=scope,
            unit=unit,
            n=found.n,
            source_images=found.clusters,
            left_out=len(groups) - found.n,
            ties=sum(sample.id in ties for group in counted for sample in group),
            accuracy=found.mean,
            ci95_low=found.low,
            ci95_high=found.high,
        )

    if format == EDITSCORE:
        for dimension in editreward.DIMENSIONS:
            of = [[sample] for sample in samples if sample.fields["dimension"] == dimension]
            yield row(dimension, "comparison", of)
    else:
        for part, size in GROUP_SIZES.items():
            of_part = [sample for sample in samples if sample.category == part]
            yield row(part, "comparison", [[sample] for sample in of_part])
            if size > 1:
                by_group: dict[str, list[Sample]] = {}
                for sample in of_part:
                    group = _vote(sample, of_judge).group
                    by_group.setdefault(group, []).append(sample)
                yield row(part, "group", by_group.values(), size)
    yield row("all", "comparison", [[sample] for sample in samples])


def _is_right(sample: Sample, verdict: float | Missing) -> bool | None:
    """Whether a verdict is people's; None without one."""
    if isinstance(verdict, Missing):
        return None
    if "ranking" not in sample.fields:
        return verdict == 1
    vote = _vote(sample, {sample.id: verdict})
    return vote.judged == vote.human

"""The report's tables of raters compared: judges, people, and judges that were asked again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from statistics import fmean
from typing import Any

from edit_benchmark.dataset.samples import clusters
from edit_benchmark.judging.rubrics import Scale
from edit_benchmark.records import Score, dumps
from edit_benchmark.report.inputs import Human, Inputs, configured
from edit_benchmark.report.rows import AgreementRow
from edit_benchmark.report.scales import Scales
from edit_benchmark.report.score_tables import Survey
from edit_benchmark.stats import agreement
from edit_benchmark.stats.agreement import Alpha, Key, Ratings, Repeats

#: In place of a model: agreement over the edits of all models together.
ALL = "(all)"
#: The rater that stands for people: the mean of their ratings of an edit. Not a judge's name.
HUMAN = "(human)"
#: What repeats vary that are asked the same question.
NOTHING = "nothing"
_OF_A_REPEAT = ("repeat", "vary")


class JudgesRatings(dict[str, dict[Key, float]]):
    """The scores of each judge by edit."""

    def __init__(self, scores: Iterable[Score] = ()) -> None:
        super().__init__()
        self._keys: dict[Key, Key] = {}
        self.add(scores)

    def add(self, scores: Iterable[Score]) -> None:
        """Take more rows."""
        for row in scores:
            of_judge = self.setdefault(row.judge, {})
            if row.score is not None:
                key = (row.model, row.id, row.repeat)
                # One key for all judges: there are millions.
                of_judge[self._keys.setdefault(key, key)] = row.score


def agreement_rows(inputs: Inputs, ratings: Ratings) -> list[AgreementRow]:
    """Each two judges, each judge and people, and people among themselves.

    Over the edits of all models together, and of each model if there are several. ``ratings`` are
    those of the judges.
    """
    images = clusters(inputs.samples)
    models = Survey.of(inputs.scores).models
    people = _people(inputs.human, models)
    rows = []
    for model in [ALL, *(models if len(models) > 1 else [])]:
        part, rated = _of(model, ratings), _of(model, people)
        for a, b in combinations(part, 2):
            rows.append(_judges(model, a, b, part, images, inputs.scales))
        if any(rated.values()):
            assert inputs.human is not None
            rows += [
                _with_people(model, judge, part[judge], rated, images, inputs) for judge in part
            ]
            among = agreement.alpha_of_all(rated, images)
            if among is not None:
                rows.append(_among_people(model, len(rated), among))
    return rows


def alpha_of_judges(inputs: Inputs, ratings: Ratings) -> Alpha | None:
    """Krippendorff's alpha of all judges; None unless there are several, all on one scale.

    Measures between images are none of them.
    """
    ratings = {
        judge: scores
        for judge, scores in ratings.items()
        if not inputs.scales.get(judge, Scale()).measure
    }
    if len({inputs.scales.get(judge, Scale()).ends for judge in ratings}) != 1:
        return None
    return agreement.alpha_of_all(ratings, clusters(inputs.samples))


def repeat_rows(ratings: Ratings, judges: Mapping[str, Mapping[str, Any]]) -> list[Repeats]:
    """Judges that differ in ``repeat`` alone, and in what it varies, are one that was asked again.

    Each kind of variation has a row of its own, in which the judge without a repeat takes part.
    ``judges`` are their settings by name.
    """
    alike: dict[str, dict[str, dict[int, str]]] = {}
    for name, settings in judges.items():
        if name in ratings:
            rest = {key: value for key, value in settings.items() if key not in _OF_A_REPEAT}
            varied = settings.get("vary") or NOTHING
            # Equal in repeat too, two names share their answers: that is no repeat.
            kinds = alike.setdefault(dumps(rest), {})
            kinds.setdefault(varied, {})[settings.get("repeat", 0)] = name
    rows = []
    for kinds in alike.values():
        once = {0: kinds[NOTHING][0]} if 0 in kinds.get(NOTHING, {}) else {}
        for varied, names in kinds.items():
            of_one = [name for _, name in sorted((once | names).items())]
            if len(of_one) > 1:
                found = agreement.repeats({name: ratings[name] for name in of_one})
                rows.append(replace(found, varied=varied))
    return rows


def _people(human: Human | None, models: Sequence[str]) -> dict[str, dict[Key, float]]:
    """The ratings of each rater by edit: that is the first repeat of a sample's."""
    shown = {configured(model): model for model in models}
    people: dict[str, dict[Key, float]] = {}
    for row in human.ratings if human else ():
        key = (shown.get(row.model, row.model), row.sample, 0)
        people.setdefault(row.rater, {})[key] = row.score
    return people


def _of(model: str, ratings: Ratings) -> Ratings:
    if model == ALL:
        return ratings
    return {
        rater: {key: score for key, score in scores.items() if key[0] == model}
        for rater, scores in ratings.items()
    }


def _judges(
    model: str, a: str, b: str, ratings: Ratings, images: Mapping[str, str], scales: Scales
) -> AgreementRow:
    first, second = (scales.get(judge, Scale()) for judge in (a, b))
    one_scale = first == second if first.measure or second.measure else first.ends == second.ends
    pair = agreement.agree(a, b, ratings[a], ratings[b], images, one_scale=one_scale)
    return AgreementRow(model=model, raters=2, **asdict(pair))


def _with_people(
    model: str,
    judge: str,
    scores: Mapping[Key, float],
    people: Ratings,
    images: Mapping[str, str],
    inputs: Inputs,
) -> AgreementRow:
    """The judge and the mean of people's ratings, mapped linearly onto the judge's scale."""
    assert inputs.human is not None
    scale = inputs.scales.get(judge, Scale())
    step = (scale.highest - scale.lowest) / (inputs.human.highest - inputs.human.lowest)
    given: dict[Key, list[float]] = {}
    for rated in people.values():
        for key, score in rated.items():
            given.setdefault(key, []).append(score)
    mapped = {
        key: scale.lowest + (fmean(values) - inputs.human.lowest) * step
        for key, values in given.items()
    }
    known = judge in inputs.scales and not scale.measure
    pair = agreement.agree(judge, HUMAN, scores, mapped, images, one_scale=known)
    return AgreementRow(model=model, raters=1 + len(people), **asdict(pair))


def _among_people(model: str, raters: int, alpha: Alpha) -> AgreementRow:
    pair = agreement.Agreement(
        HUMAN,
        HUMAN,
        alpha.n,
        alpha.images,
        alpha=alpha.value,
        alpha_low=alpha.low,
        alpha_high=alpha.high,
    )
    return AgreementRow(model=model, raters=raters, **asdict(pair))

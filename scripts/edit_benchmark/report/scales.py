"""The scale of each judge's scores, from its rubric, and its words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from edit_benchmark.config.judges import rubric_file
from edit_benchmark.config.protocols import protocol_file
from edit_benchmark.errors import UserError
from edit_benchmark.judging import protocols, rubrics
from edit_benchmark.judging.pixels.scales import SCALES, scale_of
from edit_benchmark.judging.rubrics import Scale
from edit_benchmark.report.rows import (
    AgreementRow,
    BreakdownRow,
    ComparisonRow,
    SummaryRow,
)
from edit_benchmark.report.score_tables import Survey
from edit_benchmark.report.words import Words

# Scores nearer than this to an end of the scale are beyond it by rounding alone.
_ROUNDING = 1e-6

# What a measure's value says: of a distance a lower one is more alike.
_KINDS = dict.fromkeys(("psnr", "ssim", "clip_i", "dino"), "similarity") | {
    "l1": "distance",
    "lpips": "distance",
    "clip_t": "text",
}

_NUMBERS = ("lowest", "highest", "neutral", "violation")
Scales = Mapping[str, Scale]
NO_SCALES: Scales = MappingProxyType({})


def scales_of(
    judges: Mapping[str, Mapping[str, Any]], run: Mapping[str, Any], survey: Survey
) -> dict[str, Scale]:
    """The scale of each judge whose rubric is there and is the one that the run had.

    A judge that a score of its own contradicts (a class may answer beyond the labels) has none.

    Parameters
    ----------
    judges
        The judges' settings by name.
    run
        The record of the run, empty if there is none.
    survey
        What is known of the judges' scores.
    """
    scales = {}
    for name, settings in judges.items():
        scale = _scale(settings, run)
        known = survey.reached.get(name, ())
        if scale is not None and all(
            scale.lowest - _ROUNDING <= score <= scale.highest + _ROUNDING for score in known
        ):
            scales[name] = scale
    return scales


def _scale(settings: Mapping[str, Any], run: Mapping[str, Any]) -> Scale | None:
    if measures := settings.get("measures"):
        known = measures[0] in SCALES
        return scale_of(measures[0], settings.get("against", "source")) if known else None
    if protocol := settings.get("protocol"):
        try:
            return protocols.scale(protocol_file(str(protocol)))
        except UserError:
            return None
    path = rubric_file(str(settings.get("rubric")))
    hashes = (run.get("rubrics") or {}).values()
    try:
        if hashes and rubrics.rubric_hash(path) not in hashes:
            return None
        return rubrics.scale(path)
    except UserError:
        # Of a merged run the rubric may be gone; its judge's scores are within the widest scale.
        return None


def decimals(row: object, scales: Scales) -> int:
    """Decimals of the numbers of a table's row that are on the scale of its judge."""
    match row:
        case SummaryRow() | BreakdownRow() | ComparisonRow():
            judge = row.judge
        case AgreementRow():
            judge = row.a  # there is a difference only between judges of one scale
        case _:  # shares, rates and strengths
            return Scale().decimals
    return scales.get(judge, Scale()).decimals


def sentence(judges: Iterable[str], scales: Scales, words: Words) -> str:
    """What the scores of each judge can be; judges of one scale share a sentence."""
    alike: dict[Scale, list[str]] = {}
    for judge in judges:
        alike.setdefault(scales.get(judge, Scale()), []).append(judge)
    parts = []
    for scale, names in alike.items():
        numbers = {name: value for name, value in vars(scale).items() if name in _NUMBERS}
        values = {name: f"{value:g}" for name, value in numbers.items() if value is not None}
        kind = "scale_words" if len(values) == 4 else "scale"
        if scale.measure:
            kind, values["measure"] = f"scale_{_KINDS[scale.measure]}", words.cell(scale.measure)
            kind += "_to_target" if scale.to_target else ""
        parts.append(words.sentence(kind, judges=words.list_separator.join(names), **values))
    return " ".join(parts)

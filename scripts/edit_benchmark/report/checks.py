"""Checks that rows are whole, and that those of several runs can stand beside one another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edit_benchmark.config.servers import WAYS_OF_ASKING
from edit_benchmark.errors import UserError
from edit_benchmark.records import Preference, Sample
from edit_benchmark.report.pair_tables import PairKind, matches
from edit_benchmark.report.recorded_settings import normalised
from edit_benchmark.report.score_tables import Pair, Survey

# Settings of a judge that do not change its answers beyond rounding, and where a checkpoint or a
# rubric lay: its resolved commit, fingerprint or hash is compared instead.
_NOT_COMPARED = {
    "batch_size",
    "checkpoint",
    "gpu",
    "prompts",
    "protocol",
    "revision",
    "rubric",
    *WAYS_OF_ASKING,
}

Run = tuple[Mapping[str, Any], Survey, Collection[PairKind]]


def check_complete(samples: Sequence[Sample], survey: Survey) -> None:
    """Every model, judge and sample has exactly one row for each repeat of the model's edits.

    Raises
    ------
    UserError
        Naming the first row that is missing, there twice or of no sample.
    """
    categories = {sample.id: sample.category for sample in samples}
    repeats: dict[Pair, dict[int, set[str]]] = {}
    for (model, judge, category, repeat), ids in survey.ids.items():
        who = f"of model {model} and judge {judge}"
        seen = set()
        for key in ids:
            if key in seen:
                count = ids.count(key)
                raise UserError(
                    f"sample {key} has {count} score rows {who}; give each score table once."
                )
            seen.add(key)
            if categories.get(key) != category:
                raise UserError(
                    f"a score row {who} is of sample {key} in {category}, which the samples "
                    "table does not have; run the workflow again, it makes both from one benchmark."
                )
        repeats.setdefault((model, judge), {}).setdefault(repeat, set()).update(seen)
    for (model, judge), found in repeats.items():
        missing = [key for key in categories if any(key not in ids for ids in found.values())]
        if missing:
            raise UserError(
                f"{len(missing)} samples have no score row of model {model} and judge {judge}, the "
                f"first is {missing[0]} in {categories[missing[0]]}; run the workflow again, or "
                "report one category with --category."
            )


def check_pairs(samples: Sequence[Sample], preferences: Iterable[Preference]) -> None:
    """Each two models that a judge compared have a row of every sample, and none twice.

    Raises
    ------
    UserError
        Naming the first row that is missing, there twice or of no sample.
    """
    ids = {sample.id for sample in samples}
    for (judge, a, b), rows in matches(preferences):
        seen = set()
        for row in rows:
            place = (row.id, row.call, row.repeat)
            if place in seen:
                raise UserError(
                    f"sample {row.id} was compared twice by judge {judge}, of models {a} and {b}; "
                    "give each table once, or rename the judge in one of the merged runs."
                )
            seen.add(place)
        keys = {row.id for row in rows}
        if keys != ids:
            raise UserError(
                f"judge {judge} has no row, or one too many, of models {a} and {b} about sample "
                f"{min(keys ^ ids)}; run the workflow again."
            )


def check_same_sample(mine: Sample, other: Sample, folder: Path) -> None:
    """Refuse two samples of one id that are not one sample."""
    # Not the instruction as given: runs in two languages can share samples, under other names.
    keys = ["category", "after", "instruction_en", "instruction_zh"]
    if not (mine.problem or other.problem):
        keys += ["source_sha256", "more_source_sha256", "mask_sha256"]
        if mine.target and other.target:
            keys.append("target")
    for key in keys:
        one, two = getattr(mine, key), getattr(other, key)
        if key == "target":  # named by their hashes, in the folder of each run
            one, two = Path(one).name, Path(two).name
        if one != two:
            raise UserError(
                f"--merge {folder}: sample {mine.id} is another one there: its {key} differs."
            )


def check_comparable(mine: Run, other: Run, folder: Path) -> None:
    """What shares a column has to be the same judge, rubric and model.

    Parameters
    ----------
    mine, other
        Two runs, each its record, what is known of its scores, and the kinds of its pairs.
    folder
        The results folder of the other one.

    Raises
    ------
    UserError
        Naming the first difference.
    """
    (run, survey, pairs), (other_run, other_survey, other_pairs) = mine, other
    for kind, here, there in (
        ("judges", _judges(survey, pairs), _judges(other_survey, other_pairs)),
        # Whatever is compared has scores too.
        ("models", set(survey.models), set(other_survey.models)),
    ):
        for name in sorted(here & there):
            one, two = _compared(run, kind, name), _compared(other_run, kind, name)
            for key in dict.fromkeys([*one, *two]):
                if one.get(key) != two.get(key):
                    raise UserError(
                        f"--merge {folder}: {kind[:-1]} {name} is not the same in both runs: "
                        f"{key} is {one.get(key)!r} here and {two.get(key)!r} there, so "
                        "their numbers cannot share a column; rename it in one of the configs."
                    )


def _judges(survey: Survey, pairs: Collection[PairKind]) -> set[str]:
    return {*survey.judges, *(pair.judge for pair in pairs)}


def check_apart(mine: Survey, other: Survey, folder: Path) -> None:
    """Refuse runs that both have a score of a sample by one model and judge."""
    present: dict[Pair, set[str]] = {}
    for place, ids in mine.ids.items():
        present.setdefault((place.model, place.judge), set()).update(ids)
    for place, ids in other.ids.items():
        known = present.get((place.model, place.judge), set())
        both = next((key for key in ids if key in known), None)
        if both is not None:
            raise UserError(
                f"--merge {folder}: sample {both} has a score of model {place.model} and judge "
                f"{place.judge} in both runs; leave one of the two out or rename the model."
            )


def _compared(run: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    """What makes numbers of a judge or model comparable, by field.

    ``kind`` is ``judges`` or ``models``, as in the configuration.
    """
    config = run.get("config") or {}
    settings = normalised(config.get(kind, {}).get(name, {}), kind)
    fields = {field: value for field, value in settings.items() if field not in _NOT_COMPARED}
    fields["serve.command"] = (settings.get("serve") or {}).get("command")
    folder = {"judges": "judges", "models": "editors"}[kind]
    record = (run.get("checkpoints") or {}).get(f"{folder}/{name}") or {}
    fields["checkpoint (commit or fingerprint)"] = record.get("commit") or record.get("fingerprint")
    fields["benchmark.language"] = config.get("benchmark", {}).get("language")
    if kind == "judges":
        # A rubric, or a protocol, is named by its file; what counts is the hash of its content.
        stem = Path(str(settings.get("protocol") or settings.get("rubric"))).stem
        fields["rubric hash"] = [
            value for path, value in (run.get("rubrics") or {}).items() if Path(path).stem == stem
        ]
    return fields

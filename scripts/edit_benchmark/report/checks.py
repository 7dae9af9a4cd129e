"""Checks that rows are whole, and that those of several runs can stand beside one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edit_benchmark.config.servers import WAYS_OF_ASKING
from edit_benchmark.errors import UserError
from edit_benchmark.records import Preference, Sample, Score
from edit_benchmark.report.grouping import by_model_and_judge
from edit_benchmark.report.recorded_settings import normalised

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

Run = tuple[Mapping[str, Any], Sequence[Score | Preference]]


def check_complete(samples: Sequence[Sample], scores: Sequence[Score]) -> None:
    """Every model, judge and sample has exactly one row for each repeat of the model's edits.

    Raises
    ------
    UserError
        Naming the first row that is missing, there twice or of no sample.
    """
    categories = {sample.id: sample.category for sample in samples}
    seen = Counter((row.model, row.judge, row.id, row.repeat) for row in scores)
    for row in scores:
        who = f"of model {row.model} and judge {row.judge}"
        if (count := seen[row.model, row.judge, row.id, row.repeat]) > 1:
            raise UserError(
                f"sample {row.id} has {count} score rows {who}; give each score table once."
            )
        if categories.get(row.id) != row.category:
            raise UserError(
                f"a score row {who} is of sample {row.id} in {row.category}, which the samples "
                "table does not have; run the workflow again, it makes both from one benchmark."
            )
    for (model, judge), rows in by_model_and_judge(scores).items():
        repeats = {row.repeat for row in rows}
        missing = [
            key
            for key in categories
            if any((model, judge, key, repeat) not in seen for repeat in repeats)
        ]
        if missing:
            raise UserError(
                f"{len(missing)} samples have no score row of model {model} and judge {judge}, the "
                f"first is {missing[0]} in {categories[missing[0]]}; run the workflow again, or "
                "report one category with --category."
            )


def check_pairs(samples: Sequence[Sample], preferences: Sequence[Preference]) -> None:
    """Each two models that a judge compared have a row of every sample, and none twice.

    Raises
    ------
    UserError
        Naming the first row that is missing, there twice or of no sample.
    """
    ids = {sample.id for sample in samples}
    seen = Counter((row.judge, row.a, row.b, row.id, row.call, row.repeat) for row in preferences)
    found: dict[tuple[str, str, str], set[str]] = {}
    for judge, a, b, key, call, repeat in seen:
        found.setdefault((judge, a, b), set()).add(key)
        if seen[judge, a, b, key, call, repeat] > 1:
            raise UserError(
                f"sample {key} was compared twice by judge {judge}, of models {a} and {b}; give "
                "each table once, or rename the judge in one of the merged runs."
            )
    for (judge, a, b), keys in found.items():
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
        if mine.target and other.target:  # named by their hashes
            keys.append("target")
    for key in keys:
        if getattr(mine, key) != getattr(other, key):
            raise UserError(
                f"--merge {folder}: sample {mine.id} is another one there: its {key} differs."
            )


def check_comparable(mine: Run, other: Run, folder: Path) -> None:
    """What shares a column has to be the same judge, rubric and model.

    Parameters
    ----------
    mine, other
        Two runs, each its record and its rows.
    folder
        The results folder of the other one.

    Raises
    ------
    UserError
        Naming the first difference.
    """
    (run, scores), (other_run, rows) = mine, other
    for kind, here, there in (
        ("judges", {row.judge for row in scores}, {row.judge for row in rows}),
        ("models", _models(scores), _models(rows)),
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


def _models(rows: Sequence[Score | Preference]) -> set[str]:
    # Whatever is compared has scores too.
    return {row.model for row in rows if isinstance(row, Score)}


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

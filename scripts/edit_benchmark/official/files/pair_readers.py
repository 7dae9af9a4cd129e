"""As ``readers``, of the benchmarks whose results are measurements, pairs or votes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edit_benchmark.errors import UserError
from edit_benchmark.official import complex_edit, editreward, gedit_v2
from edit_benchmark.official.files.readers import files_of
from edit_benchmark.official.files.records import (
    Record,
    check_unique,
    read_object,
    read_records,
    records_of,
)

_SUMMARY = "final_result.json"


def complex_edit_rows(paths: Sequence[Path]) -> list[complex_edit.Row]:
    """Of the folders alignment_… and quality_…, a JSON file a sample, or the folder around them."""
    folders = [
        folder
        for path in paths
        for folder in ([path, *sorted(path.iterdir())] if path.is_dir() else [path])
        if folder.is_dir() and folder.name.startswith(("alignment", "quality"))
    ]
    if not folders:
        raise UserError(
            f"{paths[0]}: no folder alignment_… or quality_… here; give the folder of images "
            "that Complex-Edit's eval.py wrote them into."
        )
    measured: dict[str, dict[str, tuple[float, ...]]] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.json")):
            if file.name == _SUMMARY:
                continue
            found = measured.setdefault(file.stem, {})
            for name, values in _measurements(file, folder.name).items():
                if name in found:
                    raise UserError(
                        f"{file}: {name} of this sample is in another folder too; give the "
                        "folders of one evaluation."
                    )
                found[name] = values
    return [complex_edit.Row(name, values) for name, values in sorted(measured.items())]


def _measurements(file: Path, folder: str) -> dict[str, tuple[float, ...]]:
    names = [
        name
        for name in complex_edit.MEASURES
        if (name == "perceptual_quality") == folder.startswith("quality")
    ]
    fields = read_object(file)
    runs = fields.get("runs")
    records = (
        records_of(file, runs, "run") if isinstance(runs, list) else [Record(str(file), fields)]
    )
    found = {}
    for name in names:
        values = [record.number(name, 0, 10) for record in records]
        found[name] = tuple(value for value in values if value is not None)
    return found


def gedit_v2_rows(paths: Sequence[Path]) -> list[gedit_v2.Row]:
    """Of a JSON-lines file a dimension, its rows called ``PROMPT_pair_A_vs_B``."""
    rows, keys = [], []
    files = files_of(paths, "*.jsonl")
    for file in files:
        # Files are called by the time they were written; their folders by the dimension.
        folder = file.parent.name
        dimension = folder if folder.startswith("eval_") else file.stem
        for record in read_records(file):
            prompt, pair, models = record.text("key").partition("_pair_")
            model_a, versus, model_b = models.partition("_vs_")
            if not pair or not versus:
                raise record.error("its key is not PROMPT_pair_MODEL_vs_MODEL")
            results = record.fields.get("results") or record.fields.get("result") or {}
            winner = results.get("winner") if isinstance(results, dict) else None
            known = winner in (gedit_v2.FIRST, gedit_v2.SECOND, gedit_v2.TIE)
            problem = "" if known else "no_answer"
            rows.append(
                gedit_v2.Row(
                    dimension, prompt, model_a, model_b, str(winner) if known else "", problem
                )
            )
            keys.append(((dimension, prompt, model_a, model_b), record))
    check_unique(keys, "pair")
    return rows


def vote_rows(paths: Sequence[Path]) -> list[editreward.Vote]:
    """Of the JSON files of inference_2pair_hf.py and its like: ``results`` with null for none."""
    rows, keys = [], []
    for file in files_of(paths, "*pair_hf.json"):
        whole = Record(str(file), read_object(file))
        part = whole.text("data_type").removeprefix("huggingface_")
        if part not in editreward.GROUP_SIZES:
            raise whole.error(f"data_type {part!r} is none of TIGER-Lab's set")
        for number, entry in enumerate(whole.entries("results"), start=1):
            where = f"{file}, result {number}"
            if entry is None:
                # Nothing says of which comparison; it is in no group.
                rows.append(editreward.Vote(f"{number} without an answer", part, "", ""))
                continue
            record = Record(where, entry if isinstance(entry, dict) else {})
            identity = record.text("id")
            human, judged = record.text("human_vote"), record.text("model_vote")
            rows.append(editreward.Vote(identity, part, human, judged))
            keys.append(((part, identity, str(entry.get("comparison_type"))), record))
    check_unique(keys, "comparison")
    return rows


def scored_rows(paths: Sequence[Path]) -> list[editreward.Scored]:
    """Of ``{task_type}/{dimension}.jsonl`` as EditScore's evaluation.py writes them."""
    rows, keys = [], []
    files = [
        file
        for path in paths
        for file in (sorted(path.rglob("*.jsonl")) if path.is_dir() else [path])
    ]
    for file in files:
        dimension, task_type = file.stem, file.parent.name
        if dimension not in editreward.DIMENSIONS or task_type not in editreward.TASK_TYPES:
            raise UserError(
                f"{file}: not TASK_TYPE/DIMENSION.jsonl of EditScore's set; give its results as "
                "they were written."
            )
        for record in read_records(file):
            key = record.get("key")
            scores = record.entries("score")
            if len(scores) != 2:
                raise record.error("score is not the pair of both edits' scores")
            first, second = (
                Record(record.where, {"score": value}).number("score") for value in scores
            )
            pair = None if first is None or second is None else (first, second)
            problem = "" if pair else "no_answer"
            name = " and ".join(map(str, key)) if isinstance(key, list) else str(key)
            rows.append(editreward.Scored(name, task_type, dimension, pair, problem))
            keys.append(((task_type, dimension, name), record))
    # evaluation.py appends: what was evaluated twice stands there twice.
    check_unique(keys, "pair")
    return rows

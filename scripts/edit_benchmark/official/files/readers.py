"""Rows of each benchmark from the result files that its own scripts write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.official import gedit, imgedit, kris, re_edit, rise, unicbench
from edit_benchmark.official.files.records import (
    Record,
    check_unique,
    read_json,
    read_object,
    read_records,
    records_of,
)


def gedit_rows(paths: Sequence[Path]) -> list[gedit.Row]:
    """Of the CSV files that test_gedit_score.py writes; group and key are in the images' paths."""
    rows, keys = [], []
    for record in _records(paths, "*_gpt_score.csv", leave_out="_combined_gpt_score.csv"):
        place = PurePosixPath(record.text("edited_image")).parts
        if len(place) < 3:
            raise record.error(
                "edited_image is no path as .../GROUP/LANGUAGE/KEY.png, so that its group is not "
                "known"
            )
        *_, group, language, file = place
        if group not in gedit.GROUPS:
            raise record.error(f"edited_image is of the group {group!r}, which GEdit-Bench lacks")
        if record.text("instruction_language") != language or language not in gedit.LANGUAGES:
            raise record.error(
                f"instruction_language is {record.text('instruction_language')!r} and the folder "
                f"of edited_image {language!r}, not both {' or both '.join(gedit.LANGUAGES)}"
            )
        # The first column is misspelt in the original.
        semantics = record.number("sementics_score", 0, 10)
        quality = record.number("quality_score", 0, 10)
        problem = "no_answer" if semantics is None or quality is None else ""
        key = PurePosixPath(file).stem
        common = record.flag("intersection_exist")
        rows.append(gedit.Row(key, group, language, common, semantics, quality, problem))
        keys.append(((group, language, key), record))
    check_unique(keys, "sample")
    return rows


def rise_rows(paths: Sequence[Path]) -> list[rise.Row]:
    """Of ``{model}_judge.xlsx`` as gpt_eval.py writes it, or its columns as CSV or JSON."""
    rows, keys = [], []
    for record in _records(paths, "*_judge.xlsx"):
        if "Score-Origin" in record.fields:
            raise record.error(
                "this is the table of means; give the _judge.xlsx beside it, which has the rows"
            )
        category = record.text("category")
        if category not in rise.CATEGORIES:
            raise record.error(f"category {category!r} is none of RISEBench's")
        row = rise.Row(
            index=record.text("index"),
            category=category,
            subtask=str(record.fields.get("subtask") or ""),
            consistency_free=_filled(record, "consistency_free"),
            reasoning=record.number("Reasoning", 1, 5),
            consistency=record.number("ApprConsistency", 1, 5),
            plausibility=record.number("VisualPlausibility", 1, 5),
            problem="" if record.fields.get("match_log") != "failed" else "unparsable_answer",
        )
        if record.fields.get("match_log") != "failed" and not row.answered:
            raise record.error("a score that its category has is empty, though match_log says so")
        rows.append(row)
        keys.append((row.index, record))
    check_unique(keys, "sample")
    return rows


def _filled(record: Record, name: str) -> bool | None:
    """Whether a field of the benchmark that marks rows is set; None if the file lacks it."""
    if name not in record.fields:
        return None
    value = record.fields[name]
    return value is not None and str(value).strip().lower() not in ("", "nan", "false", "0", "0.0")


def kris_rows(paths: Sequence[Path]) -> list[kris.Row]:
    """Of ``{category}/metrics.json``, or the folders that they lie in."""
    rows, keys = [], []
    for path in files_of(paths, "metrics.json", recursive=True):
        category = path.parent.name
        if category not in kris.CATEGORIES:
            raise UserError(
                f"{path}: its folder {category!r} is no category of KRIS-Bench; leave the files in "
                "the folders of their categories."
            )
        for identity, fields in read_object(path).items():
            if not isinstance(fields, dict):
                raise UserError(f"{path}, entry {identity}: not an object with scores.")
            record = Record(f"{path}, entry {identity}", fields)
            scores = {
                metric: value
                for metric in kris.metrics_of(category)
                if (value := record.number(metric)) is not None
            }
            rows.append(kris.Row(category, identity, scores))
            keys.append(((category, identity), record))
    check_unique(keys, "sample")
    return rows


def imgedit_rows(paths: Sequence[Path], benchmark: Path | None) -> list[imgedit.Row]:
    """Of result.json, a text or an error by key; the types are in ``benchmark``, of which UGE has
    none.

    Parameters
    ----------
    benchmark
        basic_edit.json; None for UGE.
    """
    types = None
    if benchmark is not None:
        entries = {
            key: Record(f"{benchmark}, entry {key}", fields if isinstance(fields, dict) else {})
            for key, fields in read_object(benchmark).items()
        }
        types = {key: record.text("edit_type") for key, record in entries.items()}
        for key, edit_type in types.items():
            if edit_type not in imgedit.EDIT_TYPES:
                raise entries[key].error(f"edit_type {edit_type!r} is none of ImgEdit-Bench's")
    rows, keys = [], []
    for path in files_of(paths, "result.json"):
        for key, answer in read_object(path).items():
            record = Record(f"{path}, entry {key}", {})
            kind = "" if types is None else types.get(key)
            if kind is None:
                raise record.error(f"no such key in {benchmark}; give the file of the same suite")
            if isinstance(answer, dict) and "error" in answer:
                # The original code stops at it; what went wrong is no score.
                problem = f"error_entry: {record.where}"
                rows.append(imgedit.Row(key, None, kind, problem))
            elif isinstance(answer, str):
                rows.append(imgedit.Row(key, answer, kind))
            else:
                raise record.error("neither a text nor an error")
            keys.append((key, record))
    check_unique(keys, "key")
    return rows


def unicbench_rows(paths: Sequence[Path]) -> list[unicbench.Row]:
    """Of ``{subtask}_{language}_results.jsonl`` as eval_pipeline.py writes them."""
    rows, keys = [], []
    languages: dict[str, Record] = {}
    for record in _records(paths, "*_results.jsonl"):
        languages.setdefault(record.text("instruction_language"), record)
        reasons = record.fields
        has_points = record.get("ra_score") is not None
        asked = tuple(name for name in unicbench.MEASURES if name != "ra" or has_points)
        scores, problems = {}, {}
        for name in asked:
            score = record.number(f"{name}_score", 0, 10)
            if score is None or (score == 0 and reasons.get(f"{name}_reason") == "Parse error"):
                problems[name] = "unparsable_answer"
            else:
                scores[name] = score
        row = unicbench.Row(
            record.text("key"), record.text("task"), record.text("subtask"),
            scores, problems, asked,
        )  # fmt: skip
        rows.append(row)
        keys.append((row.key, record))
    if len(languages) > 1:
        *_, other = languages.values()
        raise other.error(
            f"rows of {' and '.join(sorted(languages))} are two tables; give one language's files"
        )
    check_unique(keys, "key")
    return rows


def re_edit_rows(paths: Sequence[Path]) -> list[re_edit.Row]:
    """Of a list of scored rows, or of the summary of verdicts, which has only their counts."""
    rows: list[re_edit.Row] = []
    keys = []
    for path in files_of(paths, "*.json"):
        content = read_json(path)
        if isinstance(content, dict):
            rows += _counted_verdicts(path, content)
            continue
        for record in records_of(path, content if isinstance(content, list) else [content]):
            row = _re_edit_row(record)
            rows.append(row)
            keys.append(((row.metric, row.id), record))
    check_unique(keys, "metric and image")
    return rows


def _re_edit_row(record: Record) -> re_edit.Row:
    name = record.text("metric_type")
    metric = name if name in re_edit.METRICS else re_edit.VERDICT
    identity, category = record.text("image_id"), record.text("category")
    score = record.get("score")
    if score is None:
        return re_edit.Row(identity, category, metric, None, "unparsable_answer")
    try:
        value = re_edit.value_of(score, metric)
    except SampleError as error:
        return re_edit.Row(identity, category, metric, None, str(error))
    return re_edit.Row(identity, category, metric, value)


def _counted_verdicts(path: Path, summary: dict) -> list[re_edit.Row]:
    """As many verdicts as the summary of a category counts."""
    rows: list[re_edit.Row] = []
    whole = Record(str(path), summary)
    statistics = whole.get("category_statistics")
    if not isinstance(statistics, dict):
        raise whole.error("category_statistics is not an object of categories")
    for category, fields in statistics.items():
        record = Record(f"{path}, category {category}", fields if isinstance(fields, dict) else {})
        if "yes_count" not in record.fields:
            raise record.error(
                "it has only means, of which nothing can be checked; give the rows as a JSON list "
                "with image_id, category, metric_type and score"
            )
        counts = {name: record.count(f"{name}_count") for name in ("yes", "no")}
        unread = record.count("total_count") - sum(counts.values())
        if unread < 0:
            raise record.error("total_count is less than yes_count and no_count together")
        values = ["yes"] * counts["yes"] + ["no"] * counts["no"]
        rows += [re_edit.Row("", category, re_edit.VERDICT, value) for value in values]
        rows += [re_edit.Row("", category, re_edit.VERDICT, None, "unparsable_answer")] * unread
    return rows


def _records(paths: Sequence[Path], pattern: str, leave_out: str = "") -> list[Record]:
    files = files_of(paths, pattern, leave_out=leave_out)
    return [record for path in files for record in read_records(path)]


def files_of(
    paths: Sequence[Path], pattern: str, *, recursive: bool = False, leave_out: str = ""
) -> list[Path]:
    """The files among ``paths``, and those of the pattern in the folders among them.

    Raises
    ------
    UserError
        If one is not there, or a folder has none.
    """
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        found = sorted(path.rglob(pattern) if recursive else path.glob(pattern))
        found = [file for file in found if not leave_out or not file.name.endswith(leave_out)]
        if not found:
            raise UserError(f"{path}: no file {pattern} in this folder; give another one.")
        files += found
    return files

"""Each benchmark's result files by the name of its format, and what its aggregator says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edit_benchmark.errors import UserError
from edit_benchmark.official import (
    complex_edit,
    editreward,
    gedit,
    gedit_v2,
    imgedit,
    kris,
    re_edit,
    rise,
    unicbench,
)
from edit_benchmark.official.files import pair_readers, readers
from edit_benchmark.official.outcome import Outcome

#: The formats, and what is given for each.
FORMATS = {
    "gedit": "eval_results_new/, or its *_gpt_score.csv",
    "rise": "MODEL_judge.xlsx, or the same columns as .csv or .json",
    "kris": "results/MODEL/, with CATEGORY/metrics.json",
    "imgedit": "result.json; basic_edit.json as --benchmark",
    "imgedit_uge": "result.json",
    "re_edit": "the summaries of verdicts, or lists of rows",
    "complex_edit": "the folder of images, with alignment_… and quality_…",
    "unicbench": "eval_output/JUDGE/, or its *_LANGUAGE_results.jsonl",
    "gedit_v2": "a .jsonl of pairs for each dimension",
    "editreward": "TIGER-Lab's set: *_2pair_hf.json, *_3pair_hf.json, *_4pair_hf.json",
    "editreward_editscore": "EditScore's set: RESULT_DIR/JUDGE/, with TASK_TYPE/DIMENSION.jsonl",
}


def aggregate(
    name: str, paths: Sequence[Path], benchmark: Path | None = None, resamples: int = 1000
) -> Outcome:
    """What the benchmark of the format ``name`` makes of its result files.

    Parameters
    ----------
    benchmark
        The benchmark's own file, where the results do not say all: ImgEdit's types of edit.
    resamples
        Of the bootstrap of Elo; 0 for no interval.

    Raises
    ------
    UserError
        If a file is none of the benchmark's, naming file and row.
    """
    outcome = _outcome(name, paths, benchmark, resamples)
    if not any(part.rows for part in outcome.coverage):
        raise UserError(f"{paths[0]}: no row in it; give the file that the evaluation wrote.")
    return outcome


def _outcome(name: str, paths: Sequence[Path], benchmark: Path | None, resamples: int) -> Outcome:
    if name.startswith("imgedit"):
        return _imgedit(name, paths, benchmark)
    if name == "gedit_v2":
        try:
            return gedit_v2.aggregate(pair_readers.gedit_v2_rows(paths), resamples)
        except ValueError as error:
            raise UserError(f"{paths[0]}: {error}; give all the pairs of a judge.") from None
    read, compute = _ALIKE[name]
    return compute(read(paths))


_ALIKE: dict[str, tuple[Callable[[Sequence[Path]], Any], Callable[[Any], Outcome]]] = {
    "gedit": (readers.gedit_rows, gedit.aggregate),
    "rise": (readers.rise_rows, rise.aggregate),
    "kris": (readers.kris_rows, kris.aggregate),
    "re_edit": (readers.re_edit_rows, re_edit.aggregate),
    "complex_edit": (pair_readers.complex_edit_rows, complex_edit.aggregate),
    "unicbench": (readers.unicbench_rows, unicbench.aggregate),
    "editreward": (pair_readers.vote_rows, editreward.aggregate_votes),
    "editreward_editscore": (pair_readers.scored_rows, editreward.aggregate_scores),
}


def _imgedit(name: str, paths: Sequence[Path], benchmark: Path | None) -> Outcome:
    if name == "imgedit" and benchmark is None:
        raise UserError(
            f"{paths[0]}: ImgEdit's results do not say the types of edit; give the benchmark's "
            "basic_edit.json as --benchmark."
        )
    is_basic = name == "imgedit"
    rows = readers.imgedit_rows(paths, benchmark if is_basic else None)
    outcome = imgedit.aggregate(rows) if is_basic else imgedit.aggregate_uge(rows)
    places = [row.problem.partition(": ")[2] for row in rows if row.problem]
    if not places:
        return outcome
    others = f", as are {len(places) - 1} others" if len(places) > 1 else ""
    note = f"{places[0]} is an error and no answer{others}; it counts for nothing."
    return replace(outcome, notes=(*outcome.notes, note))

"""How long a job takes until it works: its own command, and what its log says.

An edit job until its first denoising step, a score job until its first answers.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from edit_benchmark.checkpoints import record
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.images import encode_png, sha256
from edit_benchmark.records import Sample
from edit_benchmark.results.tables import write_rows
from speed import checkpoints, drawn

_SCRIPTS = Path(__file__).parents[3] / "scripts"
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
_LINES = {
    "waited": r"load slot \S+ taken after ([\d.]+) s",
    "imported": r"libraries imported ([\d.]+) s after",
    "weights_placed": r"placed in ([\d.]+) s",
    "loaded": r"pipeline loaded in ([\d.]+) s",
    "kernels": r"kernels compiled in ([\d.]+) s",
    "first_step": r"first denoising step ([\d.]+) s after",
    "first_answers": r"first answers ([\d.]+) s after",
}


def measure(folder: Path, device: str, full_size: bool) -> dict[str, Any]:
    """Seconds from the start of a job's process to its first denoising step or answers.

    Returns
    -------
    dict
        ``cold`` (the first job, which also compiles kernels), ``warm`` (the next), and
        ``two_slots`` and ``one_slot``: two jobs that start at the same time on one device, and load
        over its one bus at once or one after the other. ``score_cold`` and ``score`` are the first
        and the next score job. Each with the seconds of its stages.
    """
    checkpoint = folder / "edit"
    if not (checkpoint / "model_index.json").is_file():
        checkpoints.save_edit_pipeline(checkpoint, device, full_size)
    _prepare(folder, checkpoint, device, full_size)
    result: dict[str, Any] = {}
    for name in ("cold", "warm"):
        _clear(folder, name)
        result[name] = _finish(_edit(folder, device, full_size, name))
    for slots in ("two_slots", "one_slot"):
        names = [f"{slots}-{number}" for number in (1, 2)]
        for name in names:
            _clear(folder, name)
        if slots == "one_slot":
            # With one lease folder for both the second would wait for the device, not for the slot.
            locks = [_leases(folder, name) / "load-0.lock" for name in names]
            locks[0].touch()
            locks[1].symlink_to(locks[0])
        jobs = [_edit(folder, device, full_size, name) for name in names]
        result[slots] = [_finish(job) for job in jobs]
    for name in ("score_cold", "score"):
        checkpoints.remove(_results(folder, "warm") / "store" / "answers")
        result[name] = _finish(_score(folder, device, full_size))
    return result


def _prepare(folder: Path, checkpoint: Path, device: str, full_size: bool) -> None:
    checkpoints.save_judge(folder / "judge", device, full_size)
    judge = checkpoints.judge_settings(folder / "judge", full_size)
    record.write(resolve(judge, "judges.bench"), folder / "judge.json")
    editor = checkpoints.edit_settings(checkpoint, full_size, steps=2)
    record.write(resolve(editor, "models.bench"), folder / "checkpoint.json")
    side = 1024 if full_size else 64
    source = encode_png(drawn.source((side, side)), {})
    (folder / "source.png").write_bytes(source)
    sample = Sample(
        id="a", category="physical", index=0, instruction="Paint it green.", source="source.png",
        source_sha256=sha256(source), width=side, height=side,
    )  # fmt: skip
    write_rows(folder / "samples.jsonl", [sample])


def _results(folder: Path, name: str) -> Path:
    return folder / f"startup-{name}"


def _leases(folder: Path, name: str) -> Path:
    return _results(folder, name) / "leases"


def _clear(folder: Path, name: str) -> None:
    """An empty results folder, with leases of its own so that two jobs can be on one device."""
    checkpoints.remove(_results(folder, name))
    _leases(folder, name).mkdir(parents=True)
    source = (folder / "source.png").read_bytes()
    (_results(folder, name) / "source.png").write_bytes(source)


def _edit(folder: Path, device: str, full_size: bool, name: str) -> tuple[Any, float]:
    results = _results(folder, name)
    settings = checkpoints.edit_settings(folder / "edit", full_size, steps=2)
    words = [
        "--shard", "1-of-1", "--model", "bench", "--settings", settings.model_dump_json(),
        "--checkpoint", folder / "checkpoint.json", "--out", results / "edits.jsonl",
    ]  # fmt: skip
    return _start("edit.py", words, folder, results, device)


def _score(folder: Path, device: str, full_size: bool) -> tuple[Any, float]:
    """A score job for the edit of the warm edit job."""
    results = _results(folder, "warm")
    settings = checkpoints.judge_settings(folder / "judge", full_size)
    words = [
        "--model", "bench", "--edits", results / "edits.jsonl",
        "--chunk", "1", "--chunk-size", "64",
        "--judge", "bench", "--settings", settings.model_dump_json(),
        "--checkpoint", folder / "judge.json", "--language", "en",
        "--out", results / "scores.jsonl",
    ]  # fmt: skip
    return _start("score.py", words, folder, results, device)


def _start(
    script: str, own: list[Any], folder: Path, results: Path, device: str
) -> tuple[Any, float]:
    words = [
        sys.executable, _SCRIPTS / script, "--samples", folder / "samples.jsonl",
        "--category", "physical", "--results", results,
        "--device-ids", "0" if device == "cuda" else "cpu", *own,
    ]  # fmt: skip
    # Python's own cache of compiled modules, as an installation has it: without, the imports of
    # torch and diffusers alone take 5 to 10 s longer.
    environment = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    start = time.perf_counter()
    job = subprocess.Popen(
        list(map(str, words)),
        env=environment | {"EDIT_BENCHMARK_LEASES": str(results / "leases")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return job, start


def _finish(started: tuple[Any, float]) -> dict[str, float]:
    job, start = started
    _, log = job.communicate()
    if job.returncode:
        raise RuntimeError(log[-2000:])
    row = {}
    for name, pattern in _LINES.items():
        match = re.search(pattern, log)
        if match:
            row[name] = float(match[1])
    row["process_seconds"] = round(time.perf_counter() - start, 2)
    print(row, flush=True)
    return row

"""How long an edit job takes until its first denoising step: the job's own command, and its log."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .. import checkpoints
from ..pictures import encode_png, sha256
from ..records import Sample, write_rows
from . import checkpoints as made

_SCRIPT = Path(__file__).parents[2] / "edit.py"
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
_LINES = {
    "imported": r"libraries imported ([\d.]+) s after",
    "weights_read": r"placed in ([\d.]+) s",
    "loaded": r"pipeline loaded in ([\d.]+) s",
    "kernels": r"kernels compiled in ([\d.]+) s",
    "first_step": r"first denoising step ([\d.]+) s after",
}


def measure(folder: Path, device: str, full_size: bool) -> dict[str, Any]:
    """Seconds from the start of a job's process to its first denoising step.

    Returns
    -------
    dict
        ``cold`` (the first job, which also compiles kernels), ``warm`` (the next), and
        ``two_slots`` and ``one_slot``: two jobs that begin at the same time on one device, and load
        over its one bus at once or one after the other. Each with the seconds of its stages.
    """
    checkpoint = folder / "edit"
    if not (checkpoint / "model_index.json").is_file():
        made.save_edit_pipeline(checkpoint, device, full_size)
    _prepare(folder, checkpoint, full_size)
    result: dict[str, Any] = {}
    for name in ("cold", "warm"):
        _clear(folder, name)
        result[name] = _finish(_start(folder, device, full_size, name))
    pairs = {}
    for slots in ("two_slots", "one_slot"):
        names = [f"{slots}-{number}" for number in (1, 2)]
        for name in names:
            _clear(folder, name)
        if slots == "one_slot":
            # The jobs have lease folders of their own, or they would wait for the device itself.
            locks = [_leases(folder, name) / "load-0.lock" for name in names]
            locks[0].touch()
            locks[1].symlink_to(locks[0])
        jobs = [_start(folder, device, full_size, name) for name in names]
        pairs[slots] = [_finish(job) for job in jobs]
    return result | pairs


def _prepare(folder: Path, checkpoint: Path, full_size: bool) -> None:
    from .edit import _source

    side = 1024 if full_size else 64
    picture = encode_png(_source((side, side)), {})
    settings = made.settings(checkpoint, full_size, num_inference_steps=2)
    checkpoints.write(checkpoints.resolve(settings, "models.bench"), folder / "checkpoint.json")
    (folder / "source.png").write_bytes(picture)
    sample = Sample(
        id="a", category="physical", index=0, instruction="Paint it green.", source="source.png",
        source_sha256=sha256(picture), width=side, height=side,
    )  # fmt: skip
    write_rows(folder / "samples.jsonl", [sample])


def _results(folder: Path, name: str) -> Path:
    return folder / f"startup-{name}"


def _leases(folder: Path, name: str) -> Path:
    return _results(folder, name) / "leases"


def _clear(folder: Path, name: str) -> None:
    """An empty results folder, with leases of its own so that two jobs can be on one device."""
    made.remove(_results(folder, name))
    _leases(folder, name).mkdir(parents=True)
    source = (folder / "source.png").read_bytes()
    (_results(folder, name) / "source.png").write_bytes(source)


def _start(folder: Path, device: str, full_size: bool, name: str) -> tuple[Any, float]:
    results = _results(folder, name)
    settings = made.settings(folder / "edit", full_size, num_inference_steps=2)
    words = [
        sys.executable, _SCRIPT, "--samples", folder / "samples.jsonl", "--category", "physical",
        "--shard", "1-of-1", "--model", "bench", "--settings", json.dumps(settings),
        "--checkpoint", folder / "checkpoint.json", "--results", results,
        "--out", results / "edits.jsonl", "--device-ids", "0" if device == "cuda" else "cpu",
    ]  # fmt: skip
    # Python's own cache of compiled modules, as an installation has it: without, the imports of
    # torch and diffusers alone take 5 to 10 s longer.
    environment = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    began = time.perf_counter()
    job = subprocess.Popen(
        list(map(str, words)),
        env=environment | {"EDIT_BENCHMARK_LEASES": str(_leases(folder, name))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return job, began


def _finish(started: tuple[Any, float]) -> dict[str, float]:
    job, began = started
    _, log = job.communicate()
    if job.returncode:
        raise RuntimeError(log[-2000:])
    found = {}
    for name, pattern in _LINES.items():
        match = re.search(pattern, log)
        if match:
            found[name] = float(match[1])
    row = found | {"process_seconds": round(time.perf_counter() - began, 2)}
    print(row, flush=True)
    return row

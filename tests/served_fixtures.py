"""Jobs of models behind a server, as commands make them, for tests."""

from __future__ import annotations

import json
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from conftest import ROOT, png
from edit_benchmark import images
from edit_benchmark.checkpoints import record
from edit_benchmark.config.judges import RUBRICS
from edit_benchmark.config.resolve import editor_settings, judge_settings
from edit_benchmark.editing.job import EditJob, edit_shard
from edit_benchmark.judging import rubrics
from edit_benchmark.judging.job import ScoreJob, score_edits
from edit_benchmark.records import EDITED, Edit, Sample, Score
from edit_benchmark.results.layout import Layout
from edit_benchmark.runtime.devices import DeviceRequest

#: No test waits for what a real server would have to wait for.
QUICK = {"request_seconds": 5, "breaker_seconds": 2, "max_seconds": 4, "concurrency": 8}


def sample(results: Path, number: int, sources: int = 1, masked: bool = False) -> Sample:
    """A sample of so many source images, ``source 0``, ``source 0-1`` and so on, and a mask."""
    names = [f"{number}", *(f"{number}-{more}" for more in range(1, sources))]
    kept = [_kept(results, name, png(f"source {name}")) for name in names]
    paths, digests = zip(*kept, strict=True)
    mask = _kept(results, f"{number}-mask", png(f"mask {number}")) if masked else ("", "")
    return Sample(
        id=f"s{number}", category="physical", index=number, instruction=f"change {number}",
        source=paths[0], source_sha256=digests[0], width=64, height=48,
        more_sources=paths[1:], more_source_sha256=digests[1:], mask=mask[0], mask_sha256=mask[1],
    )  # fmt: skip


def _kept(results: Path, name: str, data: bytes) -> tuple[str, str]:
    """Path within ``results`` and hash of an image of a sample."""
    place = Layout(results).sources / f"{name}.png"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return str(place.relative_to(results)), images.sha256(data)


def score_job(results: Path, url: str, count: int = 1, **settings: Any) -> ScoreJob:
    """A job of edits ``e0``, ``e1`` and so on, and a judge at ``url``."""
    budget, sources = settings.pop("budget", None), settings.pop("sources", 1)
    judge = {"judge": "openai", "base_url": url, "model": "toy-2026-01-01", **QUICK, **settings}
    samples = [sample(results, number, sources) for number in range(count)]
    edits = []
    for one in samples:
        data = png(f"edited {one.id}")
        path = results / f"{one.id}.png"
        path.write_bytes(data)
        edits.append(
            Edit(id=one.id, category=one.category, model="m", status=EDITED, image=path.name,
                 image_sha256=images.sha256(data), key=one.id)
        )  # fmt: skip
    place = results / "checkpoint.json"
    record.write(None, place)
    return ScoreJob(
        name="gpt", settings=judge_settings(json.dumps(judge), "gpt"), checkpoint_record=place,
        results=results, devices=DeviceRequest(["cpu"], 1, 1, "test"), edits=edits,
        samples=samples, asked=rubrics.load(RUBRICS / "reasoning.yaml", "physical", "en"),
        budget=budget,
    )  # fmt: skip


def score(results: Path, url: str, count: int = 1, **settings: Any) -> list[Score]:
    return score_edits(score_job(results, url, count, **settings))


def edit(results: Path, url: str, dialect: str, count: int = 1, **settings: Any) -> list[Edit]:
    budget = settings.pop("budget", None)
    given = settings.pop("sources", 1), settings.pop("masked", False)
    editor = {"editor": "openai", "base_url": url, "model": "toy-2026-01-01", "dialect": dialect,
              **QUICK, **settings}  # fmt: skip
    place = results / "checkpoint.json"
    record.write(None, place)
    return edit_shard(
        EditJob(
            name="served", settings=editor_settings(json.dumps(editor), "served"),
            checkpoint_record=place, results=results, devices=DeviceRequest(["cpu"], 1, 1, "test"),
            samples=[sample(results, number, *given) for number in range(count)], budget=budget,
        )
    )  # fmt: skip


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def serve(diary: Path, *further: str) -> dict[str, Any]:
    """Settings with which a stand-in is started, see ``stand_in_server.py``."""
    words = [sys.executable, str(ROOT / "tests/stand_in_server.py"), "{port}", str(diary), *further]
    return {
        "base_url": f"http://127.0.0.1:{free_port()}/v1",
        "model": "toy-2026-01-01",
        "serve": {"command": shlex.join(words), "ready_seconds": 20},
    }


def begun(diary: Path) -> list[tuple[int, int]]:
    """Processes of each start: the server's, and its worker's."""
    lines = diary.read_text().splitlines()
    return [
        (int(words[1]), int(words[2])) for words in map(str.split, lines) if words[0] == "began"
    ]


def all_end(pids: Iterator[int] | tuple[int, ...], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(map(lives, pids)):
            return True
        time.sleep(0.1)
    return False


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

"""A judge behind a real server: ``transformers serve``, if its extra ``serving`` is there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edit_benchmark.checkpoints import record
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.resolve import judge_settings
from edit_benchmark.judging.job import ScoreJob, score_edits
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.store import Store
from edit_benchmark.runtime.devices import DeviceRequest
from served_fixtures import score_job

pytest.importorskip("fastapi", reason="pip install 'transformers[serving]' to have it tested")
pytestmark = pytest.mark.slow


@pytest.fixture
def transformers_serve(tmp_path: Path) -> Iterator[str]:
    """The address of a server on the CPU."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    hub = tmp_path / "hub"
    hub.mkdir()  # the server lists what is in it
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "--host", "127.0.0.1",
               "--port", str(port), "--device", "cpu"]  # fmt: skip
    offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(hub), "CUDA_VISIBLE_DEVICES": ""}
    with (tmp_path / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | offline, stdout=log, stderr=log)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 120
    while True:
        try:
            opener.open(f"http://127.0.0.1:{port}/health", timeout=5).close()
            break
        except OSError:
            assert process.poll() is None, (tmp_path / "serve.log").read_text()[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.3)
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def texts(job: ScoreJob) -> list[str]:
    """What the judge wrote about each edit."""
    store = Store(Layout(job.results).answer_store)
    contents = [store.get(row.answer_key) for row in score_edits(job)]
    return [content["text"] for content in contents if content is not None]


def test_a_served_copy_of_a_judge_writes_what_the_local_one_writes(
    transformers_serve: str, judge_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path / "leases"))
    served = score_job(
        tmp_path, transformers_serve, 2, model=str(judge_checkpoint), method="generated",
        response_format="text", max_tokens=24, max_tokens_field="max_tokens",
        request_seconds=120, max_seconds=240, breaker_seconds=200,
    )  # fmt: skip
    local = {"judge": "transformers", "checkpoint": str(judge_checkpoint), "dtype": "float32",
             "method": "generated", "answer": "text", "max_new_tokens": 24}  # fmt: skip
    settings = judge_settings(json.dumps(local), "local")
    place = tmp_path / "local.json"
    record.write(resolve(settings, "judges.local"), place)
    here = replace(
        served, name="local", settings=settings, checkpoint_record=place,
        devices=DeviceRequest(["cpu"], 1, 1, "test"),
    )  # fmt: skip
    written = texts(served)
    assert len(written) == 2
    assert written == texts(here)

"""A judge behind a real server: ``transformers serve`` with judges of random weights."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from conftest import Project
from demo.models import save_judge
from edit_benchmark.checkpoints import record
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.resolve import judge_settings
from edit_benchmark.judging.job import ScoreJob, score_edits
from edit_benchmark.records import Score
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.store import Store
from edit_benchmark.runtime.devices import DeviceRequest
from judge_fixtures import make_terse
from served_fixtures import score_job

pytestmark = pytest.mark.slow
COMMAND = [str(Path(sys.executable).with_name("transformers")), "serve"]
OFFLINE = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
#: What a server that loads a model at its first request may need.
PATIENT = {"request_seconds": 120, "max_seconds": 240, "breaker_seconds": 200}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def transformers_serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server on the CPU, which loads each model that is asked for."""
    folder = tmp_path_factory.mktemp("serve")
    (folder / "hub").mkdir()  # the server lists what is in it
    port = str(free_port())
    command = [*COMMAND, "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
    environment = os.environ | OFFLINE | {"HF_HUB_CACHE": str(folder / "hub")}
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 120
    while True:
        try:
            opener.open(f"http://127.0.0.1:{port}/health", timeout=5).close()
            break
        except OSError:
            assert process.poll() is None, (folder / "serve.log").read_text()[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.3)
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def judged(job: ScoreJob) -> tuple[list[Score], list[str]]:
    """The rows of a job, and what the judge wrote about each edit."""
    store = Store(Layout(job.results).answer_store)
    rows = score_edits(job)
    contents = [store.get(row.answer_key) for row in rows]
    return rows, [content["text"] for content in contents if content is not None]


@pytest.fixture(autouse=True)
def _own_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path / "leases"))


def test_a_served_copy_of_a_judge_writes_what_the_local_one_writes(
    transformers_serve: str, judge_checkpoint: Path, tmp_path: Path
) -> None:
    served = score_job(
        tmp_path, transformers_serve, 2, model=str(judge_checkpoint), method="generated",
        response_format="text", max_tokens=24, max_tokens_field="max_tokens", **PATIENT,
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
    of_served, written = judged(served)
    assert len(written) == 2
    of_local, written_here = judged(here)
    assert written == written_here
    # The words are the same, and no score; only a server says that they were cut off.
    assert [row.reason.partition(":")[0] for row in of_served] == ["length"] * 2
    assert [row.reason.partition(":")[0] for row in of_local] == ["unparsable_answer"] * 2


def test_a_server_that_gives_no_log_probabilities_gives_no_score(
    transformers_serve: str, judge_checkpoint: Path, tmp_path: Path
) -> None:
    """It ignores that they were asked for."""
    job = score_job(
        tmp_path, transformers_serve, model=str(judge_checkpoint), max_tokens_field="max_tokens",
        **PATIENT,
    )  # fmt: skip
    ((row,), _) = judged(job)
    assert (row.status, row.score) == ("judge_failed", None)
    assert row.reason.startswith("no_logprobs: ")


# ----- A whole run, which starts its server -----

#: So different that a judge of random weights does not write the same about all.
INSTRUCTIONS = ["add a boat", "RED", "12345678", "turn it {upside} down, please", "----", "Qwerty"]
#: Short, so that the answer depends on the instruction.
PROTOCOL: dict[str, Any] = {
    "scale": [0, 10],
    "overall": "first",
    "calls": {
        "score": {
            "parser": "number",
            "scores": ["score"],
            "ways": [
                {
                    "content": ["source", "edited", "prompt"],
                    "prompt": {"text": "<instruction>?", "fill": {"<instruction>": "instruction"}},
                }
            ],
        }
    },
}


def test_a_run_starts_a_real_server_and_its_judge_agrees_with_the_local_copy(
    project: Project,
) -> None:
    rows = [
        {"id": f"s{number}", "category": "physical", "instruction": words}
        for number, words in enumerate(INSTRUCTIONS)
    ]
    project.benchmark(rows)
    save_judge(project.root / "judge")
    make_terse(project.root / "judge")
    (project.root / "short.yaml").write_text(yaml.safe_dump(PROTOCOL), encoding="utf-8")
    port = free_port()
    command = [*COMMAND, "judge", "--host", "127.0.0.1", "--port", "{port}", "--device", "cpu"]
    project.configure(
        benchmark={"path": "data/benchmark.jsonl", "categories": ["physical"]},
        models={"untouched": {"editor": "identity"}},
        judges={
            "local": {"judge": "transformers", "checkpoint": "judge", "dtype": "float32",
                      "protocol": "short.yaml"},
            "served": {"judge": "openai", "base_url": f"http://127.0.0.1:{port}/v1",
                       "model": "judge", "protocol": "short.yaml",
                       "max_tokens_field": "max_tokens",
                       "serve": {"command": shlex.join(command), "ready_seconds": 120}, **PATIENT},
        },
        score_chunk=3,
    )  # fmt: skip
    project.run(**OFFLINE)
    found = {
        judge: {name: row.score for name, row in
                project.scores("physical", "untouched", judge).items()}
        for judge in ("local", "served")
    }  # fmt: skip
    assert found["served"] == found["local"]
    assert len(set(found["served"].values()) - {None}) > 1
    with (project.root / "results/report/agreement.csv").open(encoding="utf-8-sig") as file:
        (row,) = [row for row in csv.DictReader(file) if row["model"] == "(all)"]
    assert (row["a"], row["b"], int(row["n"])) == ("local", "served", len(INSTRUCTIONS))
    assert float(row["difference"]) == 0
    assert float(row["spearman"]) == pytest.approx(1)
    # Started once for two jobs, asked by them alone, and gone.
    log = Layout(project.root / "results").server_log("judges", "served").read_text()
    (pid,) = re.findall(r"Started server process \[(\d+)\]", log)
    assert log.count("POST /v1/chat/completions") == len(INSTRUCTIONS)
    deadline = time.monotonic() + 15
    while psutil.pid_exists(int(pid)):
        assert time.monotonic() < deadline
        time.sleep(0.1)

"""A job's log says how fast it was and how busy its device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest
import torch

from conftest import ROOT
from edit_benchmark.errors import SampleError
from edit_benchmark.judging.batching import count_answers
from edit_benchmark.judging.judge import Answer
from edit_benchmark.runtime.devices import Device
from edit_benchmark.runtime.gpus import Gpu
from edit_benchmark.runtime.telemetry import Telemetry, job_begins, job_seconds


def test_the_log_says_how_fast_the_job_was() -> None:
    telemetry = Telemetry(Device("cpu", "cpu"), load_seconds=1.5)
    with telemetry.sampling():
        telemetry.count(4, reading=2.0, judging=1.0)
        telemetry.count(4, reading=2.0, judging=1.0)
    line = telemetry.summary()
    assert line.startswith("8 images in ")
    assert "reading 0.500 s an image; judging 0.250 s an image; loading 1.5 s" in line
    assert "failed" not in line


def test_what_failed_is_told_apart_from_what_was_made(tmp_path: Path) -> None:
    answers = [Answer({"c": 5.0}), SampleError("unparsable_answer", "")] * 2
    telemetry = Telemetry(None)
    count_answers(telemetry, answers, judging=4.0, reading=1.0)
    assert telemetry.summary().startswith("2 images in ")
    assert "2 failed in 2.0 s of it; reading 0.250 s an image; judging 1.000 s an" in (
        telemetry.summary()
    )
    telemetry.append_to(tmp_path / "timings.jsonl", "score", "judge", {"settings": {}})
    line = json.loads((tmp_path / "timings.jsonl").read_text(encoding="utf-8"))
    assert (line["images"], line["failed"], line["failed_seconds"]) == (2, 2, 2.0)
    assert line["stages"] == {"reading": 0.5, "judging": 2.0}


def test_the_log_says_how_busy_each_gpu_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def rates(uuid: str) -> SimpleNamespace:
        asked.set()
        return SimpleNamespace(gpu={"GPU-0": 90, "GPU-1": 10}[uuid])

    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", lambda uuid: uuid)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", rates)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda number: (3 - number) * 2**30)
    gpus = tuple(Gpu(number, f"GPU-{number}", "a GPU", "1", 1, 1, {}) for number in range(2))
    telemetry = Telemetry(Device("cuda", "GPU 0", gpus[:1]), load_seconds=1.0)
    with telemetry.sampling():
        assert asked.wait(20)
    assert telemetry.summary().endswith("at most 3.0 GiB of device memory; GPU busy 90 %")
    asked.clear()
    both = Telemetry(Device("cuda", "GPU 0 and GPU 1", gpus))
    with both.sampling():
        assert asked.wait(20)
    log = "at most 3.0 and 2.0 GiB of device memory; GPU busy 90 and 10 %"
    assert both.summary().endswith(log)
    both.append_to(tmp_path / "timings.jsonl", "edit", "m", {"settings": {}})
    line = json.loads((tmp_path / "timings.jsonl").read_text(encoding="utf-8"))
    assert (line["gpu"], line["gpus"], line["busy"], line["peak_gib"]) == ("a GPU", 2, 0.5, 3.0)


def test_the_age_of_a_process_is_right_to_a_tenth_of_a_second() -> None:
    code = "from edit_benchmark.runtime.telemetry import job_seconds as s; print(s())"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    began = time.monotonic()
    age = float(subprocess.check_output([sys.executable, "-c", code], env=environment, text=True))
    assert 0 < age < time.monotonic() - began + 0.02


def test_a_job_of_a_kept_process_begins_when_it_comes() -> None:
    assert job_seconds() > 0.5  # since the process of the tests was started
    job_begins()
    assert 0 <= job_seconds() < 0.5

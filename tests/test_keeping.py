"""A loaded model outlives its job, serves the next ones alike, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

import fault_run
from conftest import Project
from edit_benchmark.runtime.devices import Device, device_from
from edit_benchmark.runtime.gpus import Gpu
from runs import SLOW, one_category, start, stored, tables, wait_for_edits

TWO = {"one": {"editor": "class_path", "class_path": "toys.Painter"},
       "two": {"editor": "class_path", "class_path": "toys.Painter", "seed": 1}}  # fmt: skip


def kill(project: Project, script: str) -> None:
    """Kill what runs a script of the workflow in a run of ``project``."""
    for process in fault_run.processes(project.root / "leases", script):
        process.kill()


def nothing_is_left(project: Project) -> bool:
    return not fault_run.left_over(project.root / "leases")


@pytest.fixture(autouse=True)
def _end_all(project: Project) -> Iterator[None]:
    yield
    for process in fault_run.processes(project.root / "leases"):
        with suppress(psutil.Error):
            process.kill()


def test_a_model_is_loaded_once_for_each_device(project: Project) -> None:
    one_category(project, 4, models=TWO, shards=4)
    project.run()
    # Two models, two devices; four edit jobs for each model.
    assert len(project.calls("load")) <= 4
    assert len(project.calls("edit")) == 8
    assert nothing_is_left(project)
    with_keeping, images = tables(project), project.images()
    log = "".join(path.read_text() for path in (project.root / "results/logs/edit").rglob("*.log"))
    assert log.count("loaded in") <= 4
    assert "was found loaded" in log
    # Nothing is another number without.
    (project.root / "results").rename(project.root / "kept")
    project.forget_calls()
    one_category(project, 4, models=TWO, shards=4, keep_loaded=0)
    project.run()
    assert len(project.calls("load")) == 8
    assert tables(project) == with_keeping
    assert project.images() == images


def test_a_hung_model_is_ended_with_its_run(project: Project) -> None:
    one_category(project, models={"painter": SLOW | {"params": {"delay": 1000}}})
    run = start(project)
    while not project.calls("edit"):
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    run.communicate(timeout=60)
    assert nothing_is_left(project)


def test_a_killed_job_keeps_the_picture_at_hand(project: Project) -> None:
    one_category(project, shards=1, models={"painter": SLOW | {"params": {"delay": 1.5}}})
    run = start(project)
    wait_for_edits(project, 1)
    time.sleep(0.3)
    kill(project, "edit.py")
    output, _ = run.communicate(timeout=120)
    assert run.returncode != 0, output
    assert nothing_is_left(project)
    # The one that was under way, and no more after it.
    assert len(stored(project)) == 2
    assert len(project.calls("edit")) == 2


def test_whatever_part_is_killed_it_is_one_sentence_and_nothing_is_left_or_lost(
    project: Project,
) -> None:
    one_category(project, 10, shards=1, models={"painter": SLOW})
    for part, sentence in (
        ("model_process.py", "signal SIGKILL"),
        ("keeper.py", "shares out the devices was ended"),
    ):
        before = len(stored(project))
        run = start(project)
        wait_for_edits(project, before + 1)
        kill(project, part)
        output, _ = run.communicate(timeout=120)
        assert sentence in output
        assert "Traceback" not in output
        assert nothing_is_left(project)
    before = len(stored(project))
    run = start(project)
    wait_for_edits(project, before + 1)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)
    assert nothing_is_left(project)
    kept = stored(project)
    project.run()
    assert kept <= stored(project)
    assert len(project.edits("physical")) == 10


def test_two_runs_share_a_device_by_turns(project: Project, tmp_path: Path) -> None:
    """Each has jobs left when the other waits: neither keeps the device until its end."""
    one_category(project, 4, shards=2, device_ids=["cpu"], models={"painter": SLOW})
    other = Project(tmp_path / "other")
    subprocess.run(["cp", "-r", project.root, other.root], check=True)
    environment = {"EDIT_BENCHMARK_LEASES": str(project.root / "leases")}
    runs = [start(project), start(other, **environment)]
    for run in runs:
        output, _ = run.communicate(timeout=300)
        assert run.returncode == 0, output
    for one in (project, other):
        assert len(one.calls("edit")) == 4
        assert len(one.edits("physical")) == 4


def test_a_model_process_takes_its_device_as_the_keeper_found_it() -> None:
    # It sees no other GPU, so it could not find this one by its number.
    gpu = Gpu(1, "GPU-1", "H100", "1", 5, 9, {7: 3})
    device = Device("cuda", "GPU 1 (H100, GPU-1)", (gpu,), "GPU-1")
    received = device_from(json.loads(json.dumps(asdict(device))))
    assert (received.label, received.visible, received.model_name) == (
        device.label,
        "GPU-1",
        "H100",
    )
    assert [(gpu.uuid, gpu.total) for gpu in received.gpus] == [("GPU-1", 9)]

"""Leases: never two jobs on one device, whatever becomes of their processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from conftest import ROOT
from edit_benchmark.errors import UserError
from edit_benchmark.runtime import devices, gpus, leases

GIB = 2**30
HOLD = """
import sys, time
from edit_benchmark.runtime import devices, leases
from edit_benchmark.runtime.command_line import run
count = int(sys.argv[4]) if len(sys.argv) > 4 else 1
request = devices.DeviceRequest(["cpu"] * max(2, count + 1), 1, count, sys.argv[1], count=count)
def main():
    with leases.lease(request) as device:
        with leases.load_slot(request):
            print("load", time.time(), flush=True)
            time.sleep(float(sys.argv[3]))
            print("loaded", time.time(), flush=True)
        print("have", device.label.replace(" and ", "+"), time.time(), flush=True)
        time.sleep(float(sys.argv[2]))
        print("done", device.label.replace(" and ", "+"), time.time(), flush=True)
run(main)
"""


@pytest.fixture(autouse=True)
def _own_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path / "leases"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def hold(name: str, seconds: float, load: float = 0, count: int = 1) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, name, str(seconds), str(load), str(count)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def request(*ids: int | str, granted: int = 1, count: int = 1) -> devices.DeviceRequest:
    return devices.DeviceRequest(list(ids), 1, granted, "test", count=count)


def gpu(index: int, free: int = 80 * GIB, processes: dict[int, int] | None = None) -> gpus.Gpu:
    return gpus.Gpu(index, f"GPU-{index}", "H100", "1", free, 80 * GIB, processes or {})


def test_thirty_jobs_on_two_devices_are_never_two_on_one() -> None:
    """Every third of them is killed while it holds its device."""
    jobs = []
    for number in range(30):
        job = hold(f"job {number}", 0.05)
        if number % 3 == 2:
            time.sleep(0.3)
            job.kill()
        jobs.append(job)
    spans: dict[str, list[tuple[float, float]]] = {}
    finished = 0
    for job in jobs:
        output, _ = job.communicate(timeout=120)
        lines = [line.split() for line in output.splitlines() if line.startswith(("have", "done"))]
        if len(lines) == 2:
            finished += 1
            spans.setdefault(lines[0][1], []).append((float(lines[0][2]), float(lines[1][2])))
    assert finished >= 20
    assert set(spans) == {"cpu-0", "cpu-1"}
    for held in spans.values():
        assert all(first[1] <= second[0] for first, second in pairwise(sorted(held)))


def test_one_model_loads_at_a_time() -> None:
    jobs = [hold(f"job {number}", 0, load=0.3) for number in range(4)]
    times = []
    for job in jobs:
        output, _ = job.communicate(timeout=60)
        words = [line.split() for line in output.splitlines()]
        times.append((float(words[0][1]), float(words[1][1])))
    assert all(first[1] <= second[0] for first, second in pairwise(sorted(times)))


def test_who_waits_for_a_load_slot_imports_meanwhile() -> None:
    holder = hold("holder", 0, load=3)
    assert holder.stdout is not None
    holder.stdout.readline()
    done: list[float] = []

    def meanwhile() -> None:
        done.append(time.monotonic())
        raise ImportError  # which shows when the model is loaded

    with leases.load_slot(request("cpu"), meanwhile):
        assert holder.poll() is not None or holder.stdout.readline().startswith("loaded")
        assert len(done) == 1
        assert time.monotonic() - done[0] > 1
    with leases.load_slot(request("cpu"), meanwhile):
        assert len(done) == 1  # nobody to wait for
    holder.communicate()


def test_a_killed_holder_frees_device_and_load_slot_and_the_waiting_say_for_whom() -> None:
    holders = [hold("edit painter physical 1-of-2", 60), hold("holder 2", 60)]
    for holder in holders:
        assert holder.stdout is not None
        for _ in range(3):
            holder.stdout.readline()
    waiting = hold("waiting", 0)
    time.sleep(1.5)
    assert waiting.poll() is None
    for holder in holders:
        holder.send_signal(signal.SIGKILL)
    output, log = waiting.communicate(timeout=30)
    assert "done" in output
    assert "waiting for a device, held are cpu-0: pid" in log
    assert "edit painter physical 1-of-2" in log


def test_devices_are_taken_in_the_order_of_preference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "present", lambda: [gpu(number) for number in range(4)])
    with leases.lease(request(2, 3, 0, 1)) as first:
        assert first.label.startswith("GPU 2 ")
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-2"
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        with leases.lease(request(2, 3, 0, 1)) as second:
            assert second.label.startswith("GPU 3 ")


def test_a_gpu_that_is_not_there_or_hidden_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "present", lambda: [gpu(0), gpu(1)])
    with pytest.raises(UserError, match="GPU 5 is not there, this host has GPU 0, 1"):
        gpus.check([0, 5])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(UserError, match="GPU 0 is hidden by CUDA_VISIBLE_DEVICES=1"):
        gpus.check([0, 1])
    gpus.check([1])


def test_no_grant_is_refused() -> None:
    with (
        pytest.raises(UserError, match="--resources gpu=N"),
        leases.lease(request("cpu", granted=0)),
    ):
        pass


def test_several_devices_of_a_scheduler_are_leased(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with leases.lease(request(0)):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        with leases.lease(request(0)):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


def test_too_little_memory_is_named_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = gpu(0, 10 * GIB, {4711: 70 * GIB})
    monkeypatch.setattr(gpus, "present", lambda: [busy])
    gpus.check_memory([busy], 9 * GIB, "small")
    with pytest.raises(UserError) as caught:
        gpus.check_memory([busy], 54 * GIB, "Qwen/Qwen-Image-Edit")
    for part in ("10.0 GiB free of 80.0 GiB", "54.0 GiB", "pid 4711 (70.0 GiB)", "Qwen-Image-Edit"):
        assert part in str(caught.value)


def test_jobs_that_take_two_devices_each_never_wait_for_one_another() -> None:
    """Of three devices, beside jobs that take one of the first two."""
    jobs = [hold(f"job {number}", 0.05, count=1 + number % 2) for number in range(10)]
    spans: dict[str, list[tuple[float, float]]] = {}
    for job in jobs:
        output, log = job.communicate(timeout=60)
        assert job.returncode == 0, log
        have, done = (line.split() for line in output.splitlines() if line[:4] in ("have", "done"))
        for device in have[1].split("+"):
            spans.setdefault(device, []).append((float(have[2]), float(done[2])))
    assert sum(map(len, spans.values())) == 15
    for held in spans.values():
        assert all(first[1] <= second[0] for first, second in pairwise(sorted(held)))


def test_a_job_of_several_devices_sees_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "present", lambda: [gpu(number) for number in range(3)])
    with leases.lease(request(2, 0, granted=2, count=2)) as device:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == device.visible == "GPU-0,GPU-2"
        assert [one.index for one in device.gpus] == [0, 2]
        assert device.model_name == "H100"  # not another than that of a job of one device
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        with leases.lease(request(2, 0, 1)) as other:
            assert other.label.startswith("GPU 1 ")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with leases.lease(request(0, granted=2, count=2)) as scheduled:
        assert scheduled.visible == "0,1"


def test_fewer_devices_than_the_model_is_placed_over_are_refused() -> None:
    with (
        pytest.raises(UserError, match=r"granted gpu=1, but .* gpu: 2 devices; .* at least 2"),
        leases.lease(request("cpu", "cpu", count=2)),
    ):
        pass
    with (
        pytest.raises(UserError, match="gpu: 2 devices, and this job may use only cpu-0"),
        leases.lease(request("cpu", granted=2, count=2)),
    ):
        pass


def test_memory_is_that_of_all_devices_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    two = [gpu(0, 60 * GIB), gpu(1, 50 * GIB)]
    monkeypatch.setattr(gpus, "present", lambda: two)
    gpus.check_memory(two, 105 * GIB, "flux")
    with pytest.raises(UserError, match=r"GPU 0 has 60.0 GiB free .* and GPU 1 has 50.0 GiB"):
        gpus.check_memory(two, 111 * GIB, "flux")

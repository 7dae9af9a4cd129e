"""What a scheduler hands out is what a job uses, in whatever shape it comes."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from conftest import Project
from edit_benchmark.errors import UserError
from edit_benchmark.runtime import devices, gpus, leases, run_lock, schedulers
from edit_benchmark.runtime.devices import DeviceRequest
from edit_benchmark.runtime.keeping import resident
from runs import one_category

GIB = 2**30
# What each sets in a job, and the job's name in what users read.
JOBS = {
    "Slurm": ({"SLURM_JOB_ID": "7"}, "7"),
    "PBS": ({"PBS_JOBID": "7.head/x"}, "7.head/x"),
    "LSF": ({"LSB_JOBID": "7"}, "7"),
    "SGE": ({"JOB_ID": "7", "SGE_TASK_ID": "undefined"}, "7"),
    "HTCondor": ({"_CONDOR_SCRATCH_DIR": "/var/condor/dir_7"}, "/var/condor/dir_7"),
    "Kubernetes": ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, ""),
}


@dataclass
class Card:
    """A GPU as NVML tells of it; ``slices`` None if MIG is off, else the bytes of each slice."""

    uuid: str
    slices: Mapping[str, int | None] | None = None
    total: int = 80 * GIB
    parts: list[Card] = field(default_factory=list)

    def __post_init__(self) -> None:
        for uuid, total in (self.slices or {}).items():
            self.parts.append(Card(uuid, total=total or 0))


@pytest.fixture(autouse=True)
def _no_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path / "leases"))
    for name in (schedulers.VISIBLE, "PBS_GPUFILE", "SGE_HGR_gpu", "JOB_ID"):
        monkeypatch.delenv(name, raising=False)


def host(monkeypatch: pytest.MonkeyPatch, *cards: Card) -> None:
    """Have NVML tell of ``cards``."""

    def mode(card: Card) -> list[int]:
        if card.slices is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return [pynvml.NVML_DEVICE_MIG_ENABLE, pynvml.NVML_DEVICE_MIG_ENABLE]

    def part(card: Card, number: int) -> Card:
        if number >= len(card.parts):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return card.parts[number]

    def memory(card: Card) -> SimpleNamespace:
        if not card.total:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NO_PERMISSION)
        return SimpleNamespace(free=card.total, total=card.total)

    answers = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: len(cards),
        "nvmlDeviceGetHandleByIndex": lambda index: cards[index],
        "nvmlDeviceGetMigMode": mode,
        "nvmlDeviceGetMaxMigDeviceCount": lambda card: 7,
        "nvmlDeviceGetMigDeviceHandleByIndex": part,
        "nvmlDeviceGetMemoryInfo": memory,
        "nvmlDeviceGetComputeRunningProcesses": lambda card: [],
        "nvmlDeviceGetUUID": lambda card: card.uuid,
        "nvmlDeviceGetName": lambda card: f"name of {card.uuid}",
        "nvmlSystemGetDriverVersion": lambda: "1",
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)


def in_job(monkeypatch: pytest.MonkeyPatch, name: str, visible: str | None) -> None:
    for variable, value in JOBS[name][0].items():
        monkeypatch.setenv(variable, value)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)


def request(*ids: int | str, count: int = 1) -> DeviceRequest:
    return DeviceRequest(list(ids), 1, count, "test", count=count)


def given(ids: Sequence[int | str]) -> list[str]:
    return [device.visible for device in devices.usable(ids).values()]


def is_free(device: int | str) -> bool:
    """Whether a job that asks for a device would get it without waiting."""
    (name,) = devices.usable([device])
    lock = leases.take(name, "a question")
    if lock is not None:
        lock.close()
    return lock is not None


@pytest.mark.parametrize("name", JOBS)
def test_device_ids_give_way_to_what_any_scheduler_names_and_the_log_says_so(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    host(monkeypatch, *(Card(f"GPU-{number}a") for number in range(4)))
    in_job(monkeypatch, name, "3")
    with leases.lease(request(0, 1, 2)) as device:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
        assert [gpu.uuid for gpu in device.gpus] == ["GPU-3a"]
    job = JOBS[name][1] or socket.gethostname()
    assert f"device_ids give way to what {name} ({job}) handed out: GPU 3 (" in caplog.text


@pytest.mark.parametrize(
    "visible", ["", "NoDevFiles", "-1", "none", "10000", "GPU-9", "0,0", "-1,0"]
)
def test_a_job_that_was_given_no_gpu_ends_with_one_sentence(
    visible: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host(monkeypatch, Card("GPU-0a"), Card("GPU-1a"))
    in_job(monkeypatch, "Slurm", visible)
    with pytest.raises(UserError) as caught:
        devices.candidates(request(0))
    assert f"Slurm (7) gave this job no GPU (CUDA_VISIBLE_DEVICES={visible})" in str(caught.value)
    assert "\n" not in str(caught.value)
    devices.candidates(request("cpu"))  # needs none


def test_a_pod_that_is_shown_no_gpu_ends_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    host(monkeypatch)
    in_job(monkeypatch, "Kubernetes", None)
    with pytest.raises(UserError, match=r"gave this job no GPU \(the driver shows none\)"):
        devices.candidates(request(0))


@pytest.mark.parametrize(
    ("visible", "uuids"),
    [
        ("GPU-1", ["GPU-1a"]),  # HTCondor's short names
        ("GPU-0,GPU-2", ["GPU-0a"]),  # the beginning of two
        ("1,-1,0", ["GPU-1a"]),
        ("0, 1", ["GPU-0a", "GPU-1a"]),
        ("0,7,1", ["GPU-0a"]),
    ],
)
def test_what_is_named_is_read_as_cuda_reads_it(
    visible: str, uuids: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    host(monkeypatch, *(Card(f"GPU-{name}") for name in ("0a", "1a", "2a", "2b")))
    in_job(monkeypatch, "HTCondor", visible)
    found = devices.usable([5]).values()
    assert [gpu.uuid for device in found for gpu in device.gpus] == uuids
    # And so where there is no scheduler.
    monkeypatch.delenv("_CONDOR_SCRATCH_DIR")
    shown = [gpu.index for gpu in gpus.visible()]
    gpus.check(shown)
    with pytest.raises(UserError, match="is hidden by"):
        gpus.check([*shown, 3])


def test_the_variables_of_torque_and_grid_engine_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host(monkeypatch, *(Card(f"GPU-{number}a") for number in range(3)))
    (tmp_path / "gpus").write_text("node-gpu1\nnode-gpu2\n")
    in_job(monkeypatch, "PBS", None)
    monkeypatch.setenv("PBS_GPUFILE", str(tmp_path / "gpus"))
    assert given([0]) == ["1", "2"]
    monkeypatch.delenv("PBS_GPUFILE")
    monkeypatch.setenv("SGE_HGR_gpu", "2")
    assert given([0]) == ["2"]


def test_a_pod_has_the_gpus_that_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    host(monkeypatch, Card("GPU-0a"))
    in_job(monkeypatch, "Kubernetes", None)
    assert given([0, 1, 2, 3, 4, 5]) == ["GPU-0a"]
    assert devices.worker_count([0, 1, 2, 3, 4, 5]) == 1
    # Of a pod with many, device_ids may choose.
    host(monkeypatch, *(Card(f"GPU-{number}a") for number in range(4)))
    assert given([2, 1]) == ["GPU-2a", "GPU-1a"]
    assert devices.worker_count([2, 1]) == 2


def test_a_slice_has_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    host(monkeypatch, Card("GPU-0a", {"MIG-a1": 10 * GIB, "MIG-b2": 20 * GIB}), Card("GPU-1a"))
    in_job(monkeypatch, "Slurm", "MIG-b2")
    (device,) = devices.usable([0]).values()
    with pytest.raises(UserError, match=r"20\.0 GiB free of 20\.0 GiB"):
        gpus.check_memory(device.gpus, 54 * GIB, "Qwen/Qwen-Image-Edit")
    gpus.check_memory(device.gpus, 15 * GIB, "small")
    # A number names the first slice, as CUDA has it.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    (device,) = devices.usable([0]).values()
    assert [gpu.uuid for gpu in device.gpus] == ["MIG-a1"]
    monkeypatch.delenv("SLURM_JOB_ID")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert given([0, 1]) == ["MIG-a1", "GPU-1a"]


@pytest.mark.parametrize(
    ("slices", "visible"),
    [
        ({}, "MIG-b2"),  # the container is shown the GPU, not its slices
        ({}, "0"),
        ({"MIG-b2": None}, "MIG-b2"),  # nor may it ask for their memory
        ({"MIG-a1": 10 * GIB}, "MIG-GPU-0a/1/0"),  # an older driver's name
    ],
)
def test_memory_that_is_not_known_is_not_that_of_the_whole_gpu(
    slices: Mapping[str, int | None],
    visible: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    host(monkeypatch, Card("GPU-0a", slices))
    in_job(monkeypatch, "Slurm", visible)
    with leases.lease(request(0)) as device:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == visible
        gpus.check_memory(device.gpus, 54 * GIB, "Qwen/Qwen-Image-Edit")
    assert "memory of the device cannot be checked; Qwen/Qwen-Image-Edit needs 54.0" in caplog.text


def test_jobs_of_one_allocation_take_turns_and_those_of_two_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A GPU that a scheduler gives to two jobs is to be shared; within a job it is not."""
    host(monkeypatch, Card("GPU-0a"))
    in_job(monkeypatch, "Slurm", "0")
    with leases.lease(request(0)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        (name,) = devices.usable([0])
        assert leases.take(name, "another process") is None
        monkeypatch.setenv("SLURM_JOB_ID", "8")
        assert is_free(0)
        with leases.lease(request(0)):
            pass


def test_workers_on_the_cpu_are_those_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred jobs of a node do not wait for the one worker that device_ids names."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with leases.lease(request("cpu")):
        monkeypatch.setenv("SLURM_JOB_ID", "8")
        assert is_free("cpu")
        with leases.lease(request("cpu")) as device:
            assert device.torch_name == "cpu"


def test_jobs_of_a_node_load_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    loaded = threading.Event()

    def load() -> None:
        with leases.load_slot(request(0)):
            loaded.set()

    with leases.load_slot(request(0)):
        monkeypatch.setenv("SLURM_JOB_ID", "8")
        thread = threading.Thread(target=load)
        thread.start()
        time.sleep(0.3)
        assert not loaded.is_set()
    thread.join(10)
    assert loaded.is_set()


def test_a_job_that_outlived_its_run_ends_when_another_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results"
    with run_lock.hold(results):
        monkeypatch.setenv(run_lock.RUN, run_lock.this_run(results))
        resident.stop_if_asked()
    resident.stop_if_asked()  # its Snakemake was killed: no reason to stop
    with run_lock.hold(results), pytest.raises(UserError, match="another one has begun in"):
        resident.stop_if_asked()


def test_a_clusters_job_loads_its_model_itself_and_is_not_one_of_the_heads_host(
    project: Project,
) -> None:
    """On another host the head's pid is nobody, and the job would take its run for ended."""
    one_category(project, 2)
    commands = project.root / "bin"
    commands.mkdir()
    for name in ("sbatch", "squeue", "sacct", "scontrol", "sinfo", "scancel"):
        keep = f"env > {project.root}/sbatch.env; exit 1" if name == "sbatch" else "exit 0"
        (commands / name).write_text(f"#!/bin/sh\n{keep}\n")
        (commands / name).chmod(0o755)
    profile = ["--profile", "workflow/profiles/slurm", "--configfile", "config/test.yaml"]
    path = f"{commands}:{os.environ['PATH']}"
    options = ["--slurm-no-account", "--retries", "0", "--seconds-between-status-checks", "1",
               "--slurm-init-seconds-before-status-checks", "1"]  # fmt: skip
    project.snakemake(*profile, *options, code=1, env={"PATH": path})
    environment = (project.root / "sbatch.env").read_text()
    assert "EDIT_BENCHMARK_RUN=" not in environment
    lock = project.root / "results" / ".run.lock"
    assert f"{run_lock.RUN}={json.loads(lock.read_text())['run']}:{lock}" in environment
    # As the executor starts it on a node.
    options = ["--mode", "remote", "--cores", "all", "--dry-run", "--printshellcmds"]
    plan = project.snakemake("--configfile", "config/test.yaml", *options).stdout
    assert "scripts/edit.py" in plan
    assert "--keep-loaded 60" not in plan
    assert "--keep-loaded 0" in plan


def test_jobs_that_a_scheduler_was_given_are_not_mistaken_for_settings() -> None:
    words = ["snakemake", "--set-resources", "edit:mem_mb=1", "edit:runtime=2", "--target-jobs",
             "edit:model=m,category=physical", "edit:model=m,category=social", "--allowed-rules",
             "edit"]  # fmt: skip
    assert schedulers.given_jobs(words) == [words[5], words[6]]
    assert schedulers.given_jobs(words[:4]) == []

"""A checkpoint on a node's own disk: copied once, whole or not there, no reason to stop."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from conftest import ROOT, Project
from edit_benchmark.checkpoints import record, staging
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.resolve import editor_settings
from runs import asked, one_category

WEIGHTS = "transformer/model.safetensors"
# A job as far as staging goes, and what it was given.
JOB = """
import logging, sys
from pathlib import Path
from edit_benchmark.checkpoints import record, staging
logging.basicConfig(level=logging.INFO)
print(staging.stage(record.read(Path(sys.argv[1])), sys.argv[2]).path)
"""
KILLED = "import os; os.fsync = lambda file: os.kill(os.getpid(), 9)\n"
# Keeps the path that it was given.
PAINTER = """
from pathlib import Path
import toys

class Painter(toys.Painter):
    def __init__(self, checkpoint, dtype, device):
        super().__init__(checkpoint, dtype, device)
        Path("given.txt").write_text(checkpoint)
"""


def weights(folder: Path) -> Path:
    """A checkpoint, with a link as the hub's cache has them."""
    (folder / "transformer").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    blob = folder.with_name("blob")
    # Longer than what the fingerprint reads of a tensor.
    save_file({name: np.arange(4096, dtype=np.float32) for name in "ab"}, blob)
    (folder / WEIGHTS).symlink_to(blob)
    return folder


def resolved(folder: Path) -> Checkpoint:
    settings = {"editor": "class_path", "class_path": "a.B", "checkpoint": str(folder)}
    found = resolve(editor_settings(json.dumps(settings), "m"), "models.m")
    assert found is not None
    return found


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return resolved(weights(tmp_path / "shared"))


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The node's own, which the environment names."""
    monkeypatch.setenv("NODE_DISK", str(tmp_path / "disk"))
    return tmp_path / "disk" / f"image-edit-benchmark-{os.getuid()}"


def copies(disk: Path) -> list[str]:
    return sorted(path.name for path in disk.iterdir() if path.suffix != ".lock")


def job(checkpoint: Checkpoint, folder: Path, before: str = "") -> subprocess.Popen[str]:
    record.write(checkpoint, folder / "checkpoint.json")
    return subprocess.Popen(
        [sys.executable, "-c", before + JOB, str(folder / "checkpoint.json"), "$NODE_DISK"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_of_two_jobs_at_once_one_copies_and_the_other_waits(
    checkpoint: Checkpoint, disk: Path, tmp_path: Path
) -> None:
    disk.mkdir(parents=True)
    with (disk / f"{checkpoint.fingerprint}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        jobs = [job(checkpoint, tmp_path) for _ in range(2)]
        for one in jobs:
            assert one.stderr is not None
            assert "waiting for it" in one.stderr.readline()
    told = [one.communicate(timeout=60) for one in jobs]
    assert {path.strip() for path, _ in told} == {str(disk / checkpoint.fingerprint)}
    assert sorted("was found staged" in log for _, log in told) == [False, True]
    assert copies(disk) == [checkpoint.fingerprint]
    for name in (WEIGHTS, "config.json"):
        copy = disk / checkpoint.fingerprint / name
        assert copy.read_bytes() == Path(checkpoint.path, name).read_bytes()
        assert not copy.is_symlink()


def test_a_job_that_is_killed_while_it_copies_leaves_no_checkpoint(
    checkpoint: Checkpoint, disk: Path, tmp_path: Path
) -> None:
    killed = job(checkpoint, tmp_path, KILLED)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert [name.endswith(".part") for name in copies(disk)] == [True]
    staged = staging.stage(checkpoint, "$NODE_DISK")
    assert staged.path == str(disk / checkpoint.fingerprint)
    assert copies(disk) == [checkpoint.fingerprint]


def shorten(copy: Path) -> None:
    os.truncate(copy, copy.stat().st_size - 4)


def alter(copy: Path) -> None:
    data = bytearray(copy.read_bytes())
    data[-8192] ^= 1  # in the middle of the last tensor
    copy.write_bytes(data)


@pytest.mark.parametrize("spoil", [shorten, alter, os.remove])
def test_a_copy_that_is_not_the_checkpoint_is_made_again(
    checkpoint: Checkpoint,
    disk: Path,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], None],
) -> None:
    copy = Path(staging.stage(checkpoint, "${NODE_DISK}").path, WEIGHTS)
    spoil(copy)
    assert staging.stage(checkpoint, "${NODE_DISK}").path == str(copy.parents[1])
    assert copy.read_bytes() == Path(checkpoint.path, WEIGHTS).read_bytes()
    assert "not the checkpoint that was copied there: copied again" in caplog.text


def test_another_checkpoint_has_a_copy_of_its_own(
    checkpoint: Checkpoint, disk: Path, tmp_path: Path
) -> None:
    staging.stage(checkpoint, "$NODE_DISK")
    save_file({"a": np.ones(64, np.float32)}, tmp_path / "blob")
    other = resolved(Path(checkpoint.path))
    staging.stage(other, "$NODE_DISK")
    assert copies(disk) == sorted([checkpoint.fingerprint, other.fingerprint])


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)


def full(monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)


def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(source: Path, target: Path) -> None:
        shutil.copyfile(source, target)
        if target.name == Path(WEIGHTS).name:
            shorten(target)

    monkeypatch.setattr(shutil, "copy2", copy)


def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NODE_DISK")


def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_DISK", "")


def is_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_DISK", __file__)


@pytest.mark.parametrize(
    ("obstacle", "problem"),
    [
        (small, "its disk has 0.0 GiB free, and the checkpoint takes 0.0; make room there"),
        (full, "its disk is full (No space left on device); make room there"),
        (broken, "what was copied is not what was read; look after its disk"),
        (unset, "the job's environment has no NODE_DISK"),
        (empty, "the job's environment has no NODE_DISK"),
        (is_file, "Not a directory"),
    ],
)
def test_where_there_can_be_no_copy_the_log_says_why_and_the_job_goes_on(
    checkpoint: Checkpoint,
    disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    obstacle: Callable[[pytest.MonkeyPatch], None],
    problem: str,
) -> None:
    obstacle(monkeypatch)
    assert staging.stage(checkpoint, "$NODE_DISK") == checkpoint
    assert f"{checkpoint.name} is not staged in $NODE_DISK: " in caplog.text
    assert problem in caplog.text
    assert f"it is loaded from {checkpoint.path}" in caplog.text
    assert not disk.exists() or not copies(disk)


def test_a_disk_without_locks_has_copies_too(
    checkpoint: Checkpoint, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert staging.stage(checkpoint, "$NODE_DISK").path == str(disk / checkpoint.fingerprint)
    # Another job was faster.
    monkeypatch.setattr(staging, "_is_whole", staged_meanwhile(disk / checkpoint.fingerprint))
    assert staging.stage(checkpoint, "$NODE_DISK").path == str(disk / checkpoint.fingerprint)
    assert copies(disk) == [checkpoint.fingerprint]


def staged_meanwhile(copy: Path) -> Callable[[Path, Path, str], bool]:
    """As :func:`staging._is_whole`, but for the first look at a copy, which came too early."""
    looks = [False]

    def is_whole(path: Path, source: Path, expected: str) -> bool:
        return looks.pop() if looks and path == copy else whole(path, source, expected)

    whole = staging._is_whole
    return is_whole


def test_a_staged_run_has_the_keys_of_any_other(project: Project) -> None:
    weights(project.root / "weights")
    (project.root / "given.py").write_text(PAINTER)
    painter = {"editor": "class_path", "class_path": "given.Painter", "checkpoint": "weights"}
    settings = {"models": {"painter": painter}, "device_ids": ["cpu"]}
    one_category(project, 2, stage_checkpoints="${NODE_DISK}/x", **settings)
    project.run(NODE_DISK=str(project.root / "disk"))
    given = Path((project.root / "given.txt").read_text())
    assert given.is_relative_to(project.root / "disk/x")
    assert given.joinpath(WEIGHTS).is_file()
    assert len(asked(project)) == 2
    project.forget_calls()
    one_category(project, 2, **settings)
    project.run("--forcerun", "edit")
    assert not asked(project)

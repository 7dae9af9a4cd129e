"""Places that cannot be written, full disks and umasks: one sentence, or it works."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT
from edit_benchmark.errors import UserError
from edit_benchmark.results.files import check_folder, write_text
from edit_benchmark.runtime import leases, run_lock
from edit_benchmark.runtime.devices import DeviceRequest
from edit_benchmark.runtime.leases import lease


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_follow_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    os.umask(mask)
    write_text(tmp_path / "new" / "table", "x")
    write_text(tmp_path / "new" / "table", "y")
    assert stat.S_IMODE((tmp_path / "new" / "table").stat().st_mode) == mode
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["table"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    write_text(tmp_path / "table", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(tmp_path / "table", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("place", ["file/leases", "/proc/leases"])
def test_a_folder_for_leases_that_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path / place))
    with pytest.raises(UserError, match=r"no lock file .* set EDIT_BENCHMARK_LEASES to a folder"):  # noqa: SIM117
        with lease(DeviceRequest(["cpu"], 1, 1, "a test")):
            pass


CLOSING = """
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from edit_benchmark.results.files import read_bytes, write_bytes
from edit_benchmark.runtime.containment import contained, prints_in_log

def misbehave():
    os.close(1)
    try:
        os.write(1, b"x")
    except OSError:
        pass

def work(folder):
    for number in range(300):
        data = bytes(1000) + str(number).encode()
        write_bytes(folder / str(number), data)
        assert read_bytes(folder / str(number)) == data, number

with ThreadPoolExecutor(1) as pool, prints_in_log():
    working = pool.submit(work, Path(os.environ["FOLDER"]))
    while not working.done():
        contained(misbehave)
working.result()
"""


def test_files_of_other_threads_survive_a_class_that_closes_its_streams(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts"), "FOLDER": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CLOSING], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("umask")
def test_lock_files_are_everybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.umask(0o077)
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path / "leases"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with lease(DeviceRequest(["cpu"], 1, 1, "a test")):
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "leases").iterdir()]
    assert modes == [0o666]


@pytest.mark.usefixtures("umask")
def test_a_results_folder_is_locked_for_whoever_may_write_there(tmp_path: Path) -> None:
    os.umask(0o077)
    with run_lock.hold(tmp_path):
        path = tmp_path / ".run.lock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        with pytest.raises(UserError, match=f"is in use by the run of pid {os.getpid()} on"):
            run_lock.hold(tmp_path)
    run_lock.hold(tmp_path).close()


def test_a_results_folder_that_cannot_be_locked_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def flock(file: object, operation: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    run_lock.hold(tmp_path).close()
    assert "cannot lock files (Function not implemented)" in capsys.readouterr().err


def test_a_wish_for_a_device_is_seen_even_if_somebody_just_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path))
    with (tmp_path / "cpu-0.wanted").open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_EX)
        timer = threading.Timer(0.2, lambda: fcntl.flock(looking, fcntl.LOCK_UN))
        timer.start()
        with leases.wish(["cpu-0"]):
            timer.join()
            assert leases.is_wanted("cpu-0")
    assert not leases.is_wanted("cpu-0")


def test_a_results_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"/file/x: nothing can be written there \(Not a directory"):
        check_folder(tmp_path / "file" / "x")
    check_folder(tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [("gone.jsonl", "error: gone.jsonl is missing"), ("/dev/null", "error: cannot write")],
)
def test_the_cause_reaches_the_terminal_where_the_log_is_full(
    tmp_path: Path, edits: str, sentence: str
) -> None:
    """/dev/full takes nothing, as a full disk."""
    command = [sys.executable, str(ROOT / "scripts" / "collect_scores.py"), "--edits", edits,
               "--scores", edits, "--judge", "j", "--out", "/dev/full/x"]  # fmt: skip
    if edits == "/dev/null":
        command[-1] = str(tmp_path / "x")
        # A table that is written in vain.
        code = ("import errno, os, sys; sys.argv = sys.argv[1:]; os.fsync = lambda file: "
                "(_ for _ in ()).throw(OSError(errno.ENOSPC, 'No space left on device'));"
                "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')")  # fmt: skip
        command[1:1] = ["-c", code]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=full, text=True, env=environment, cwd=tmp_path
        )
    assert result.returncode == 2
    assert result.stdout.startswith(sentence)
    assert result.stdout.count("\n") == 1

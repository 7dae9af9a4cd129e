"""The keeper and its model processes, by themselves: nobody's fault is another's, nothing leaks."""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from conftest import ROOT, draw
from edit_benchmark.config.editors import OwnEditorSettings
from edit_benchmark.dataset.samples import Import, prepare
from edit_benchmark.editing.job import EditJob
from edit_benchmark.editing.registry import KINDS
from edit_benchmark.errors import UserError
from edit_benchmark.results.tables import write_rows
from edit_benchmark.runtime import leases, supervision
from edit_benchmark.runtime.devices import Device, DeviceRequest
from edit_benchmark.runtime.job import delegated
from edit_benchmark.runtime.keeping import client, devices, keeper, place, processes, spares
from edit_benchmark.runtime.keeping.channel import KIND, Channel, Closed
from edit_benchmark.runtime.keeping.keeper import Keeper

# Does what a job's first word says, without a model.
FAKE = f"""
import os, socket, subprocess, sys, time
sys.path.insert(0, {str(ROOT / "scripts")!r})
from edit_benchmark.runtime.keeping.channel import Channel, Closed
channel = Channel(socket.socket(fileno=int(sys.argv[2])))
try:
    while True:
        message, descriptors = channel.receive()
        if "hold" in message:
            continue  # with the lease, for as long as this process lives
        for descriptor in descriptors:
            os.close(descriptor)
        deed = message["words"][0]
        answer = {{"made": os.getpid()}}
        if deed == "fail":
            answer = {{"error": "it failed."}}
        if deed == "exit with a child" and os.fork():
            os._exit(3)
        if deed in ("exit with a child", "hang"):
            time.sleep(1000)
        if deed == "wait until stopped":
            while not channel.gets_no_more():
                time.sleep(0.01)
            open(message["words"][1], "w").close()
        if deed == "sleep":
            time.sleep(float(message["words"][1]))
        if deed == "was stopped":
            time.sleep(0.3)
            answer = {{"made": channel.gets_no_more()}}
        channel.send(answer)
        if deed == "exit after it":
            os._exit(0)
except Closed:
    pass
"""


class Running:
    """A keeper in a thread, and what clients of it do."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keeper = Keeper(place.listen(path))
        self.thread = threading.Thread(target=self.keeper.serve)

    def connect(self) -> Channel:
        connection = place.connect(self.path)
        assert connection is not None
        connection.settimeout(20)
        return Channel(connection)

    def order(self, *words: str, devices: int = 1, count: int = 1, model: str = "m") -> Channel:
        channel = self.connect()
        request = DeviceRequest(["cpu"] * devices, 1, count, "test", 60, words, count)
        note = os.memfd_create("note")
        channel.send({"order": asdict(client.Order(model, 0, request))}, [2, note])
        os.close(note)
        return channel

    def result(self, *words: str) -> Any:
        channel = self.order(*words)
        message, _ = channel.receive()
        channel.close()
        return message


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    monkeypatch.setattr(processes, "_MODEL_PROCESS", script)
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path / "leases"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv(place.RUN, place.this_run())
    started = Running(tmp_path / "test.keeper")
    started.thread.start()
    yield started
    monkeypatch.setenv(place.RUN, "0:0")  # the run has ended
    started.thread.join(10)
    assert not started.thread.is_alive()
    # With the keeper's own process nothing is left that holds a device.
    for held in started.keeper._devices.held.values():
        held.lease.close()
    file = leases.take("cpu-0", "test")
    assert file is not None
    file.close()


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold in so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def test_who_says_nothing_half_or_nonsense_holds_up_nobody(running: Running) -> None:
    silent, half, nonsense, hasty = (running.connect() for _ in range(4))
    half.socket.send(b"\0")
    nonsense.send({"order": {"model": 1}}, [2])
    hasty.close()
    first = running.result("do")
    assert first == running.result("do")  # one process did both
    for channel in (half, nonsense):
        with pytest.raises(Closed):
            channel.receive()
    silent.close()


def answers(channels: dict[str, Channel]) -> list[str]:
    """The names of jobs in the order in which they were done."""
    order = []
    with selectors.DefaultSelector() as selector:
        for name, channel in channels.items():
            selector.register(channel, selectors.EVENT_READ, name)
        while len(order) < len(channels):
            events = selector.select(20)
            assert events
            for key, _ in events:
                message, _ = channels[key.data].receive()
                if "log" not in message:
                    assert "made" in message, message
                    order.append(key.data)
                    selector.unregister(key.fileobj)
                    channels[key.data].close()
    return order


def test_a_model_on_two_devices_has_them_alone_and_before_jobs_that_came_later(
    running: Running,
) -> None:
    """More jobs than devices: each that ends leaves one, which is kept until there are two."""
    jobs = {
        name: running.order("sleep", seconds, devices=2, count=count, model=model)
        for name, seconds, count, model in (
            ("first", "0.4", 1, "a"), ("second", "0.8", 1, "a"), ("wide", "0.1", 2, "w"),
            ("third", "0.1", 1, "b"), ("fourth", "0.1", 1, "b"),
        )
        if not time.sleep(0.05)
    }  # fmt: skip
    done = answers(jobs)
    assert set(done[:2]) == {"first", "second"}
    assert done[2] == "wide"
    # Both locks are the process's; a second job finds it loaded.
    pids = [running.order("sleep", "0", devices=2, count=2, model="w") for _ in range(2)]
    first, second = (channel.receive()[0]["made"] for channel in pids)
    assert first == second
    assert leases.take("cpu-0", "test") is None
    assert leases.take("cpu-1", "test") is None
    for channel in pids:
        channel.close()


def test_a_wide_job_that_is_gone_keeps_no_device_from_others(running: Running) -> None:
    one = running.order("wait until stopped", "/dev/null", devices=2, model="a")
    time.sleep(0.2)
    wide = running.order("sleep", "0", devices=2, count=2, model="w")
    time.sleep(0.3)
    wide.close()
    assert answers({"other": running.order("sleep", "0", devices=2, model="b")}) == ["other"]
    one.close()


def test_jobs_leave_no_descriptors_and_no_processes(running: Running) -> None:
    running.result("do")
    time.sleep(0.3)  # the keeper closes what is a job's once it has answered
    gc.collect()  # what earlier tests left is not closed while this one counts
    before = psutil.Process().num_fds()
    for _ in range(20):
        assert "made" in running.result("do")
        assert running.result("fail") == {"error": "it failed."}
    running.result("do")
    assert within(5, lambda: psutil.Process().num_fds() <= before)
    assert len(psutil.Process().children()) == 1


def test_a_job_that_was_done_does_not_stop_the_next_one(running: Running) -> None:
    assert [running.result("was stopped") for _ in range(3)] == [{"made": False}] * 3


def test_a_job_without_its_client_stops_and_its_device_is_free_again(
    running: Running, tmp_path: Path
) -> None:
    channel = running.order("wait until stopped", str(tmp_path / "stopped"))
    time.sleep(0.5)
    channel.close()
    assert "made" in running.result("do")
    assert (tmp_path / "stopped").exists()


def test_a_process_that_ends_while_a_child_of_it_lives_on_is_missed(running: Running) -> None:
    """The child has its parent's end of the channel, as a forked worker of a class has."""
    assert running.result("exit with a child") == {"ended": 3}
    assert within(5, lambda: not psutil.Process().children(recursive=True))


def test_a_process_that_ends_between_two_jobs_is_replaced(running: Running) -> None:
    pid = running.result("exit after it")["made"]
    time.sleep(0.3)
    assert running.result("do")["made"] != pid


def test_a_device_that_cannot_be_asked_for_fails_its_job_alone(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = running.order("wait until stopped", "/dev/null", model="other")
    time.sleep(0.3)
    candidates = devices.candidates

    def lost(request: DeviceRequest) -> dict[str, Device]:
        if request.words[0] == "lost":
            raise RuntimeError("GPU is lost")
        return candidates(request)

    monkeypatch.setattr(devices, "candidates", lost)
    assert "GPU is lost" in running.result("lost")["error"]
    other.socket.settimeout(0.5)
    with pytest.raises(Closed):  # it works on: there is no answer yet
        other.receive()
    other.close()


def test_events_of_who_was_ended_by_an_event_before_are_no_events(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer, and the end of the client that it is for, come to the keeper in one turn."""
    paused, resume = threading.Event(), threading.Event()
    run_pid = place.run_pid

    def pausing() -> int | None:
        paused.set()
        resume.wait()
        return run_pid()

    running.result("do")
    channel = running.order("was stopped")
    time.sleep(0.15)  # its process is at it
    monkeypatch.setattr(place, "run_pid", pausing)
    paused.wait()
    time.sleep(0.5)  # its process has answered by now
    channel.close()
    resume.set()
    assert "made" in running.result("do")


def test_a_process_that_cannot_be_ended_keeps_its_device_and_holds_up_nobody(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver or a file system may hold a process in the kernel."""
    pid = running.result("do")["made"]
    has_exited = processes.ModelProcess.has_exited

    def never(process: processes.ModelProcess) -> bool:
        return process.process.pid != pid and has_exited(process)

    monkeypatch.setattr(processes, "_STUCK_SECONDS", 0.1)
    monkeypatch.setattr(keeper, "LAST_SECONDS", 0.1)
    monkeypatch.setattr(devices, "_COURTESY_SECONDS", 0)
    monkeypatch.setattr(processes.ModelProcess, "has_exited", never)
    monkeypatch.setattr(leases, "is_wanted", lambda name: True)
    # Its lease is its own from now on: here it is gone, and so the device is free.
    assert within(5, lambda: not running.keeper._devices.held)
    assert running.result("do")["made"] != pid


def test_processes_ahead_of_their_jobs_end_with_the_run_or_when_libraries_change(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    monkeypatch.setattr(spares, "_LIBRARIES", libraries)
    for _ in range(2):
        channel = running.connect()
        devices = asdict(DeviceRequest(["cpu"], 1, 1, "test", 60, ["warm"]))
        channel.send({"warm": {"devices": devices, "ahead": [], "each": 2}})
        with pytest.raises(Closed):
            channel.receive()
        channel.close()
    (spare,) = psutil.Process().children()
    assert running.result("do") == {"made": spare.pid}
    # The next one is there now; an upgrade makes it one of another key than its jobs'.
    assert within(5, lambda: len(psutil.Process().children()) == 2)
    (outdated,) = {child.pid for child in psutil.Process().children()} - {spare.pid}
    os.utime(libraries, (1, 1))
    running.result("fail")
    assert within(5, lambda: not psutil.pid_exists(spare.pid))
    assert running.result("do")["made"] != outdated
    assert not psutil.pid_exists(outdated)


def test_clients_that_start_at_once_have_one_keeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[socket.socket] = []

    def start(path: Path, results: Path) -> None:
        time.sleep(0.2)
        started.append(place.listen(path))

    monkeypatch.setattr(client, "_start", start)
    monkeypatch.setattr(place, "_PARENTS", [tmp_path])
    with ThreadPoolExecutor(8) as threads:
        channels = list(threads.map(client._keeper, [tmp_path] * 8))
    for channel in channels:
        assert channel is not None
        channel.close()
    (listener,) = started
    listener.close()


# ----- Where a keeper is, and whose -----


def test_a_socket_can_have_a_long_path_and_a_dead_one_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    path = folder / "a.keeper"
    assert place.connect(path) is None
    with place.listen(path):
        place.forget_dead(folder)
        connection = place.connect(path)
        assert connection is not None
        connection.close()
    assert place.connect(path) is None
    place.forget_dead(folder)
    assert not path.exists()


def test_the_folder_of_sockets_is_the_first_that_is_this_users_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    others = tmp_path / "others"
    name = f"image-edit-benchmark-{os.getuid()}"
    (others / name).mkdir(parents=True)
    (others / name).chmod(0o755)  # others can enter it
    good = tmp_path / "good"
    good.mkdir()
    unusable = [tmp_path / "file", Path("/proc"), tmp_path / "gone", others]
    monkeypatch.setattr(place, "_PARENTS", [*unusable, good])
    assert place.folder() == good / name
    assert place.folder() == good / name
    monkeypatch.setattr(place, "_PARENTS", unusable)
    assert place.folder() is None
    # Then there is no keeper: each job loads its model.
    order = client.Order("m", 0, DeviceRequest(["cpu"], 1, 1, "test", 60, ["edit"]))
    assert client.ask(order, tmp_path) is None


def test_a_keeper_that_cannot_be_started_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(place, "_PARENTS", [tmp_path])
    monkeypatch.setattr(subprocess, "Popen", full)
    order = client.Order("m", 0, DeviceRequest(["cpu"], 1, 1, "test", 60, ["edit"]))
    assert client.ask(order, tmp_path) is None


def test_a_run_has_ended_even_where_nobody_asks_for_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container whose first process does not."""
    run = subprocess.Popen(["sleep", "1000"])
    _, _, numbering = place.this_run().split(":")
    monkeypatch.setenv(place.RUN, f"{run.pid}:{place.start_time(run.pid)}:{numbering}")
    assert place.run_pid() == run.pid
    assert not place.run_has_ended()
    run.kill()
    while psutil.Process(run.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert place.run_pid() is None
    assert place.run_has_ended()
    run.wait()
    # In a container's own numbering of processes nothing is known of it.
    monkeypatch.setenv(place.RUN, f"{run.pid}:1:1")
    assert place.run_pid() is None
    assert not place.run_has_ended()


def test_a_job_that_begins_when_its_run_has_ended_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its Snakemake was killed while it imported."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    _, started, numbering = place.this_run().split(":")
    monkeypatch.setenv(place.RUN, f"{ended.pid}:{started}:{numbering}")
    job = EditJob(
        name="own",
        settings=OwnEditorSettings(editor="class_path", class_path="toys.Painter"),
        checkpoint_record=tmp_path / "none",
        results=tmp_path,
        devices=DeviceRequest(["cpu"], 1, 1, "test"),
        samples=[],
    )
    with pytest.raises(UserError, match="the run of this job was ended"):
        delegated(job, KINDS["class_path"], {})


def test_a_forked_child_does_not_keep_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path))
    held = leases.take("cpu-0", "test")
    assert held is not None
    child = os.fork()
    if child == 0:
        time.sleep(1000)
        os._exit(0)
    try:
        time.sleep(0.2)
        assert leases.take("cpu-0", "test") is None
        held.close()
        again = leases.take("cpu-0", "test")
        assert again is not None
        again.close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


# ----- A model process -----

OWN = """
import atexit, os, sys
from pathlib import Path

import numpy as np

import toys

kept = sys.stderr

class Painter(toys.Painter):
    def __init__(self, checkpoint, dtype, device):
        super().__init__(checkpoint, dtype, device)
        atexit.register(Path("ended").touch)
        self._stream = sys.stderr

    def edit(self, source, instruction, seed):
        self._stream.write(f"the class says {instruction}\\n")
        if instruction == "fork":
            child = os.fork()
            if child == 0:
                os.setsid()
                os.execvp("sleep", ["sleep", "1000"])
            Path("child").write_text(str(child))
        self._waste = np.ones(3_000_000)
        return super().edit(source, instruction, seed)
"""


class Process:
    """A model process with the toy, and its jobs."""

    def __init__(self, folder: Path, samples: Path) -> None:
        self.folder, self.samples = folder, samples
        (folder / "checkpoint.json").write_text("null")
        ours, theirs = socket.socketpair(socket.AF_UNIX, KIND)
        self.channel = Channel(ours)
        lease = leases.take("cpu-0", "test")
        assert lease is not None
        with lease, theirs, (folder / "own.log").open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, ROOT / "scripts/model_process.py", "--channel",
                 str(theirs.fileno())],
                pass_fds=[theirs.fileno()], start_new_session=True, cwd=folder,
                stdout=log, stderr=log,
                # So that it is seen whether what a class dropped is freed: how much of it malloc
                # keeps for later is otherwise chance.
                env=os.environ | {"PYTHONPATH": f"{folder}:{ROOT / 'tests/plugins'}",
                                  "MALLOC_MMAP_THRESHOLD_": "1000000"},
            )  # fmt: skip
            device = asdict(Device("cpu", "cpu-0"))
            self.channel.send({"hold": device}, [lease.fileno()])

    def edit(self, category: str, number: int) -> dict[str, bytes]:
        """The images that a job made."""
        message = self.answer(category, number)
        assert "made" in message, message
        images = (self.folder / f"results-{number}").glob("store/edits/*/*.png")
        return {path.name: path.read_bytes() for path in images}

    def answer(self, category: str, number: int) -> dict[str, Any]:
        """The answer to a job with results of its own."""
        results = self.folder / f"results-{number}"
        (results / "benchmark").mkdir(parents=True)
        (results / "benchmark/sources").symlink_to(self.samples.parent / "sources")
        settings = {"editor": "class_path", "class_path": "own.Painter"}
        words = ["edit", "--samples", self.samples, "--category", category, "--shard", "1-of-1",
                 "--model", "own", "--settings", json.dumps(settings), "--checkpoint",
                 self.folder / "checkpoint.json", "--results", results, "--out", "x",
                 "--device-ids", "cpu"]  # fmt: skip
        note = os.memfd_create("note")
        with (self.folder / f"{number}.log").open("wb") as log:
            self.channel.send({"words": list(map(str, words))}, [log.fileno(), note])
        os.close(note)
        message, _ = self.channel.receive()
        return message

    def log(self, number: int) -> str:
        return (self.folder / f"{number}.log").read_text()


def test_a_hundred_jobs_in_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path / "leases"))
    (tmp_path / "own.py").write_text(OWN)
    draw("x").save(tmp_path / "x.png")
    wishes = [("physical", "paint"), ("physical", "again"), ("causal", "fail"), ("causal", "more"),
              ("social", "fork")]  # fmt: skip
    lines = [
        json.dumps({"id": f"s{k}", "category": category, "instruction": text, "image": "x.png"})
        for k, (category, text) in enumerate(wishes)
    ]
    (tmp_path / "b.jsonl").write_text("\n".join(lines))
    benchmark = tmp_path / "benchmark"
    benchmark.mkdir()
    names = ["physical", "causal", "social"]
    rows = prepare(Import(tmp_path / "b.jsonl", "jsonl", "en", names), benchmark / "sources",
                   tmp_path)  # fmt: skip
    write_rows(benchmark / "samples.jsonl", rows)
    process = Process(tmp_path, benchmark / "samples.jsonl")
    watched = psutil.Process(process.popen.pid)
    try:
        first = process.edit("physical", 0)
        assert len(first) == 2
        # Whatever was done before, a job's images are the same, and its words are in its own log.
        for number in range(1, 20):
            process.edit("causal", number)
        assert process.edit("physical", 20) == first
        time.sleep(0.5)  # its answer can be here before the process has closed its file
        memory, descriptors = watched.memory_info().rss, watched.num_fds()
        for number in range(21, 100):
            assert process.edit("physical", number) == first
        assert within(5, lambda: watched.num_fds() <= descriptors)
        assert watched.memory_info().rss < memory + 4 * 2**20
        assert process.log(99).count("the class says") == 2
        assert "loaded in" in process.log(0)
        assert "was found loaded" in process.log(99)
        # A child that the class starts keeps neither the device nor the connection.
        process.edit("social", 100)
        assert leases.take("cpu-0", "test") is None
        # What another class made has no place under the keys of the one that is there now.
        (tmp_path / "own.py").write_text(OWN + "changed = True\n")
        assert "changed while this job waited" in process.answer("physical", 101)["error"]
        process.channel.send_no_more()
        with pytest.raises(Closed):
            process.channel.receive()
        assert process.popen.wait(10) == 0
        lease = leases.take("cpu-0", "test")
        assert lease is not None
        lease.close()
        assert psutil.pid_exists(int((tmp_path / "child").read_text()))
        assert (tmp_path / "ended").exists()  # the class could tidy up
        assert (tmp_path / "own.log").read_text() == ""
    finally:
        process.popen.kill()
        process.popen.wait()
        with suppress(OSError, ProcessLookupError):
            os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


@pytest.mark.parametrize(("code", "most"), [(3, 2), (-signal.SIGSEGV, 2), (-signal.SIGKILL, 4)])
def test_what_may_be_a_kill_from_outside_counts_half(tmp_path: Path, code: int, most: int) -> None:
    ends = tmp_path / "s1.ended"
    note = supervision.new_note()
    supervision.adopt(note)
    supervision.note_endings({"s1": ends})
    try:
        with supervision.under_way("s1"):
            for number in range(1, most + 1):
                assert supervision.given_up(ends) is None, number
                told = supervision.end_of_other(code, note)
                assert f"at sample s1 ({'signal' if code < 0 else 'exit code'}" in told
                assert f"ends {most} jobs in this way is left out" in told
    finally:
        supervision.disown()
        os.close(note)
    assert supervision.given_up(ends) is not None

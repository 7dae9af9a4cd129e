"""Servers that a run starts: once, on devices of its own, for all jobs, and ended with it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Project, clone
from edit_benchmark.config.resolve import config_from_json, judge_settings
from edit_benchmark.errors import UserError
from edit_benchmark.judging.registry import KINDS
from edit_benchmark.runtime import leases
from edit_benchmark.runtime.devices import Device, DeviceRequest
from edit_benchmark.runtime.keeping import place
from edit_benchmark.servers import shared
from edit_benchmark.servers.started import ServerOrder, StartedServer
from served_fixtures import all_end, begun, lives, score, serve

CPU = DeviceRequest(["cpu"], 1, 1, "test")


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary.txt"


@pytest.fixture(autouse=True)
def _own_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path / "leases"))


# ----- A whole run -----


def project_of(tmp_path: Path, judge: dict[str, Any], **changes: Any) -> Project:
    project = clone(tmp_path / "clone")
    names = [f"s{number}" for number in range(3)]
    common = {"category": "physical", "instruction": "change it"}
    project.benchmark([{"id": name} | common for name in names])
    settings = {
        "benchmark": {"path": "data/benchmark.jsonl", "categories": ["physical"]},
        "judges": {"big": {"judge": "openai", **judge}},
        "score_chunk": 1,  # a job for each
    }
    project.configure(**settings | changes)
    return project


def test_servers_are_started_once_for_all_jobs_and_ended_with_the_run(
    tmp_path: Path, diary: Path
) -> None:
    """An editor's on two devices, and one that two judges share."""
    of_editor = tmp_path / "editor.txt"
    editor = {"editor": "openai", "dialect": "sglang", **serve(of_editor)}
    editor["serve"]["gpu"] = 2
    judge = {"judge": "openai", **serve(diary, "1")}
    project = project_of(
        tmp_path,
        judge,
        device_ids=["cpu"] * 3,
        models={"painted": editor},
        judges={"big": judge, "again": judge | {"repeat": 1, "vary": "paraphrase"}},
        selftest_samples=1,
    )
    output = project.run()
    # The log is that of whose job asked first.
    logs = list((project.root / "results/logs/servers").glob("*/*.log"))
    assert sorted(path.parent.name for path in logs) == ["judges", "models"]
    for path in logs:
        book = of_editor if path.parent.name == "models" else diary
        (pids,) = begun(book)
        assert all_end(pids)
        assert f"ended {pids[0]}" in book.read_text()  # in its own way
        assert "seeing ''" in book.read_text()  # no device but its own
        written = path.read_text()
        assert "loading" in written
        assert written.count(" taken after ") == (2 if book == of_editor else 1)
    jobs = [line for line in output.splitlines() if line.lstrip().startswith("resources:")]
    claims = [line for line in jobs if "at_once=8" in line]
    # Three edits; by each of two judges as many scores, and the self-test.
    assert sum("gpu=2" in line for line in claims) == 3
    assert sum("gpu=1" in line for line in claims) == 2 * (3 + 1) == len(claims) - 3
    # A judge behind a server is tested, repeated and compared like any other.
    for name in ("big", "again"):
        rows = project.scores("physical", "painted", name).values()
        assert [row.status for row in rows] == ["scored"] * 3
        tested = json.loads((project.root / f"results/selftest/{name}/painted.json").read_text())
        answers = next(check for check in tested["checks"] if check["name"] == "answers")
        assert (tested["n"], answers["value"], answers["passed"]) == (1, 1, True)
    report = json.loads((project.root / "results/report/summary.json").read_text())
    (repeated,) = report["repeats"]
    assert (repeated["judges"], repeated["n"]) == (["big", "again"], 3)
    assert repeated["varied"] == "paraphrase"
    assert [({row["a"], row["b"]}, row["n"]) for row in report["agreement"]] == [
        ({"big", "again"}, 3)
    ]


def test_a_server_ends_with_a_run_that_is_killed(tmp_path: Path, diary: Path) -> None:
    project = project_of(tmp_path, serve(diary, "60"))
    run = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "config/test.yaml"],
        cwd=project.root,
        env=project.environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not diary.exists() or not begun(diary):
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    (pids,) = begun(diary)
    assert all_end(pids)


# ----- Jobs of a run -----


@pytest.fixture
def a_run(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A process that jobs of this test take for the Snakemake of their run."""
    with subprocess.Popen(["sleep", "120"]) as process:
        numbering = place.this_run().rpartition(":")[2]
        monkeypatch.setenv(place.RUN, f"{process.pid}:{place.start_time(process.pid)}:{numbering}")
        yield process
        process.kill()


def test_a_server_that_ends_while_it_is_used_is_said_at_once(
    tmp_path: Path, diary: Path, a_run: subprocess.Popen[bytes]
) -> None:
    judge = serve(diary) | {"concurrency": 1, "breaker_seconds": 60, "max_seconds": 60}
    url = judge.pop("base_url")
    began = time.monotonic()
    for starts in (1, 2):
        with pytest.raises(
            UserError, match=r"^judges.gpt: its server .* ended with exit code 7 wh"
        ):
            score(tmp_path, url, 8, **judge)
        # The same command begins with another one.
        assert len(begun(diary)) == starts
    assert time.monotonic() - began < 30
    answered = len(score(tmp_path, url, 5, **judge))
    assert answered == 5
    assert len(begun(diary)) == 2  # what was answered was kept
    assert all_end(tuple(pid for pids in begun(diary) for pid in pids))


def test_users_of_one_server_share_it_until_the_run_ends(
    tmp_path: Path, diary: Path, a_run: subprocess.Popen[bytes]
) -> None:
    judge = serve(diary)
    url = judge.pop("base_url")
    for name in ("one", "two"):
        (row,) = score(tmp_path / name, url, **judge)
        assert row.status == "scored"
    (pids,) = begun(diary)
    assert lives(pids[0])
    a_run.kill()
    a_run.wait()
    assert all_end(pids)


def test_a_job_ends_with_its_run(
    tmp_path: Path, diary: Path, a_run: subprocess.Popen[bytes]
) -> None:
    """It does not look for a server that ended with the run as well."""
    patient = dict.fromkeys(("request_seconds", "breaker_seconds", "max_seconds"), 60)
    judge = serve(diary) | patient | {"extra": {"pause": 60}}

    def end_the_run() -> None:
        while not diary.exists() or "asked" not in diary.read_text():
            time.sleep(0.1)
        a_run.kill()
        a_run.wait()

    threading.Thread(target=end_the_run, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(UserError, match=r"^the run of this job was ended: run the same"):
        score(tmp_path, judge.pop("base_url"), 3, **judge)
    assert time.monotonic() - began < 40


def test_a_server_without_a_job_leaves_its_devices_to_who_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_IDLE_SECONDS", 0.5)
    order = ServerOrder("judges.big", "http://127.0.0.1:1/v1", "x", 1, CPU, "log")
    device = Device("cpu", "cpu-0", locks=("cpu-0",))
    listener = place.listen(tmp_path / "x.server")
    with subprocess.Popen(["sleep", "60"]) as process, leases.wish(["cpu-0"]):
        server = StartedServer(order, process, device)
        connection = place.connect(tmp_path / "x.server")
        assert connection is not None
        threading.Timer(2, connection.close).start()
        began = time.monotonic()
        shared._serve(server, listener, [])
        assert 2 <= time.monotonic() - began < 10
        process.kill()


# ----- A job by itself -----


def test_a_job_without_a_run_has_a_server_of_its_own(tmp_path: Path, diary: Path) -> None:
    judge = serve(diary)
    url = judge.pop("base_url")
    (row,) = score(tmp_path, url, **judge)
    assert row.status == "scored"
    ((server, worker),) = begun(diary)
    assert not lives(server)
    assert not lives(worker)
    # The answer is in the store.
    assert score(tmp_path, url, **judge) == [row]
    assert len(begun(diary)) == 1


@pytest.mark.parametrize(
    ("further", "changes", "sentence"),
    [
        (["0", "3"], {}, "ended with exit code 3 before it answered"),
        (["9"], {"ready_seconds": 1}, "did not answer within 1 s (serve.ready_seconds)"),
        ([], {"command": "no-such-server {port}"}, "cannot be started (No such file"),
    ],
)
def test_a_server_that_does_not_come_is_one_sentence(
    tmp_path: Path, diary: Path, further: list[str], changes: dict[str, Any], sentence: str
) -> None:
    judge = serve(diary, *further)
    judge["serve"] |= changes
    with pytest.raises(UserError) as raised:
        score(tmp_path, judge.pop("base_url"), **judge)
    assert f"judges.gpt: its server ({shlex.split(judge['serve']['command'])[0]}) " in str(
        raised.value
    )
    assert sentence in str(raised.value)
    assert "logs/servers/judges/gpt.log may say why" in str(raised.value)
    if diary.exists():
        (pids,) = begun(diary)
        assert all_end(pids, 1)


def test_another_server_at_the_address_is_not_taken_for_ours(tmp_path: Path, diary: Path) -> None:
    judge = serve(diary)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"another server listens at 127.0.0.1:{port}; end it"):
            score(tmp_path, f"http://127.0.0.1:{port}/v1", serve=judge["serve"])
    assert not diary.exists()


# ----- Settings -----

JUDGE = {"judge": "openai", "base_url": "http://127.0.0.1:8000/v1", "model": "m-2026-01-01"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"serve": {"command": "vllm serve m"}}, "does not say which port"),
        ({"serve": {"command": "vllm 'serve"}}, "it is no command line"),
        ({"serve": {"command": "vllm --port {port} --api-key x"}}, "it holds a key"),
        ({"serve": {"command": "x {port}", "gpus": 2}}, "unknown key gpus"),
        ({"serve": {"command": "x {port}"}, "base_url": "https://a.example/v1"}, "on this host"),
    ],
)
def test_what_could_not_be_started_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        judge_settings(json.dumps(JUDGE | changes), "big")


def test_what_a_server_is_started_with_is_in_the_key_and_its_port_is_not() -> None:
    def key(**changes: Any) -> Any:
        settings = judge_settings(json.dumps(JUDGE | changes), "big")
        return KINDS["openai"].key_fields(settings, None)

    command = {"command": "vllm serve m --port {port}"}
    moved = key(serve=command | {"gpu": 2}, base_url="http://localhost:9000/v1")
    assert key(serve=command) == moved
    assert key(serve=command) != key()
    assert key(serve=command) != key(serve={"command": f"{command['command']} --dtype half"})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"device_ids": ["cpu"]}, "judges.big.serve.gpu: 2 devices"),
        ({"device_ids": ["cpu"] * 2, "other": {}}, "are both at 127.0.0.1:8000, with another"),
    ],
)
def test_servers_have_enough_devices_and_addresses(changes: dict[str, Any], sentence: str) -> None:
    changes = dict(changes)
    judges = {"big": JUDGE | {"serve": {"command": "x {port}", "gpu": 2}}}
    if "other" in changes:
        judges["other"] = JUDGE | changes.pop("other")
    config = {
        "benchmark": {"path": "b.jsonl"}, "models": {"floor": {"editor": "identity"}},
        "judges": judges, **changes,
    }  # fmt: skip
    with pytest.raises(UserError, match=sentence):
        config_from_json(json.dumps(config))

"""Results on a network file system: no locks, lost answers, files that stay while open."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Project
from edit_benchmark.editing.collect import collect
from edit_benchmark.errors import UserError
from edit_benchmark.records import EDITED, Edit, Sample
from edit_benchmark.results import spending
from edit_benchmark.results.files import write_bytes
from edit_benchmark.runtime.devices import DeviceRequest
from edit_benchmark.runtime.keeping import place
from edit_benchmark.runtime.leases import lease
from runs import one_category


@pytest.fixture(params=[errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network file system whose server has no locks."""

    def flock(file: object, operation: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.usefixtures("no_locks")
def test_devices_are_not_shared_by_luck_where_leases_cannot_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path / "leases"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    problem = r"/leases: its file system cannot lock files \(.+\).* set EDIT_BENCHMARK_LEASES to a"
    with pytest.raises(UserError, match=problem), lease(DeviceRequest(["cpu"], 1, 1, "a test")):
        pass


@pytest.mark.usefixtures("no_locks")
def test_where_no_folder_has_locks_no_keeper_is_begun() -> None:
    assert place.folder() is None


@pytest.mark.usefixtures("no_locks")
def test_without_locks_costs_are_counted_and_a_budget_is_refused(tmp_path: Path) -> None:
    price = {"input": 1.0, "output": 1.0, "image": None}
    path = tmp_path / "spending.jsonl"
    ledger = spending.Ledger(path, "models", "e", "toy", price, budget=None)
    ledger.answered(ledger.ask(spending.Usage(5, 5)), spending.Usage(3, 4))
    ledger.close()
    assert spending.read(path).by_name["models", "e"].usage == spending.Usage(3, 4)
    ledger = spending.Ledger(path, "models", "e", "toy", price, budget=1000)
    with pytest.raises(UserError, match="cannot lock files, so that jobs at once could exceed the"):
        ledger.ask(spending.Usage(5, 5))
    ledger.close()


def test_a_rename_whose_answer_was_lost_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system asks again when no answer comes: then the first name is gone."""
    renamed = Path.replace

    def replace(self: Path, target: Path) -> Path:
        renamed(self, target)
        return renamed(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    write_bytes(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def vanished(self: Path, target: Path) -> Path:
        self.unlink()
        return renamed(self, target)

    monkeypatch.setattr(Path, "replace", vanished)
    with pytest.raises(FileNotFoundError):
        write_bytes(tmp_path / "file", b"newer")
    assert (tmp_path / "file").read_bytes() == b"new"


_link = os.link


def linked_twice(source: Path, target: Path) -> None:
    _link(source, target)
    raise FileExistsError(errno.EEXIST, "File exists")


def not_linked(source: Path, target: Path) -> None:
    raise OSError(errno.EOPNOTSUPP, "Operation not supported")


@pytest.mark.parametrize("link", [linked_twice, not_linked])
def test_images_are_collected_whatever_a_network_file_system_makes_of_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: Callable[[Path, Path], None]
) -> None:
    """What a process still has open stays in its folder, which is not empty then."""
    sample = Sample("a", "physical", 0, "x", "s", "0", 8, 8)
    edit = Edit(id="a", model="m", category="physical", status=EDITED, image="store/new.png")
    store = tmp_path / "store"
    store.mkdir()
    for name in ("old", "new"):
        (store / f"{name}.png").write_text(name)
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.png").hardlink_to(store / "old.png")
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(shutil, "rmtree", lambda path, ignore_errors: None)
    collect([sample], [edit], images, tmp_path)
    assert (images / "a.png").read_text() == "new"
    assert (store / "old.png").read_text() == "old"


NO_LOCKS = """
import errno, fcntl, os
locked = fcntl.flock

def flock(file, operation):
    number = file if isinstance(file, int) else file.fileno()
    if "/results/" in os.readlink(f"/proc/self/fd/{number}"):
        raise OSError(errno.ENOLCK, "No locks available")
    locked(file, operation)

fcntl.flock = flock
"""


def test_results_on_a_file_system_without_locks_are_whole_and_not_made_again(
    project: Project,
) -> None:
    (project.root / "site").mkdir()
    (project.root / "site/sitecustomize.py").write_text(NO_LOCKS)
    one_category(project, 3)
    path = {"PYTHONPATH": str(project.root / "site")}
    assert "cannot lock files (No locks available), so that a second run" in project.run(**path)
    assert len(project.calls("edit")) == 3
    assert len(project.scores("physical")) == 3
    timings = (project.root / "results/timings.jsonl").read_text().splitlines()
    assert {json.loads(line)["kind"] for line in timings} == {"edit", "score"}
    project.forget_calls()
    project.run("--forcerun", "edit", **path)
    assert not project.calls("edit")

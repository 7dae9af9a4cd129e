"""A project of its own for each test: the workflow's files, a benchmark, and the command line."""

from __future__ import annotations

import compileall
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image, ImageDraw

from edit_benchmark.categories import CATEGORIES
from edit_benchmark.config.judges import RUBRICS
from edit_benchmark.judging import rubrics
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.records import Edit, Score
from edit_benchmark.results.tables import read_rows
from edit_benchmark.runtime import schedulers
from stand_in import StandIn, standing_in

ROOT = Path(__file__).parents[1]
# Where a shell started the tests in the background, Ctrl-C would be ignored by all they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Where a scheduler started the tests, its devices would stand for those that they name.
for _mark in schedulers.MARKS:
    os.environ.pop(_mark, None)
_FILES = ["Snakefile", "workflow", "scripts", "config", "profiles", "environment.yml"]


@dataclass
class Project:
    """A clone of the workflow in ``root``, with leases of its own."""

    root: Path

    def snakemake(
        self, *arguments: str, code: int | None = 0, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake in the project; its output is one text. ``code`` None accepts any exit."""
        result = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
            cwd=self.root,
            env=self.environment() | dict(env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
            check=False,
        )
        assert code is None or result.returncode == code, result.stdout[-6000:]
        return result

    def python(self, script: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run one of the project's commands by itself; its output."""
        result = subprocess.run(
            [sys.executable, script, *arguments],
            cwd=self.root,
            env=self.environment() | dict(env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout[-6000:]
        return result.stdout

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "EDIT_BENCHMARK_LEASES": str(self.root / "leases"),
            "TOY_CALLS": str(self.root / "calls.txt"),
            "CUDA_VISIBLE_DEVICES": "",
            # Terminals' widths and colours are not what tests are about.
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }

    def calls(self, kind: str) -> list[str]:
        """What toys of :mod:`plugins.toys` were asked to do, in order."""
        path = self.root / "calls.txt"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [line.removeprefix(kind + " ") for line in lines if line.startswith(kind + " ")]

    def forget_calls(self) -> None:
        (self.root / "calls.txt").unlink(missing_ok=True)

    def benchmark(self, rows: Sequence[Mapping[str, Any]], name: str = "benchmark.jsonl") -> Path:
        """Write a benchmark file; each row without an image gets a drawn one."""
        folder = self.root / "data"
        folder.mkdir(exist_ok=True)
        lines = []
        for row in rows:
            row = dict(row)
            if not {"image", "images"} & row.keys():
                row["image"] = f"{row['id']}.png"
                draw(row["id"]).save(folder / row["image"])
            lines.append(json.dumps(row, ensure_ascii=False))
        path = folder / name
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return path

    def configure(self, **changes: Any) -> Path:
        """Write config/test.yaml: the toy editor and the toy judge, but for ``changes``."""
        config: dict[str, Any] = {
            "benchmark": {"path": "data/benchmark.jsonl"},
            "device_ids": ["cpu"],
            "models": {"painter": {"editor": "class_path", "class_path": "toys.Painter"}},
            "judges": {"ruler": {"judge": "class_path", "class_path": "toys.Ruler"}},
            # Its questions would stand among those that tests count.
            "selftest_samples": 0,
        }
        path = self.root / "config" / "test.yaml"
        path.write_text(yaml.safe_dump(config | changes, allow_unicode=True), encoding="utf-8")
        return path

    def run(self, *targets: str, code: int | None = 0, **env: str) -> str:
        """Run config/test.yaml to ``targets``; the output."""
        return self.snakemake(
            *targets, "--configfile", "config/test.yaml", code=code, env=env
        ).stdout

    def edits(self, category: str, model: str = "painter") -> dict[str, Edit]:
        path = self.root / "results" / "edits" / model / category / "edits.jsonl"
        return {row.id: row for row in read_rows(path, Edit)}

    def scores(
        self, category: str, model: str = "painter", judge: str = "ruler"
    ) -> dict[str, Score]:
        path = self.root / "results" / "scores" / judge / model / f"{category}.jsonl"
        return {row.id: row for row in read_rows(path, Score)}

    def images(self) -> dict[str, bytes]:
        """All collected images, by model, category and id."""
        return {
            str(path.relative_to(self.root / "results" / "edits")): path.read_bytes()
            for path in sorted((self.root / "results" / "edits").glob("*/*/images/*.png"))
        }


def draw(name: str, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A small image that differs from name to name."""
    number = sum(name.encode())
    image = Image.new("RGB", size, (number % 256, 120, 200))
    ImageDraw.Draw(image).ellipse((8, 8, 8 + number % 30, 40), fill=(250, number % 200, 30))
    return image


def png(name: str) -> bytes:
    """:func:`draw` as the bytes of a file."""
    buffer = io.BytesIO()
    draw(name).save(buffer, "PNG")
    return buffer.getvalue()


def five_each(count: int = 1, **fields: Any) -> list[dict[str, Any]]:
    """``count`` rows of each category."""
    return [
        {"id": f"{key}-{k}", "category": key, "instruction": f"change {key} {k}", **fields}
        for key in CATEGORIES
        for k in range(count)
    ]


def clone(root: Path) -> Project:
    """A clone of the workflow in ``root``, with the toys beside it."""
    root.mkdir()
    for name in _FILES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name)
        else:
            shutil.copy(source, root / name)
    for name in ("rubrics", "models", "protocols"):
        shutil.copytree(ROOT / "resources" / name, root / "resources" / name)
    shutil.copy(ROOT / "tests" / "plugins" / "toys.py", root / "toys.py")
    return Project(root)


def pytest_configure(config: pytest.Config) -> None:
    """Compile once what each process of each clone would compile for itself."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(ROOT / "scripts", quiet=2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    """What tests of hostile texts log cannot all be sent to the process that collects reports."""
    outcome = yield
    report = outcome.get_result()
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]


@pytest.fixture(scope="session")
def rubric() -> Rubric:
    return rubrics.load(RUBRICS / "reasoning.yaml", "physical", "en")


@pytest.fixture(scope="session", params=["qwen3_vl", "qwen2_5_vl"])
def judge_checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A tiny judge of each architecture that is known; no test may change it."""
    # Importing transformers takes seconds, which most tests need not wait for.
    from demo.models import save_judge
    from judge_fixtures import make_older

    path = tmp_path_factory.mktemp(request.param)
    save_judge(path)
    if request.param == "qwen2_5_vl":
        make_older(path)
    return path


@pytest.fixture
def server() -> Generator[StandIn, None, None]:
    """A stand-in for a server of the OpenAI API."""
    with standing_in() as one:
        yield one


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return clone(tmp_path / "clone")

"""The lock, pyproject and environment.yml agree, and the tree holds nothing that it should not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conftest import ROOT, Project
from edit_benchmark.config.run import Config
from runs import one_category

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def locked(python: str) -> dict[str, str]:
    """The lock's versions for a Python version on Linux."""
    environment = {
        "python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux",
        "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix",
        "platform_python_implementation": "CPython", "implementation_name": "cpython",
    }  # fmt: skip
    versions = {}
    for line in LOCK.splitlines():
        pin, _, marker = line.partition(" ; ")
        if not marker or Marker(marker).evaluate(environment):
            name, _, version = pin.partition("==")
            versions[canonicalize_name(name)] = version
    return versions


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_satisfies_every_requirement(python: str) -> None:
    versions = locked(python)
    extras = PROJECT["optional-dependencies"]
    for line in sum(extras.values(), PROJECT["dependencies"]):
        requirement = Requirement(line)
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), line


def test_conda_users_get_the_same_versions() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, _, section = environment["dependencies"]
    versions = locked(python.removeprefix("python="))
    pins = dict(pin.split("==") for pin in section["pip"])
    names = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert set(pins) == names
    for name, version in pins.items():
        assert versions[canonicalize_name(name)] == version, name


def test_the_lock_names_no_host() -> None:
    # A name, an exact version, a marker without a path: no index, no link, no option.
    for line in LOCK.splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+( ; [^/:]*)?", line), line


def test_what_runs_is_what_is_locked() -> None:
    import diffusers
    import snakemake
    import torch
    import transformers

    versions = locked(f"{sys.version_info.major}.{sys.version_info.minor}")
    for module in (torch, diffusers, transformers, snakemake):
        assert module.__version__.partition("+")[0] == versions[module.__name__]


def test_the_tree_is_small_and_names_no_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    # Written so that this file does not hold what it looks for.
    machine = re.compile(rb"/(root|home|work)/|/tmp/[w]/|pypi[.]org")
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if path.is_file():
            trained = name.startswith("resources/demo/models/") and path.suffix == ".safetensors"
            assert path.stat().st_size < (16 * 2**20 if trained else 1_000_000), name
            found = machine.search(path.read_bytes())
            assert found is None, f"{name}: {found}"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the files that set-up reads."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in ``folder``, as if no other make were around it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_make_alone_says_what_there_is(clone: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = makefile.partition(".PHONY: help ")[2].partition("\n")[0].split()
    printed = make(clone).stdout
    assert {line.split()[1] for line in printed.splitlines()} == set(targets)


def test_an_installation_that_broke_off_is_begun_again(clone: Path) -> None:
    # As it is left by a lost connection: the environment is there, what it should hold is not.
    (clone / ".venv").mkdir()
    assert "pip install" in make(clone, "--dry-run", "test", "PYTHON=python3").stdout


def test_an_environment_is_renewed_only_when_the_lock_changes(clone: Path) -> None:
    (clone / ".venv").mkdir()
    lock = clone / "requirements.lock"
    installed = clone / ".venv" / "installed"
    installed.touch()
    os.utime(lock, (1_000_000_000, 1_000_000_000))
    assert "pip install" not in make(clone, "--dry-run", "test", "PYTHON=python3").stdout
    os.utime(installed, (900_000_000, 900_000_000))
    assert "pip install" in make(clone, "--dry-run", "test", "PYTHON=python3").stdout


def test_a_machine_without_a_python_of_3_11_is_told(clone: Path) -> None:
    result = make(clone, ".venv", "PYTHON=")
    assert result.returncode != 0
    assert "no Python 3.11 or later" in result.stderr


def test_an_environment_that_is_linked_to_is_not_emptied(clone: Path) -> None:
    shared = clone / "shared"
    shared.mkdir()
    (shared / "installed").touch()
    os.utime(shared / "installed", (900_000_000, 900_000_000))
    (clone / ".venv").symlink_to(shared)
    result = make(clone, ".venv", f"PYTHON={sys.executable}")
    assert result.returncode != 0
    assert "error: .venv is a link to " in result.stderr
    assert [path.name for path in shared.iterdir()] == ["installed"]


def test_a_container_is_made_of_the_lock_and_of_what_is_listed() -> None:
    steps = (ROOT / "Containerfile").read_text(encoding="utf-8")
    assert "pip install --no-cache-dir --disable-pip-version-check -r requirements.lock" in steps
    lines = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    listed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert listed >= {"Snakefile", "workflow", "scripts", "profiles", "requirements.lock"}
    for name in listed:
        assert (ROOT / name).exists(), name


def test_the_workflow_catalog_lists_it_with_how_to_use_it() -> None:
    """Its rules: https://snakemake.github.io/snakemake-workflow-catalog/docs/about/adding_workflows.html"""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme
    assert "workflow" in readme
    assert (ROOT / "workflow" / "Snakefile").is_file()
    assert list((ROOT / "workflow" / "rules").glob("*.smk"))
    entry = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))
    usage = entry.pop("usage")
    assert not entry
    assert set(usage) == {"mandatory-flags", "software-stack-deployment"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    ways = usage["software-stack-deployment"]
    assert set(ways) == {"conda", "apptainer", "apptainer+conda", "report"}
    assert all(isinstance(works, bool) for works in ways.values())
    instructions = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    for key in Config.model_fields:
        assert f"`{key}`" in instructions, key


# A stand-in for conda: its environments have the libraries of this one, and a Python of their own.
CONDA = """#!/bin/sh
case "$1" in
  info) echo '{"conda_prefix": "FOLDER", "platform": "linux-64"}' ;;
  --version) echo "conda 25.1.0" ;;
  config) echo '{"get": {"channel_priority": "strict"}}' ;;
  env)
    while [ "$1" != --prefix ]; do shift; done
    "PYTHON" -m venv --without-pip "$2"
    echo "LIBRARIES" > "$2/lib/pythonVERSION/site-packages/libraries.pth" ;;
esac
"""
WHERE = """
import sys
import time
from contextlib import contextmanager
from pathlib import Path
import toys

@contextmanager
def noted(what):
    begin = time.time()
    yield
    time.sleep(1)
    with Path(f"{what}.txt").open("a") as file:
        file.write(f"{begin} {time.time()}\\n")

class Painter(toys.Painter):
    def __init__(self, checkpoint, dtype, device):
        with noted("loads"):
            super().__init__(checkpoint, dtype, device)
        Path("prefix.txt").write_text(sys.prefix)

    def edit(self, source, instruction, seed):
        with noted("edits"):
            return super().edit(source, instruction, seed)
"""


def most_at_once(path: Path) -> int:
    """Of what began and ended at the two times of each line."""
    times = [tuple(map(float, line.split())) for line in path.read_text().splitlines()]
    return max(sum(begin <= moment < end for begin, end in times) for moment, _ in times)


def test_with_sdm_conda_jobs_run_in_the_environment_of_the_file_and_share_what_there_is(
    project: Project,
) -> None:
    """However many jobs may run, a device has one, and no more load at once than load_slots."""
    folder = project.root / "conda"
    (folder / "bin").mkdir(parents=True)
    conda = folder / "bin" / "conda"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    facts = {
        "FOLDER": folder,
        "PYTHON": sys.executable,
        "LIBRARIES": sysconfig.get_path("purelib"),
        "VERSION": version,
    }
    text = CONDA
    for name, value in facts.items():
        text = text.replace(name, str(value))
    conda.write_text(text)
    conda.chmod(0o755)
    (folder / "bin" / "activate").write_text('export PATH="$1/bin:$PATH"\n')
    (project.root / "where.py").write_text(WHERE)
    one_category(
        project,
        4,
        models={"m": {"editor": "class_path", "class_path": "where.Painter"}},
        shards=4,
        keep_loaded=0,
        load_slots=1,
    )
    path = {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    project.run("--sdm", "conda", "--cores", "100", **path)
    assert most_at_once(project.root / "loads.txt") == 1
    assert most_at_once(project.root / "edits.txt") <= 2
    assert len((project.root / "loads.txt").read_text().splitlines()) == 4
    assert "/.snakemake/conda/" in (project.root / "prefix.txt").read_text()
    made = project.snakemake("--containerize", "--configfile", "config/test.yaml", env=path)
    assert "COPY environment.yml " in made.stdout


def test_every_command_says_what_it_does() -> None:
    for path in sorted((ROOT / "scripts").glob("*.py")):
        result = subprocess.run(
            [sys.executable, str(path), "--help"], capture_output=True, text=True, check=True
        )
        assert len(result.stdout.splitlines()) > 3, path


def test_parsing_and_jobs_that_find_a_model_loaded_need_no_heavy_library() -> None:
    code = (
        "import sys; sys.path.insert(0, 'scripts');"
        "import edit_benchmark.editing.job, edit_benchmark.judging.job;"
        "import edit_benchmark.selftest.job, edit_benchmark.config.resolve;"
        "print([name for name in ('torch', 'diffusers', 'transformers', 'pandas', 'scipy', "
        "'openai') if name in sys.modules])"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert printed.strip() == "[]"

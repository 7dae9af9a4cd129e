"""Kill an ongoing run at random moments, resume it, and compare it with an undisturbed one.

    python tests/fault_run.py --kills 30            random models (make faults)
    python tests/fault_run.py --kills 30 --toys     toys in their place: seconds a run

Each kill is one of seven. By SIGKILL: an editing or scoring job; a process with a loaded model; the
keeper, which shares out the devices; Snakemake alone; all that runs in its terminal. By signals of
other kinds: Ctrl-C; SIGTERM. An edit or answer that was finished before a resume and is written
anew counts as repeated; a process of the run that is there five seconds after a run's end is left
over. If a run ends before its kill, the next one begins from nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import psutil

ROOT = Path(__file__).parents[1]
_NEEDED = ["Snakefile", "workflow", "scripts", "config", "profiles", "resources", "environment.yml"]
#: Where a kill of this kind finds what it kills: the scripts' names.
SCRIPTS = {
    "kill -9 a job": ("edit.py", "score.py"),
    "kill -9 a model process": ("model_process.py",),
    "kill -9 the keeper": ("keeper.py",),
}
KINDS = [*SCRIPTS, "kill -9 snakemake", "kill -9 all", "ctrl-c", "sigterm"]
# What is left of a run that has ended is gone by then.
LEFT_SECONDS = 5.0
_TABLES = [
    "summary.csv",
    "summary.md",
    "summary.tex",
    "breakdown.csv",
    "comparison.csv",
    "ranks.csv",
]


@dataclass
class Tally:
    """What was counted so far."""

    kills: dict[str, int] = field(default_factory=dict)
    resumes: int = 0
    edits_repeated: int = 0
    answers_repeated: int = 0
    differences: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was repeated, differs or was left over."""
        repeated = self.edits_repeated or self.answers_repeated
        return not (repeated or self.differences or self.leftovers)


def processes(leases: str | Path, *scripts: str) -> list[psutil.Process]:
    """Processes of runs with this folder of leases, or those of them that run ``scripts``."""
    mark = f"EDIT_BENCHMARK_LEASES={leases}".encode()
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
            if mark not in environment or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if not scripts or {Path(word).name for word in process.cmdline()[1:2]} & {*scripts}:
                found.append(process)
    return found


def left_over(leases: str | Path, seconds: float = LEFT_SECONDS) -> list[psutil.Process]:
    """What is still there of runs with this folder of leases, once nothing is or the time is up."""
    deadline = time.monotonic() + seconds
    while (found := processes(leases)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


@dataclass(frozen=True)
class Run:
    """A clone of the workflow and how to run it."""

    root: Path
    configfile: str
    results: Path
    environment: Mapping[str, str]

    @property
    def leases(self) -> str:
        """The folder by which this run's processes are known."""
        return self.environment["EDIT_BENCHMARK_LEASES"]

    def start(self) -> subprocess.Popen[bytes]:
        # Not a pipe: what outlives a killed Snakemake would keep it open.
        with (self.root / "output.txt").open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--cores", "2",
                 "--configfile", self.configfile],
                cwd=self.root, env=dict(self.environment), stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip

    def finish(self, tally: Tally) -> None:
        """The same command to the end."""
        before = self.finished()
        run = self.start()
        run.wait()
        tally.resumes += 1
        self.count(before, tally)
        self.look_for_leftovers("the end", tally)
        self.check(run)

    def check(self, run: subprocess.Popen[bytes]) -> None:
        """Stop if a run that nobody disturbed has failed."""
        if run.returncode:
            output = (self.root / "output.txt").read_text(encoding="utf-8", errors="replace")
            raise SystemExit(f"the run cannot be resumed:\n{output[-5000:]}")

    def look_for_leftovers(self, after: str, tally: Tally) -> None:
        """Count what is left of a run that has ended, and end it."""
        for process in left_over(self.leases):
            with suppress(psutil.Error):
                tally.leftovers.append(f"after {after}: {' '.join(process.cmdline())[:200]}")
                process.kill()

    def finished(self) -> dict[Path, int]:
        """Every finished edit and answer, and when it was written."""
        return {path: path.stat().st_mtime_ns for path in self.results.glob("store/*/*/*.json")}

    def count(self, before: Mapping[Path, int], tally: Tally) -> None:
        after = self.finished()
        again = [path for path, when in before.items() if after.get(path) != when]
        tally.edits_repeated += sum(path.parts[-3] == "edits" for path in again)
        tally.answers_repeated += sum(path.parts[-3] == "answers" for path in again)

    def outcome(self) -> dict[str, bytes]:
        """Images and tables, without the columns that measure time."""
        files = {
            path.relative_to(self.results).as_posix(): path.read_bytes()
            for path in sorted(self.results.glob("edits/*/*/images/*.png"))
        }
        report = self.results / "report"
        files |= {name: (report / name).read_bytes() for name in _TABLES}
        scores = pd.read_csv(report / "scores.csv", dtype=str)
        kept = [name for name in scores.columns if not name.endswith("_seconds")]
        files["scores.csv"] = scores[kept].to_csv().encode()
        return files


def kill(run: Run, process: subprocess.Popen[bytes], kind: str) -> bool:
    """Kill a part of a run that was started as ``process``; whether there was one of this kind."""
    group = process.pid  # a session of its own: the leader's pid
    if kind in SCRIPTS:
        found = processes(run.leases, *SCRIPTS[kind])
        for one in found:
            with suppress(psutil.Error):
                one.kill()
        return bool(found)
    if kind == "kill -9 snakemake":
        process.kill()
    elif kind == "kill -9 all":
        os.killpg(group, signal.SIGKILL)
    elif kind == "ctrl-c":
        os.killpg(group, signal.SIGINT)
    else:
        process.terminate()
    return True


def _killed_after(seconds: float, run: Run, process: subprocess.Popen[bytes], kind: str) -> bool:
    """Kill after so many seconds, or as soon as there is what to kill; whether there was."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    while process.poll() is None:
        if kill(run, process, kind):
            return True
        time.sleep(0.05)
    return False


def disturb(
    run: Run, reference: Mapping[str, bytes], kills: int, longest: float, rng: random.Random
) -> Tally:
    """Kill ``kills`` times, each at most ``longest`` seconds after a start, and compare."""
    tally = Tally()
    while sum(tally.kills.values()) < kills:
        before = run.finished()
        process = run.start()
        kind = rng.choice(KINDS)
        was_killed = _killed_after(rng.uniform(0.5, longest), run, process, kind)
        process.wait()
        run.count(before, tally)
        run.look_for_leftovers(kind, tally)
        if was_killed:
            tally.kills[kind] = tally.kills.get(kind, 0) + 1
            tally.resumes += 1
            done = sum(tally.kills.values())
            print(f"kill {done} ({kind}): {len(run.finished())} finished", flush=True)
        else:
            run.check(process)
            _compare(run, reference, tally)
            shutil.rmtree(run.results)
    run.finish(tally)
    _compare(run, reference, tally)
    return tally


def _compare(run: Run, reference: Mapping[str, bytes], tally: Tally) -> None:
    outcome = run.outcome()
    names = sorted(set(reference) | set(outcome))
    tally.differences += [name for name in names if reference.get(name) != outcome.get(name)]


def _demo(folder: Path) -> Run:
    """The demo's benchmark with models of random weights."""
    root = folder / "clone"
    root.mkdir()
    for name in _NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    environment = os.environ | {"EDIT_BENCHMARK_LEASES": str(folder / "leases")}
    shutil.copy(ROOT / "tests/random_models.yaml", root / "config")
    shutil.copytree(ROOT / "build/random-models", root / "build/random-models")
    return Run(root, "config/random_models.yaml", root / "results/random", environment)


def _toys(folder: Path) -> Run:
    """Toys of the tests, two editors and a judge, on a benchmark of one category."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from conftest import clone
    from runs import SLOW, one_category

    project = clone(folder / "clone")
    slow = SLOW | {"params": {"delay": 0.2}}
    one_category(project, 12, models={"one": slow, "two": slow | {"seed": 1}}, shards=3)
    return Run(project.root, "config/test.yaml", project.root / "results", project.environment())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the moments and kinds of kills")
    parser.add_argument("--longest", type=float, default=25, help="seconds to a kill, at most")
    parser.add_argument("--toys", action="store_true", help="run toys, not real classes")
    arguments = parser.parse_args()
    # Where a shell started this in the background, Ctrl-C would be ignored by all it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        run = (_toys if arguments.toys else _demo)(Path(folder))
        began = time.monotonic()
        run.finish(Tally())
        reference = run.outcome()
        print(f"undisturbed run: {len(run.finished())} edits and answers, {len(reference)} images "
              f"and tables, {time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
        shutil.rmtree(run.results)
        rng = random.Random(arguments.seed)
        tally = disturb(run, reference, arguments.kills, arguments.longest, rng)
    kinds = ", ".join(f"{count}x {kind}" for kind, count in sorted(tally.kills.items()))
    print(f"kills: {sum(tally.kills.values())} ({kinds})")
    print(f"resumes: {tally.resumes}")
    print(f"edits repeated: {tally.edits_repeated}")
    print(f"answers repeated: {tally.answers_repeated}")
    print(f"differences: {len(tally.differences)}", *tally.differences[:20])
    print(f"left over: {len(tally.leftovers)}", *tally.leftovers[:20], sep="\n  ")
    sys.exit(not tally.is_clean)


if __name__ == "__main__":
    main()

"""Kill an ongoing run at random moments, resume it, and compare it with an undisturbed one.

    python tests/fault_run.py --kills 30        (make faults)

Each kill is one of five: an editing or scoring job, Snakemake alone (its jobs live on), or all of
them by SIGKILL; Ctrl-C; SIGTERM. An edit or answer that was finished before a resume and is written
anew counts as repeated. If a run ends before its kill, the next one begins from nothing.
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
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
_NEEDED = ["Snakefile", "workflow", "scripts", "config", "profiles", "resources", "environment.yml"]
KINDS = ["kill -9 a job", "kill -9 snakemake", "kill -9 all", "ctrl-c", "sigterm"]
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


@dataclass(frozen=True)
class Run:
    """A clone of the workflow and how to run it."""

    root: Path
    configfile: str
    results: Path
    environment: Mapping[str, str]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "snakemake", "--cores", "2"]
        return subprocess.Popen(
            [*command, "--configfile", self.configfile, *arguments],
            cwd=self.root, env=dict(self.environment), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def finish(self, tally: Tally) -> None:
        """The same command to the end; ``--unlock`` first where Snakemake asks for it.

        Jobs of a killed Snakemake may live on: what they hold the next run waits for, and where
        one of them finishes a table in between, the next run is wanted once more.
        """
        for _ in range(3):
            before = self.finished()
            output, code = self._complete()
            tally.resumes += 1
            self.count(before, tally)
            if code == 0:
                return
        raise SystemExit(f"the run cannot be resumed:\n{output[-5000:]}")

    def _complete(self) -> tuple[str, int]:
        run = self.start()
        output, _ = run.communicate()
        if "--unlock" in output:
            self.start("--unlock").communicate()
            run = self.start()
            output, _ = run.communicate()
        return output, run.returncode

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


def kill(run: subprocess.Popen[str], kind: str) -> None:
    group = run.pid  # a session of its own: the leader's pid
    if kind == "kill -9 a job":
        subprocess.run(["pkill", "-9", "-g", str(group), "-f", "scripts/(edit|score)[.]py"])
    elif kind == "kill -9 snakemake":
        run.kill()
    elif kind == "kill -9 all":
        os.killpg(group, signal.SIGKILL)
    elif kind == "ctrl-c":
        os.killpg(group, signal.SIGINT)
    else:
        run.terminate()


def disturb(
    run: Run, reference: Mapping[str, bytes], kills: int, longest: float, rng: random.Random
) -> Tally:
    """Kill ``kills`` times, each at most ``longest`` seconds after a start, and compare."""
    tally = Tally()
    while sum(tally.kills.values()) < kills:
        before = run.finished()
        process = run.start()
        try:
            output, _ = process.communicate(timeout=rng.uniform(0.5, longest))
        except subprocess.TimeoutExpired:
            kind = rng.choice(KINDS)
            kill(process, kind)
            tally.kills[kind] = tally.kills.get(kind, 0) + 1
            _drain(process, kind)
        else:
            if "--unlock" in output:
                run.start("--unlock").communicate()
                continue
            if process.returncode:
                raise SystemExit(f"the run cannot be resumed:\n{output[-5000:]}")
            run.count(before, tally)
            _compare(run, reference, tally)
            shutil.rmtree(run.results)
            continue
        tally.resumes += 1
        run.count(before, tally)
        done = sum(tally.kills.values())
        print(f"kill {done} ({kind}): {len(run.finished())} finished", flush=True)
    run.finish(tally)
    _compare(run, reference, tally)
    return tally


def _drain(process: subprocess.Popen[str], kind: str) -> None:
    """Wait until the killed run is gone; jobs that outlive Snakemake are left alone."""
    if kind == "kill -9 snakemake":
        process.wait()
        time.sleep(0.5)
        if process.stdout is not None:
            process.stdout.close()
    else:
        process.communicate()


def _compare(run: Run, reference: Mapping[str, bytes], tally: Tally) -> None:
    outcome = run.outcome()
    names = sorted(set(reference) | set(outcome))
    tally.differences += [name for name in names if reference.get(name) != outcome.get(name)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the moments and kinds of kills")
    parser.add_argument("--longest", type=float, default=25, help="seconds to a kill, at most")
    arguments = parser.parse_args()
    # Where a shell started this in the background, Ctrl-C would be ignored by all it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        root = Path(folder) / "clone"
        root.mkdir()
        for name in _NEEDED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, root / name)
        environment = os.environ | {"EDIT_BENCHMARK_LEASES": str(Path(folder) / "leases")}
        run = Run(root, "config/demo.yaml", root / "results" / "demo", environment)
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
    sys.exit(bool(tally.edits_repeated or tally.answers_repeated or tally.differences))


if __name__ == "__main__":
    main()

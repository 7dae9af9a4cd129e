"""Where everything lies below the results folder; docs/results.md says what it is.

The rules declare the same paths; ``tests/test_layout.py`` holds the two together. Some paths are
only written by rules and only read by people: they are here so that all are in one place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The paths below ``root``, the results folder of one run."""

    root: Path

    # ----- The benchmark -----

    @property
    def samples(self) -> Path:
        """The samples table."""
        return self.root / "benchmark" / "samples.jsonl"

    @property
    def benchmark_file(self) -> Path:
        """Which benchmark file the samples table was made from."""
        return self.root / "benchmark" / "file.json"

    @property
    def sources(self) -> Path:
        """Folder of the source images, each named by its hash."""
        return self.root / "benchmark" / "sources"

    @property
    def assignment(self) -> Path:
        """Which sample is edited in which shard."""
        return self.root / "benchmark" / "assignment.txt"

    def editor_checkpoint(self, model: str) -> Path:
        """The resolved checkpoint of a model."""
        return self.root / "checkpoints" / "editors" / f"{model}.json"

    def judge_checkpoint(self, judge: str) -> Path:
        """The resolved checkpoint of a judge."""
        return self.root / "checkpoints" / "judges" / f"{judge}.json"

    def server_log(self, section: str, name: str) -> Path:
        """What a server wrote that the run started for a model or judge."""
        return self.root / "logs" / "servers" / section / f"{name}.log"

    # ----- Finished work, by key -----

    @property
    def edit_store(self) -> Path:
        """Every finished edit."""
        return self.root / "store" / "edits"

    @property
    def answer_store(self) -> Path:
        """Every finished answer of a judge."""
        return self.root / "store" / "answers"

    def selftest_replies(self, judge: str, model: str) -> Path:
        """What a server replied in a self-test."""
        return self.root / "store" / "selftest_replies" / judge / model

    def recipe(self, name: str) -> Path:
        """A way in which edits or answers were made."""
        return self.root / "store" / "recipes" / f"{name}.json"

    # ----- Tables between the stations -----

    def shard_table(self, model: str, category: str, shard: str) -> Path:
        """What one edit job did; ``shard`` is ``<k>-of-<n>``."""
        return self.root / "edits" / model / category / f"{shard}.jsonl"

    def shard_tables(
        self, model: str = "*", category: str = "*", shards: int | None = None
    ) -> Iterator[Path]:
        """Tables of finished edit jobs, sorted: of any division or of one into ``shards``."""
        count = "*" if shards is None else str(shards)
        return iter(sorted(self.root.glob(f"edits/{model}/{category}/*-of-{count}.jsonl")))

    def edit_table(self, model: str, category: str) -> Path:
        """All edits of a category by a model, a row a sample."""
        return self.root / "edits" / model / category / "edits.jsonl"

    def edit_tables(self, model: str = "*") -> Iterator[Path]:
        """The tables of :meth:`edit_table` that exist, sorted."""
        return iter(sorted(self.root.glob(f"edits/{model}/*/edits.jsonl")))

    def edited_images(self, model: str, category: str) -> Path:
        """Folder of a category's edited images, named by their samples."""
        return self.root / "edits" / model / category / "images"

    def score_part(self, judge: str, model: str, category: str, chunk: str) -> Path:
        """What one score job did."""
        return self.root / "scores" / judge / model / category / f"part-{chunk}.jsonl"

    def score_parts(self) -> Iterator[Path]:
        """Tables of finished score jobs, sorted."""
        return iter(sorted(self.root.glob("scores/*/*/*/part-*.jsonl")))

    def score_table(self, judge: str, model: str, category: str) -> Path:
        """All scores of a category's edits, a row a sample."""
        return self.root / "scores" / judge / model / f"{category}.jsonl"

    def score_tables(self, model: str = "*", category: str = "*") -> Iterator[Path]:
        """The tables of :meth:`score_table` that exist, of all judges, sorted."""
        return iter(sorted(self.root.glob(f"scores/*/{model}/{category}.jsonl")))

    def preference_part(
        self, judge: str, first: str, second: str, category: str, chunk: str
    ) -> Path:
        """What one job that compares did."""
        folder = self.root / "preferences" / judge / first / second / category
        return folder / f"part-{chunk}.jsonl"

    def preference_parts(self) -> Iterator[Path]:
        """Tables of finished jobs that compared two models' edits, sorted."""
        return iter(sorted(self.root.glob("preferences/*/*/*/*/part-*.jsonl")))

    def preference_table(self, judge: str, first: str, second: str, category: str) -> Path:
        """Which of two models' edits of a category a judge prefers, a row a pair and question."""
        return self.root / "preferences" / judge / first / second / f"{category}.jsonl"

    def preference_tables(self, model: str = "*", category: str = "*") -> Iterator[Path]:
        """The tables of :meth:`preference_table` that exist, those of a model's pairs, sorted."""
        pairs = {f"{model}/*", f"*/{model}"}
        found = {
            path
            for pair in pairs
            for path in self.root.glob(f"preferences/*/{pair}/{category}.jsonl")
        }
        return iter(sorted(found))

    # ----- Records -----

    def selftest_part(self, judge: str, model: str, part: str) -> Path:
        """What a judge answered in one part of its self-test; ``part`` is ``<k>-of-<n>``."""
        return self.root / "selftest_parts" / judge / model / f"{part}.json"

    def selftest(self, judge: str, model: str) -> Path:
        """The record of a judge's self-test on a model's edits."""
        return self.root / "selftest" / judge / f"{model}.json"

    @property
    def report(self) -> Path:
        """Folder of the report; ``report/write.py`` names what is in it."""
        return self.root / "report"

    def category_report(self, category: str) -> Path:
        """Folder of the report of one category."""
        return self.report / "categories" / category

    def selftests(self) -> Iterator[Path]:
        """Records of the judges' self-tests, sorted."""
        return iter(sorted(self.root.glob("selftest/*/*.json")))

    @property
    def plan(self) -> Path:
        """What the last run was to make, written as it began."""
        return self.root / "plan.json"

    @property
    def run_lock(self) -> Path:
        """The file that a run has locked, and that says which run it is."""
        return self.root / ".run.lock"

    def job_log(self, rule: str, *place: str) -> Path:
        """The log of a job; ``place`` are its wildcards in the order of its table's path."""
        return self.root.joinpath("logs", rule, *place[:-1], f"{place[-1]}.log")

    @property
    def timings(self) -> Path:
        """What each job wrote about its time, a line a job."""
        return self.root / "timings.jsonl"

    @property
    def spending(self) -> Path:
        """What was asked of servers and what it cost, two lines a request."""
        return self.root / "spending.jsonl"

    @property
    def run(self) -> Path:
        """The record of the run."""
        return self.root / "run.json"

    # ----- Within -----

    def relative(self, path: Path) -> str:
        """``path`` as tables name it: relative to the results folder, so that this can be moved."""
        return path.relative_to(self.root).as_posix()

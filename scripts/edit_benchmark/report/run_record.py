"""The record of a run: everything that somebody needs to judge or repeat its numbers."""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from edit_benchmark import __version__
from edit_benchmark.config.run import Config
from edit_benchmark.config.secrets import SECRET
from edit_benchmark.judging.rubrics import rubric_hash
from edit_benchmark.runtime.gpus import host_description
from edit_benchmark.versions import recorded


def run_record(
    settings: Config,
    benchmark: Path,
    checkpoints: Sequence[Path],
    rubrics: Sequence[Path],
) -> dict[str, Any]:
    """The record of a run, for ``run.json`` and the report.

    Parameters
    ----------
    settings
        The configuration as run, defaults filled.
    benchmark
        The benchmark file; its bytes are hashed.
    checkpoints
        Records of the resolved checkpoints, ``<model>.json`` and ``<judge>.json``.
    rubrics
        Rubric files; a rubric's hash is that of its content, so that a comment does not change it.
    """
    with benchmark.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "software": f"image-edit-benchmark {__version__}",
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": _command(),
        "config": settings.model_dump(mode="json"),
        "benchmark": {"path": str(benchmark), "sha256": digest},
        "checkpoints": {
            f"{path.parent.name}/{path.stem}": json.loads(path.read_text(encoding="utf-8"))
            for path in checkpoints
        },
        "rubrics": {str(path): rubric_hash(path) for path in rubrics},
        "versions": recorded(),
        **host_description(),
    }


def _command() -> str:
    """The command line of the Snakemake that runs this job, if it still can be seen."""
    for process in psutil.Process().parents():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        names = [Path(word).name for word in words[:3]]
        if "snakemake" in names:
            return shlex.join(
                ["snakemake", *without_secrets(words[names.index("snakemake") + 1 :])]
            )
    return ""


def without_secrets(words: Sequence[str]) -> list[str]:
    """A command's words, the values of options and keys that name a secret replaced by stars."""
    shown: list[str] = []
    for number, word in enumerate(words):
        name, equals, _ = word.partition("=")
        if equals and SECRET.search(name):
            shown.append(f"{name}=***")
        elif number and words[number - 1].startswith("-") and SECRET.search(words[number - 1]):
            shown.append("***")
        else:
            shown.append(word)
    return shown

"""The record of a run: everything that somebody needs to judge or repeat its numbers."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from edit_benchmark import __version__
from edit_benchmark.config.run import Config
from edit_benchmark.config.secrets import SECRET
from edit_benchmark.dataset import origin
from edit_benchmark.editing import registry as editors
from edit_benchmark.errors import UserError
from edit_benchmark.judging import registry as judges
from edit_benchmark.judging.variations import asked_hash
from edit_benchmark.records import Preference, Score
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.recipes import used
from edit_benchmark.results.tables import each_row
from edit_benchmark.runtime.gpus import host_description
from edit_benchmark.versions import recorded


@dataclass(frozen=True)
class Recorded:
    """The files that the record of a run is made of.

    Attributes
    ----------
    results
        The results folder.
    benchmark
        The benchmark file.
    checkpoints
        Records of the resolved checkpoints, ``<model>.json`` and ``<judge>.json``.
    scores, preferences
        The score tables, and those of pairs.
    """

    results: Path
    benchmark: Path
    checkpoints: Sequence[Path]
    scores: Sequence[Path]
    preferences: Sequence[Path] = ()


def run_record(settings: Config, files: Recorded) -> dict[str, Any]:
    """The record of a run, for ``run.json`` and the report.

    Parameters
    ----------
    settings
        The configuration as run, defaults filled.

    Raises
    ------
    UserError
        If score tables were made with other settings or another rubric than those to be recorded.
    """
    layout = Layout(files.results)
    edits: dict[str, Counter[str]] = {name: Counter() for name in settings.models}
    answers: dict[str, Counter[str]] = {name: Counter() for name in settings.judges}
    for path in files.scores:
        for score in each_row(path, Score):
            edits[score.model][score.recipe] += 1
            answers[score.judge][score.answer_recipe] += 1
    for path in files.preferences:
        for pair in each_row(path, Preference):
            answers[pair.judge][pair.answer_recipe] += 1
    made_by = {
        "models": {name: used(layout, recipes) for name, recipes in edits.items()},
        "judges": {name: used(layout, recipes) for name, recipes in answers.items()},
    }
    _check_settings(settings, made_by)
    return {
        "software": f"image-edit-benchmark {__version__}",
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": _command(),
        "config": settings.model_dump(mode="json"),
        "benchmark": origin.read(layout.benchmark_file, files.benchmark),
        "checkpoints": {
            f"{path.parent.name}/{path.stem}": json.loads(path.read_text(encoding="utf-8"))
            for path in files.checkpoints
        },
        "rubrics": {
            str(judge.protocol_file or judge.rubric_file): digest
            for judge in settings.judges.values()
            if (digest := asked_hash(judge)) is not None
        },
        "made_by": made_by,
        "versions": recorded(),
        **host_description(),
    }


def _check_settings(settings: Config, made_by: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse tables of which the configuration, or a rubric, says something else."""
    wanted: dict[tuple[str, str], dict[str, Any]] = {}
    for name, model in settings.models.items():
        keys = editors.KINDS[model.editor].key_settings
        wanted["models", name] = model.model_dump(mode="json", include=set(keys))
    for name, judge in settings.judges.items():
        keys = judges.KINDS[judge.judge].key_settings
        wanted["judges", name] = judge.model_dump(mode="json", include=set(keys))
        if (digest := asked_hash(judge)) is not None:
            wanted["judges", name]["rubric_sha256"] = digest
    for (section, name), fields in wanted.items():
        rule = {"models": "edit", "judges": "score"}[section]
        for recipe in made_by[section][name]:
            for key, value in fields.items():
                if key in recipe and recipe[key] != value:
                    raise UserError(
                        f"{section}.{name}: {key} changed after {recipe['rows']} of its rows were "
                        f"made; run the same command again, with --forcerun {rule} if nothing "
                        "else happens, which makes only what is missing."
                    )


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

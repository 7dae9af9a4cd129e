"""The page: tables, plots, the record of the run, and a gallery of every sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from edit_benchmark.official.rendering import cells
from edit_benchmark.records import STATUSES, dumps
from edit_benchmark.report import formats, plots
from edit_benchmark.report.analysis import Analysis
from edit_benchmark.report.breakdown import by_dimension
from edit_benchmark.report.gallery import gallery
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.pair_tables import pair_kinds
from edit_benchmark.report.rows import (
    CRITERIA_MARK,
    DEVICES_MARK,
    EQUAL_MARK,
    FEW_MARK,
    MACRO,
    MICRO,
)
from edit_benchmark.report.scales import decimals, sentence
from edit_benchmark.report.score_tables import Survey
from edit_benchmark.report.seconds import Seconds
from edit_benchmark.report.thumbnails import Thumbnail
from edit_benchmark.report.verdicts import verdicts
from edit_benchmark.report.words import Words
from edit_benchmark.results.files import write_text
from edit_benchmark.stats.estimates import FEW

_TEMPLATES = Path(__file__).parent / "templates"
# What would end the script element, or a line of a script in old readers.
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True)
class Content:
    """What the page shows.

    Attributes
    ----------
    shown
        The samples that the gallery has, and their rows.
    thumbnails
        Copies of the images by the paths that the records have.
    figures
        The overview plot of each judge.
    notes
        Sentences shown on top.
    """

    inputs: Inputs
    shown: Inputs
    analysis: Analysis
    thumbnails: Mapping[str, Thumbnail]
    figures: Mapping[str, Figure]
    notes: Sequence[str]
    words: Words


def write_page(content: Content, out: Path) -> None:
    """Write ``index.html``: one file that needs no network, its images beside it."""
    inputs, words = content.inputs, content.words
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": formats.number,
        "span": formats.span,
        "cells": cells,
        "decimals": partial(decimals, scales=inputs.scales),
    }
    survey = Survey.of(inputs.scores)
    judges = survey.judges
    comparing = list(dict.fromkeys(kind.judge for kind in pair_kinds(inputs.preferences)))
    text = environment.get_template("index.html.jinja").render(
        words=words,
        tables=content.analysis,
        breakdown=by_dimension(content.analysis.breakdown),
        notes=[note for note in content.notes if note.strip()],
        verdicts=verdicts(inputs.selftests, judges, inputs.judges, words, comparing),
        judges=judges,
        comparing=comparing,
        scales=sentence(judges, inputs.scales, words),
        models=survey.models,
        statuses=STATUSES,
        figures={
            judge: Markup(plots.inline(figure, f"plot{position}-"))
            for position, (judge, figure) in enumerate(content.figures.items())
        },
        finished=inputs.run.get("finished"),
        run_details=_run_details(inputs, content.analysis.seconds),
        counts={"samples": len(inputs.samples), "few": FEW},
        linked={sample.id for sample in content.shown.samples},
        names={
            "micro": MICRO,
            "macro": MACRO,
            "few": FEW_MARK,
            "equal": EQUAL_MARK,
            "criteria": CRITERIA_MARK,
            "devices": DEVICES_MARK,
        },
        data=_embedded(gallery(content.shown, content.thumbnails, words, out)),
        style=Markup(_read("report.css")),
        script=Markup(_read("report.js")),
    )
    write_text(out / "index.html", text)


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _embedded(value: Any) -> Markup:
    """JSON that can stand within a script element, whatever texts it holds."""
    text = dumps(value)
    for character, escaped in _UNSAFE.items():
        text = text.replace(character, escaped)
    return Markup(text)


def _run_details(inputs: Inputs, taken: Seconds) -> list[dict[str, Any]]:
    """The record of the run as lists of names and values, each with a title; empty without one."""
    run = inputs.run
    if not run:
        return []
    config = run.get("config") or {}
    checkpoints = run.get("checkpoints") or {}
    benchmark = run.get("benchmark") or {}
    parts: list[tuple[str, Mapping[str, Any]]] = [
        ("run", {
            "software": run.get("software"), "finished": run.get("finished"),
            "command": run.get("command"), "host": run.get("host"),
            "GPUs": ", ".join(run.get("gpus") or []), "driver": run.get("driver"),
            "benchmark": benchmark.get("path"), "benchmark SHA-256": benchmark.get("sha256"),
        }),
    ]  # fmt: skip
    for section, folder in (("models", "editors"), ("judges", "judges")):
        for name, settings in config.get(section, {}).items():
            record = checkpoints.get(f"{folder}/{name}") or {}
            details = {**settings, **{key: record.get(key) for key in ("commit", "fingerprint")}}
            if (seconds := taken.median(section, name)) is not None:
                details["seconds per image (median)"] = f"{seconds:.3g}"
            parts.append((f"{section[:-1]} {name}", details))
    parts.append(("rubrics", run.get("rubrics") or {}))
    parts.append(("versions", run.get("versions") or {}))
    return [
        {"title": title, "entries": {key: _shown(value) for key, value in details.items()
                                     if value not in (None, "", {}, [])}}
        for title, details in parts
    ]  # fmt: skip


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)

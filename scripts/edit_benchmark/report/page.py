"""The page: tables, plots, the record of the run, and a gallery of every sample."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from edit_benchmark.categories import label
from edit_benchmark.records import SCORED, STATUSES, Sample, Score, dumps
from edit_benchmark.report import formats, plots, texts, timings, words
from edit_benchmark.report.analysis import Analysis
from edit_benchmark.report.inputs import Inputs, configured
from edit_benchmark.report.tables import EQUAL_MARK, FEW_MARK, MACRO, MICRO, plain
from edit_benchmark.report.thumbnails import Thumbnail
from edit_benchmark.report.verdicts import verdicts
from edit_benchmark.results.files import write_text
from edit_benchmark.stats.estimates import FEW

_TEMPLATES = Path(__file__).parent / "templates"
# What would end the script element, or a line of a script in old readers.
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def write_page(
    inputs: Inputs,
    analysis: Analysis,
    thumbnails: Mapping[str, Thumbnail],
    figures: Mapping[str, Figure],
    out: Path,
    notes: Sequence[str],
    language: str,
) -> None:
    """Write ``index.html``: one file that needs no network, its pictures beside it.

    Parameters
    ----------
    thumbnails
        Copies of the pictures by the paths that the records have.
    figures
        The overview plot of each judge.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": formats.number, "span": formats.span}
    summary = plain(analysis.summary)
    text = environment.get_template("index.html.jinja").render(
        t=words.page(language),
        lang=texts.LANGUAGES[language],
        word=lambda name: texts.word(name, language),
        column=lambda name: texts.column(name, language),
        notes=[note for note in notes if note.strip()],
        warnings=analysis.warnings,
        verdicts=verdicts(
            inputs.selftests,
            list(dict.fromkeys(row.judge for row in inputs.scores)),
            inputs.run,
            language,
        ),
        judges=list(dict.fromkeys(row["judge"] for row in summary)),
        models=list(dict.fromkeys(row["model"] for row in summary)),
        categories=inputs.categories,
        statuses=STATUSES,
        summary=summary,
        breakdown=plain(analysis.breakdown),
        comparison=plain(analysis.comparison),
        ranks=plain(analysis.ranks),
        agreement=plain(analysis.agreement),
        repeats=plain(analysis.repeats),
        failures=plain(analysis.failures),
        timings=plain(analysis.timings),
        stages=[
            name.removesuffix("_seconds")
            for name in analysis.timings.columns
            if name not in timings.COLUMNS
        ],
        alpha=analysis.alpha,
        figures={
            judge: Markup(plots.inline(figure, f"plot{position}-"))
            for position, (judge, figure) in enumerate(figures.items())
        },
        run=inputs.run,
        provenance=_provenance(inputs),
        counts={"samples": len(inputs.samples), "few": FEW},
        names={"micro": MICRO, "macro": MACRO, "few": FEW_MARK, "equal": EQUAL_MARK},
        data=_embedded(_data(inputs, thumbnails, out, language)),
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


def _data(
    inputs: Inputs, thumbnails: Mapping[str, Thumbnail], out: Path, language: str
) -> dict[str, Any]:
    """What the gallery shows, compact: one entry a sample, rows by position of model and judge."""
    models = list(dict.fromkeys(row.model for row in inputs.scores))
    judges = list(dict.fromkeys(row.judge for row in inputs.scores))
    by_id: dict[str, list[Score]] = {}
    for row in inputs.scores:
        by_id.setdefault(row.id, []).append(row)
    samples = []
    for sample in inputs.samples:
        rows = by_id.get(sample.id, [])
        edits = {
            str(models.index(row.model)): _picture(row.picture, inputs.results, thumbnails, out)
            for row in rows
            if row.picture
        }
        samples.append(
            {
                "id": sample.id,
                "category": sample.category,
                **_texts(sample),
                "difficulty": sample.difficulty,
                "tags": sample.tags,
                "human": sample.human_score,
                "source": _picture(sample.source, inputs.results, thumbnails, out),
                "edits": edits,
                "rows": [_row(row, models, judges) for row in rows],
            }
        )
    return {
        "language": language,
        "models": models,
        "judges": judges,
        "categories": [{"key": key, "label": label(key, language)} for key in inputs.categories],
        "words": {name: texts.word(name, language) for name in STATUSES},
        "ui": words.script(language),
        "samples": samples,
    }


def _texts(sample: Sample) -> dict[str, str]:
    """Instruction, description and rationale in both languages, where there are any."""
    found = {
        name: getattr(sample, name)
        for what in ("instruction", "description", "rationale")
        for name in (f"{what}_en", f"{what}_zh")
    }
    if not (sample.instruction_en or sample.instruction_zh):
        found["instruction_en"] = sample.instruction
    return {name: text for name, text in found.items() if text}


def _picture(path: str, results: Path, thumbnails: Mapping[str, Thumbnail], out: Path) -> list[Any]:
    """Name of the copies, their size, and where the original lies as seen from the page."""
    thumbnail = thumbnails[path]
    original = os.path.relpath(results / path, out)
    return [thumbnail.name, thumbnail.width, thumbnail.height, quote(Path(original).as_posix())]


def _row(row: Score, models: Sequence[str], judges: Sequence[str]) -> dict[str, Any]:
    fields = {
        "model": models.index(row.model),
        "judge": judges.index(row.judge),
        "status": row.status,
        "reason": row.reason,
        "score": None if row.score is None else round(row.score, 4),
        "criteria": {
            key: None if value is None else round(value, 3) for key, value in row.criteria.items()
        },
        "flags": row.flags,
        "text": row.text,
        "seed": row.seed,
        "seconds": row.edit_seconds,
    }
    kept = {"model", "judge", "status"}
    return {name: value for name, value in fields.items() if name in kept or value not in ("", [])}


def _provenance(inputs: Inputs) -> list[dict[str, Any]]:
    """The record of the run as titled lists of facts; empty without one."""
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
    for kind, folder in (("models", "editors"), ("judges", "judges")):
        for name, settings in config.get(kind, {}).items():
            record = checkpoints.get(f"{folder}/{name}") or {}
            facts = {**settings, **{key: record.get(key) for key in ("commit", "fingerprint")}}
            parts.append((f"{kind[:-1]} {name}", facts | _seconds(inputs.scores, kind, name)))
    parts.append(("rubrics", run.get("rubrics") or {}))
    parts.append(("versions", run.get("versions") or {}))
    return [
        {"title": title, "facts": {key: _fact(value) for key, value in facts.items()
                                   if value not in (None, "", {}, [])}}
        for title, facts in parts
    ]  # fmt: skip


def _fact(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)


def _seconds(scores: Sequence[Score], kind: str, name: str) -> dict[str, str]:
    """Median seconds an image of a model or judge."""
    if kind == "models":
        once = {row.id: row.edit_seconds for row in scores if configured(row.model) == name}
        found = [value for value in once.values() if value is not None]
    else:
        mine = [row for row in scores if row.judge == name and row.status == SCORED]
        found = [row.judge_seconds for row in mine if row.judge_seconds is not None]
    if not found:
        return {}
    middle = sorted(found)[len(found) // 2]
    return {"seconds per image (median)": f"{middle:.3g}"}

"""The page: tables, and for each sample its pictures, instruction and scores."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from PIL import Image

from .. import pictures
from ..records import Sample, Score, write_bytes, write_text
from .tables import shown

_THUMBNAIL = (384, 384)


def write_page(
    samples: Sequence[Sample],
    scores: Sequence[Score],
    summary: pd.DataFrame,
    results: Path,
    out: Path,
    run: dict[str, Any],
    notes: Sequence[str],
    language: str,
) -> None:
    """Write ``index.html`` and its thumbnails; the folder can be moved and needs no network."""
    shutil.rmtree(out / "pictures", ignore_errors=True)
    thumbnails: dict[str, str] = {}
    by_id: dict[str, list[Score]] = {}
    for row in scores:
        by_id.setdefault(row.id, []).append(row)
    for sample in samples:
        thumbnails[sample.source] = _thumbnail(results / sample.source, out, sample.source_sha256)
        for row in by_id.get(sample.id, []):
            if row.picture:
                thumbnails[row.picture] = _thumbnail(results / row.picture, out, row.key)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    text = environment.get_template("index.html.jinja").render(
        samples=samples,
        scores=by_id,
        thumbnails=thumbnails,
        columns=list(summary.columns),
        summary=shown(summary),
        notes=[note for note in notes if note],
        run=run,
        language=language,
    )
    write_text(out / "index.html", text)


def _thumbnail(path: Path, out: Path, name: str) -> str:
    """A small copy of a picture beside the page; its path relative to the page."""
    relative = f"pictures/{name}.jpg"
    target = out / relative
    if not target.exists():
        image = pictures.load(path.read_bytes(), str(path))
        image.thumbnail(_THUMBNAIL, Image.Resampling.LANCZOS)
        write_bytes(target, pictures.encode_jpeg(image))
    return relative

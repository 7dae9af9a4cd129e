"""Contact sheets: a category's pictures of one model on one page, for Snakemake's own report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from edit_benchmark import images as pictures
from edit_benchmark.records import Sample, Score
from edit_benchmark.report.plots import chinese_font
from edit_benchmark.report.thumbnails import Thumbnail
from edit_benchmark.results.files import write_bytes

_CELL, _GAP, _TEXT = 150, 10, 34
_COLUMNS, _ROWS = 4, 350  # a JPEG is at most 65,535 pixels high


def write_sheets(
    samples: Sequence[Sample],
    scores: Sequence[Score],
    categories: Sequence[str],
    thumbnails: Mapping[str, Thumbnail],
    out: Path,
) -> None:
    """Write ``sheets/<category>/<model>.jpg`` for every model and category: source, edit, scores.

    ``thumbnails`` are those of the pictures' paths as the records have them.
    """
    for model in dict.fromkeys(row.model for row in scores):
        for category in categories:
            rows: dict[str, list[Score]] = {}
            for row in scores:
                if row.model == model and row.category == category:
                    rows.setdefault(row.id, []).append(row)
            members = [sample for sample in samples if sample.category == category]
            sheet = _sheet([(sample, rows[sample.id]) for sample in members], thumbnails, out)
            target = out / "sheets" / category / f"{model}.jpg"
            write_bytes(target, pictures.encode_jpeg(sheet))


def _sheet(
    entries: Sequence[tuple[Sample, Sequence[Score]]],
    thumbnails: Mapping[str, Thumbnail],
    out: Path,
) -> Image.Image:
    columns = max(_COLUMNS, math.ceil(len(entries) / _ROWS))
    width, height = 2 * _CELL + _GAP, _CELL + _TEXT
    lines = max(1, math.ceil(len(entries) / columns))
    size = (columns * (width + _GAP) + _GAP, lines * (height + _GAP) + _GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    found = chinese_font()
    font = ImageFont.truetype(found.fname, 12) if found else ImageFont.load_default(12)
    for position, (sample, rows) in enumerate(entries):
        left = _GAP + position % columns * (width + _GAP)
        top = _GAP + position // columns * (height + _GAP)
        for number, path in enumerate((sample.source, rows[0].picture)):
            corner = (left + number * _CELL, top)
            if path:
                with Image.open(out / thumbnails[path].small) as image:
                    image.thumbnail((_CELL - 2, _CELL - 2))
                    sheet.paste(image, corner)
            else:
                draw.text((corner[0] + 4, top + 4), rows[0].status, "#b3261e", font)
        numbers = [row.status if row.score is None else f"{row.score:.2f}" for row in rows]
        text = f"{_fitting(sample.id, font, width)}\n{_fitting('  '.join(numbers), font, width)}"
        draw.multiline_text((left, top + _CELL), text, "black", font, spacing=2)
    return sheet


def _fitting(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    while font.getlength(text) > width:
        text = text[:-2] + "…"
    return text

"""Contact sheets: a category's images of one model on one page, for Snakemake's own report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from edit_benchmark import images
from edit_benchmark.judging.rubrics import Scale
from edit_benchmark.records import Sample, Score
from edit_benchmark.report.formats import number as number_text
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.plots import chinese_font
from edit_benchmark.report.scales import Scales
from edit_benchmark.report.thumbnails import Thumbnail
from edit_benchmark.results.files import write_bytes

_CELL, _GAP, _TEXT = 150, 10, 34
_COLUMNS, _ROWS = 4, 337  # a JPEG image of libjpeg's is at most 65,500 pixels high


def write_contact_sheets(inputs: Inputs, thumbnails: Mapping[str, Thumbnail], out: Path) -> None:
    """Write ``contact_sheets/<category>/<model>.jpg`` for every model and category.

    A sheet shows source images, edit, target image, where there are any, and scores of each sample,
    the edit being the first of its repeats.
    ``thumbnails`` are those of the images' paths as the records have them.
    """
    rows: dict[str, dict[str, list[Score]]] = {}
    for row in inputs.scores:
        of_model = rows.setdefault(row.model, {})
        if not row.repeat:
            of_model.setdefault(row.id, []).append(row)
    for model, of_model in rows.items():
        for category in inputs.categories:
            members = [sample for sample in inputs.samples if sample.category == category]
            entries = [
                (sample, _sources(sample, of_model), of_model[sample.id]) for sample in members
            ]
            sheet = _sheet(entries, thumbnails, inputs.scales, out)
            target = out / "contact_sheets" / category / f"{model}.jpg"
            write_bytes(target, images.encode_jpeg(sheet))


def _sources(sample: Sample, rows: Mapping[str, Sequence[Score]]) -> list[str]:
    """Paths of what the model edited: of a later turn its edit of the turn before."""
    return [rows[sample.after][0].image] if sample.after else sample.sources


def _sheet(
    entries: Sequence[tuple[Sample, Sequence[str], Sequence[Score]]],
    thumbnails: Mapping[str, Thumbnail],
    scales: Scales,
    out: Path,
) -> Image.Image:
    columns = max(_COLUMNS, math.ceil(len(entries) / _ROWS))
    cells = 3 if any(sample.target for sample, _, _ in entries) else 2
    width, height = cells * _CELL + _GAP, _CELL + _TEXT
    lines = max(1, math.ceil(len(entries) / columns))
    size = (columns * (width + _GAP) + _GAP, lines * (height + _GAP) + _GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    chinese = chinese_font()
    font = ImageFont.truetype(chinese.fname, 12) if chinese else ImageFont.load_default(12)
    for position, (sample, sources, rows) in enumerate(entries):
        left = _GAP + position % columns * (width + _GAP)
        top = _GAP + position // columns * (height + _GAP)
        targets = [[sample.target]] if sample.target else []
        for number, paths in enumerate((sources, [rows[0].image], *targets)):
            corner = (left + number * _CELL, top)
            if all(paths):
                _paste(sheet, corner, [out / thumbnails[path].small for path in paths])
            else:
                draw.text((corner[0] + 4, top + 4), rows[0].status, "#b3261e", font)
        numbers = [
            row.status
            if row.score is None
            else number_text(row.score, scales.get(row.judge, Scale()).decimals)
            for row in rows
        ]
        text = f"{_fitting(sample.id, font, width)}\n{_fitting('  '.join(numbers), font, width)}"
        draw.multiline_text((left, top + _CELL), text, "black", font, spacing=2)
    return sheet


def _paste(sheet: Image.Image, corner: tuple[int, int], paths: Sequence[Path]) -> None:
    """Paste images into one cell of ``sheet``, several in rows of equal length."""
    columns = math.ceil(math.sqrt(len(paths)))
    side = _CELL // columns
    for number, path in enumerate(paths):
        with Image.open(path) as image:
            image.thumbnail((side - 2, side - 2))
            left, top = corner[0] + number % columns * side, corner[1] + number // columns * side
            sheet.paste(image, (left, top))


def _fitting(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    while font.getlength(text) > width:
        text = text[:-2] + "…"
    return text

"""Writing a run's edits where a public benchmark's own scripts look for them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from PIL import Image

from edit_benchmark import images
from edit_benchmark.dataset import source_images
from edit_benchmark.dataset.layouts import LAYOUTS, OutputLayout, check_samples
from edit_benchmark.errors import UserError
from edit_benchmark.records import EDITED, Edit, Sample
from edit_benchmark.results import edited_images
from edit_benchmark.results.files import write_bytes
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.tables import read_rows


@dataclass(frozen=True)
class Exported:
    """What was written of a model: how many images, and the edits that there are none of."""

    written: int
    missing: Sequence[Edit]


def models(results: Path) -> list[str]:
    """Names of the models that a results folder has edits of, sorted."""
    return sorted({path.parents[1].name for path in Layout(results).edit_tables()})


def export(results: Path, model: str, name: str, out: Path) -> Exported:
    """Write the first repeat of each of a model's edits below the folder ``out``.

    Parameters
    ----------
    name
        The layout, a key of :data:`LAYOUTS`.
    out
        A folder that does not exist yet, or is empty: what is in it would be scored too.

    Raises
    ------
    UserError
        If the samples are not of that benchmark, if ``out`` is not empty, if the layout pairs
        images with rows by their order and one is missing, or if an image was altered.
    """
    layout = Layout(results)
    samples = {sample.id: sample for sample in read_rows(layout.samples, Sample)}
    check_samples(name, samples.values())
    # Tables of categories that an earlier run had lie there still.
    edits = [
        row
        for path in layout.edit_tables(escape(model))
        for row in read_rows(path, Edit)
        if row.repeat == 0 and row.id in samples
    ]
    if not edits:
        raise UserError(
            f"{results}: it has no finished edits of model {model}; it has some of: "
            f"{', '.join(models(results)) or 'none'}."
        )
    missing = [edit for edit in edits if edit.status != EDITED]
    if LAYOUTS[name].by_order and missing:
        raise UserError(
            f"{results}: model {model} has no edit of {missing[0].id} ({missing[0].reason}), and "
            f"the scripts of {name} pair images with rows by their order; redo what failed, or run "
            "without its category."
        )
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out}: not empty, and what is in it would be scored too; name another.")
    for edit in edits:
        if edit.status == EDITED:
            _write(out, LAYOUTS[name], samples[edit.id], results, edit)
    return Exported(len(edits) - len(missing), missing)


def _write(out: Path, layout: OutputLayout, sample: Sample, results: Path, edit: Edit) -> None:
    place = layout.place(sample)
    data = edited_images.read(edit.image, edit.image_sha256, results)
    if layout.ending == ".jpg":
        data = _as_jpeg(images.load(data, edit.id))
    write_bytes(out / f"{place}{layout.ending}", data)
    if layout.source:
        source = source_images.load_named(sample.judged_source, sample, results)
        write_bytes(out / f"{place}{layout.source}.png", images.encode_png(source, {}))


def _as_jpeg(image: Image.Image) -> bytes:
    """As near to the image as JPEG can be."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=100, subsampling=0)
    return buffer.getvalue()

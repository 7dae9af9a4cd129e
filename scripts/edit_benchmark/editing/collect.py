"""Collecting a category's edits: one table, and the images under their samples' ids."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edit_benchmark.errors import UserError
from edit_benchmark.records import EDITED, Edit, Sample


def collect(
    samples: Sequence[Sample], edits: Sequence[Edit], images: Path, results: Path
) -> list[Edit]:
    """One row a sample in the order of the benchmark, its image at ``images/<id>.png``.

    Parameters
    ----------
    samples
        All samples of the category.
    edits
        The rows of all its shards.
    images
        A folder within ``results``; what it held before is removed.

    Raises
    ------
    UserError
        If a sample has no row or two.
    """
    rows: dict[str, Edit] = {}
    for edit in edits:
        if edit.id in rows:
            raise UserError(f"sample {edit.id} was edited by two shards of one category.")
        rows[edit.id] = edit
    missing = [sample.id for sample in samples if sample.id not in rows]
    if missing or len(rows) > len(samples):
        what = f"sample {missing[0]} has no edit" if missing else "there are edits of other samples"
        raise UserError(
            f"{what}: the shards are of another benchmark; run again with --forcerun edit."
        )
    shutil.rmtree(images, ignore_errors=True)
    images.mkdir(parents=True)
    collected = []
    for sample in samples:
        edit = rows[sample.id]
        if edit.status == EDITED:
            target = images / f"{sample.id}.png"
            _link(results / edit.image, target)
            edit = replace(edit, image=target.relative_to(results).as_posix())
        collected.append(edit)
    return collected


def _link(source: Path, target: Path) -> None:
    # A hard link costs no space, and survives when the results are moved or archived.
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

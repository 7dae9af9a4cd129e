"""Collecting a category's edits: one table, and the images under their samples' ids."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from edit_benchmark.errors import UserError
from edit_benchmark.records import EDITED, Edit, Sample

# The most images in one folder.
_IN_A_FOLDER = 10_000


def collect(
    samples: Sequence[Sample], edits: Sequence[Edit], images: Path, results: Path
) -> list[Edit]:
    """One row a sample and repeat, by sample in the order of the benchmark.

    The image of the first repeat is ``images/<id>.png``, of the others
    ``images/repeat-<number>/<id>.png``, counted from 2: an id cannot be mistaken for a folder.
    Of a category with more than 10,000 samples they lie in ``part-1`` and so on there.

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
        If a sample has no row of a repeat or two.
    """
    rows: dict[tuple[str, int], Edit] = {}
    for edit in edits:
        if (edit.id, edit.repeat) in rows:
            raise UserError(f"sample {edit.id} was edited by two shards of one category.")
        rows[edit.id, edit.repeat] = edit
    repeats = range(1 + max((edit.repeat for edit in edits), default=0))
    wanted = [(sample.id, repeat) for sample in samples for repeat in repeats]
    missing = [key for key in wanted if key not in rows]
    if missing or len(rows) > len(wanted):
        what = f"sample {missing[0][0]} has no edit" if missing else "there are edits of others"
        raise UserError(
            f"{what}: the shards are of another benchmark; run again with --forcerun edit."
        )
    shutil.rmtree(images, ignore_errors=True)
    # A network file system keeps what a process of this host still has open.
    images.mkdir(parents=True, exist_ok=True)
    positions = {sample.id: position for position, sample in enumerate(samples)}
    collected = []
    for key in wanted:
        edit = rows[key]
        if edit.status == EDITED:
            folder = images / f"repeat-{edit.repeat + 1}" if edit.repeat else images
            if len(samples) > _IN_A_FOLDER:
                folder /= f"part-{positions[edit.id] // _IN_A_FOLDER + 1}"
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / f"{edit.id}.png"
            _link(results / edit.image, target)
            edit = replace(edit, image=target.relative_to(results).as_posix())
        collected.append(edit)
    return collected


def _link(source: Path, target: Path) -> None:
    # A hard link costs no space, and survives when the results are moved or archived.
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        # Linked, and the answer lost, on a network file system.
        with suppress(shutil.SameFileError):
            shutil.copyfile(source, target)

"""Small copies of images beside the page, so that the report's folder stands alone when moved."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from edit_benchmark import images
from edit_benchmark.errors import ImageError, UserError
from edit_benchmark.results.files import write_bytes

log = logging.getLogger(__name__)

#: Folder of the copies, beside the page.
FOLDER = "images"
# Longest sides in pixels: for cards, and for looking closely.
_SMALL, _LARGE = 360, 1024
_UNREADABLE = (200, 200, 200)


@dataclass(frozen=True)
class Thumbnail:
    """Copies of one image: ``name`` is the files' path in :data:`FOLDER` without its ending,
    ``width`` and ``height`` are the larger one's in pixels."""

    name: str
    width: int
    height: int

    @property
    def small(self) -> str:
        """Path relative to the page of the copy for cards."""
        return f"{FOLDER}/{self.name}-small.jpg"

    @property
    def large(self) -> str:
        """Path relative to the page of the copy for looking closely."""
        return f"{FOLDER}/{self.name}.jpg"


def make(paths: Iterable[Path], out: Path) -> dict[Path, Thumbnail]:
    """Copies of the images ``paths`` in ``out / FOLDER``; earlier copies of others are removed.

    A copy is named for the bytes of its image, so that a second report makes only what is new.

    Raises
    ------
    UserError
        If an image is missing. A plain grey area stands for one that cannot be decoded: its row
        says why it has no score.
    """
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    wanted = list(dict.fromkeys(paths))
    # Pillow releases the interpreter lock while it decodes, scales and encodes.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        copies = dict(zip(wanted, pool.map(lambda path: _copy(path, out), wanted), strict=True))
    kept = {
        out / copy for thumbnail in copies.values() for copy in (thumbnail.small, thumbnail.large)
    }
    for path in list(folder.rglob("*.jpg")):
        if path not in kept:
            path.unlink()
    return copies


def _copy(path: Path, out: Path) -> Thumbnail:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: the image cannot be read ({error.strerror}); run the workflow again."
        ) from None
    digest = images.sha256(data)
    # In folders, so that none has too many files.
    name = f"{digest[:2]}/{digest[2:24]}"
    small, large = out / FOLDER / f"{name}-small.jpg", out / FOLDER / f"{name}.jpg"
    if not (small.exists() and large.exists()):
        try:
            image = images.load(data, str(path))
        except ImageError as error:
            log.warning("%s A grey area stands for it.", error)
            image = Image.new("RGB", (_SMALL, _SMALL), _UNREADABLE)
        for target, side in ((large, _LARGE), (small, _SMALL)):
            image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
            write_bytes(target, images.encode_jpeg(image))
    with Image.open(large) as copy:
        return Thumbnail(name, copy.width, copy.height)

"""The images that a sample starts from: its source images, and a mask if it has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from PIL import Image

from edit_benchmark import images
from edit_benchmark.dataset.readers.raw_image import RawImage
from edit_benchmark.dataset.readers.raw_sample import RawSample
from edit_benchmark.errors import ImageError, UserError
from edit_benchmark.records import Sample
from edit_benchmark.results.files import read_bytes, write_bytes

# Models refuse images with a side of fewer pixels than one token stands for, and narrow ones.
_LEAST_SIDE, _MOST_ASPECT = 32, 20
# The brightest that a mask is which marks nothing.
_DARK = 127


@dataclass(frozen=True)
class SourceImages:
    """The images of one sample.

    Attributes
    ----------
    first, more
        RGB images at their own sizes: the first source image, and the others in their order.
    mask
        Grey (mode ``L``), of the size of ``first``, white where it is edited; None without one.
    """

    first: Image.Image
    more: tuple[Image.Image, ...] = ()
    mask: Image.Image | None = None


def store(
    raw: RawSample,
    folder: Path,
    results: Path,
    *,
    strict: bool = False,
    warn: Callable[[str], None] = lambda sentence: None,
) -> dict[str, Any]:
    """Keep a row's images in ``folder``, within ``results``, each under its hash.

    Returns
    -------
    dict
        What a :class:`~edit_benchmark.records.Sample` says of them, or what is wrong with one.

    Raises
    ------
    ImageError
        If one cannot be used and ``strict``.
    """
    place = f"{raw.place}: sample {raw.id}"
    try:
        sources = [
            images.standard(image.read(), f"{place}, image {number}" if number > 1 else place)
            for number, image in enumerate(raw.sources, start=1)
        ]
        mask = _mask(raw.mask, f"{place}, mask", sources[0].image.size) if raw.mask else None
        pictures = {
            name: images.standard(image.read(), f"{place}, {name}")
            for name, image in raw.pictures.items()
        }
    except ImageError as error:
        if strict:
            raise
        return {
            "source": "", "source_sha256": "", "width": 0, "height": 0, "problem": str(error),
            "fields": dict(raw.fields),
        }  # fmt: skip
    for file in [*sources, *pictures.values()]:
        if file.warning:
            warn(file.warning)
    kept = [_keep(file, folder, results) for file in sources]
    # A later turn of a chain has no image of its own.
    source, source_sha256 = kept[0] if kept else ("", "")
    width, height = sources[0].image.size if sources else (0, 0)
    others = {name: _keep(file, folder, results)[0] for name, file in pictures.items()}
    mask_path, mask_digest = _keep(mask, folder, results) if mask else ("", "")
    return {
        "source": source,
        "source_sha256": source_sha256,
        "width": width,
        "height": height,
        "more_sources": [path for path, _ in kept[1:]],
        "more_source_sha256": [digest for _, digest in kept[1:]],
        "mask": mask_path,
        "mask_sha256": mask_digest,
        "fields": {**raw.fields, **others},
    }


def _mask(raw: RawImage, place: str, size: tuple[int, int]) -> images.ImageFile:
    """The file of a mask of an image of ``size``; its colours are numbers, whatever its profile."""
    mask = images.verbatim(raw.read(), place)
    if mask.image.size != size:
        raise ImageError(
            f"{place}: it has {mask.image.width}x{mask.image.height} pixels and its source image "
            f"{size[0]}x{size[1]}; give a mask of the same size."
        )
    _, brightest = mask.image.convert("L").getextrema()
    if isinstance(brightest, tuple) or brightest <= _DARK:
        raise ImageError(f"{place}: it is black throughout; white is what is edited.")
    return mask


def _keep(file: images.ImageFile, folder: Path, results: Path) -> tuple[str, str]:
    """Path, relative to ``results``, and hash of a file that is kept."""
    digest = images.sha256(file.data)
    path = folder / digest[:2] / f"{digest}.{file.ending}"
    if not path.exists():
        write_bytes(path, file.data)
    return path.relative_to(results).as_posix(), digest


def load(sample: Sample, results: Path) -> SourceImages:
    """The images of a sample, proved to be those that the table was made from.

    Raises
    ------
    UserError
        If a file is gone or altered.
    """
    place = f"sample {sample.id}"
    first, *more = (
        images.load(_bytes(results / path, digest, sample), place)
        for path, digest in zip(sample.sources, sample.all_source_sha256, strict=True)
    )
    mask = None
    if sample.mask:
        data = _bytes(results / sample.mask, sample.mask_sha256, sample)
        mask = images.load(data, f"{place}, mask").convert("L")
    return SourceImages(first, tuple(more), mask)


def digest_of(path: str, sample: Sample) -> str:
    """The hash of an image that a sample names by its path; beside the sources it is its name."""
    known = dict(zip(sample.sources, sample.all_source_sha256, strict=True))
    return known.get(path) or PurePath(path).stem


def load_named(path: str, sample: Sample, results: Path) -> Image.Image:
    """An image that a sample names by its path within ``results``.

    Raises
    ------
    UserError
        If the file is gone or altered.
    """
    data = _bytes(results / path, digest_of(path, sample), sample)
    return images.load(data, f"sample {sample.id}")


def has_odd_shape(sample: Sample) -> bool:
    """Whether the first source image has a shape that many models refuse."""
    short, long = sorted((sample.width, sample.height))
    return short < _LEAST_SIDE or long > _MOST_ASPECT * short


def _bytes(path: Path, digest: str, sample: Sample) -> bytes:
    """The bytes of a kept file."""
    is_edit = bool(sample.after) and digest == sample.source_sha256
    imported, again = ("made", "edit") if is_edit else ("imported", "samples")
    try:
        data = read_bytes(path)
    except OSError as error:
        raise UserError(
            f"{path}: the source image of {sample.id} cannot be read ({error.strerror}); "
            f"run again with --forcerun {again}."
        ) from None
    if images.sha256(data) != digest:
        raise UserError(
            f"{path}: the source image of {sample.id} was altered after it was {imported}; "
            f"run again with --forcerun {again}."
        )
    return data

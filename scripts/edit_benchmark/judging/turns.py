"""What judges are shown: an edit, and the calls of a protocol with their images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from PIL import Image

from edit_benchmark import images
from edit_benchmark.config.protocols import Images
from edit_benchmark.dataset import source_images
from edit_benchmark.errors import ImageError, SampleError
from edit_benchmark.judging.judge import Case, Turn
from edit_benchmark.judging.protocol_samples import EDITED
from edit_benchmark.judging.protocols import Question
from edit_benchmark.records import Sample
from edit_benchmark.results import edited_images


def case_of_question(case: Case, question: Question, results: Path) -> Case:
    """``case`` with the one call that is asked about it; errors as of :func:`turn_of`."""
    turn = turn_of(question, case.sample, {EDITED: case.edited}, results)
    return replace(case, rubric=question.rubric, turn=turn)


def turn_of(
    question: Question, sample: Sample, edits: Mapping[str, Image.Image], results: Path
) -> Turn:
    """A call as it is shown.

    Parameters
    ----------
    edits
        Each edit that is shown, by its place in the question's content.

    Raises
    ------
    UserError
        If an image is missing or was altered.
    """
    size = None
    if question.images.edit_as_source:
        size = source_images.load_named(sample.judged_source, sample, results).size
    content: list[str | Image.Image] = []
    for part in question.content:
        if isinstance(part, str):
            content.append(part)
        elif part.path in edits:
            content.append(_shown(edits[part.path], question.images, size))
        else:
            image = source_images.load_named(part.path, sample, results)
            content.append(_shown(image, question.images, None))
    return Turn(question.name, tuple(content), question.system, question.measurement)


def edited_image(path: str, sha256: str, sample: Sample, results: Path) -> Image.Image:
    """An edit of a sample, from its path relative to the results folder.

    Raises
    ------
    UserError
        If the file is missing or is not the one that was edited.
    SampleError
        If it is none that can be read.
    """
    data = edited_images.read(path, sha256, results)
    try:
        return images.load(data, path)
    except ImageError as error:
        # Edits are checked when they are made; this one is of an earlier version.
        redo = f"make it again with scripts/redo.py --sample {sample.id}"
        raise SampleError("unusable_image", f"{str(error).removesuffix('.')}; {redo}") from None


def _shown(image: Image.Image, settings: Images, size: tuple[int, int] | None) -> Image.Image:
    """An image as the benchmark's code hands it to its judge."""
    if size is not None and image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    if settings.longest_side is not None:
        image = image.copy()
        image.thumbnail((settings.longest_side, settings.longest_side))
    if settings.jpeg_quality is not None:
        image = images.load(images.encode_jpeg(image, settings.jpeg_quality), "an image as JPEG")
    return image

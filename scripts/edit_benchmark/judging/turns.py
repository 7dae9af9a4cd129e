"""The calls of a protocol as judges are shown them, with their images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from edit_benchmark import images
from edit_benchmark.config.protocols import Images
from edit_benchmark.dataset import source_images
from edit_benchmark.judging.judge import Case, Turn
from edit_benchmark.judging.protocol_samples import EDITED
from edit_benchmark.judging.protocols import Question


def case_of_question(case: Case, question: Question, results: Path) -> Case:
    """``case`` with the one call that is asked about it.

    Raises
    ------
    UserError
        If an image is missing or was altered.
    """
    size = None
    if question.images.edit_as_source:
        size = source_images.load_named(case.sample.judged_source, case.sample, results).size
    content: list[str | Image.Image] = []
    for part in question.content:
        if isinstance(part, str):
            content.append(part)
        elif part.path == EDITED:
            content.append(_shown(case.edited, question.images, size))
        else:
            image = source_images.load_named(part.path, case.sample, results)
            content.append(_shown(image, question.images, None))
    turn = Turn(question.name, tuple(content), question.system, question.measurement)
    return replace(case, rubric=question.rubric, turn=turn)


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

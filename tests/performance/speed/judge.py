"""How fast the judge is, as a score job calls it, against stock transformers.

Both judge the same images with the same random weights in one process, asked what the reasoning
rubric asks. Stock runs one forward (or one ``generate``) a question and an image, and reads each
image when its turn has come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import transformers

from edit_benchmark import images
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.judges import RUBRICS
from edit_benchmark.errors import SampleError
from edit_benchmark.judging import registry, rubrics
from edit_benchmark.judging.batching import read_ahead
from edit_benchmark.judging.judge import Case
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.judging.transformers_judge import TransformersJudge
from edit_benchmark.records import Sample
from edit_benchmark.versions import installed
from speed import checkpoints, drawn
from speed.stock_judge import StockJudge, labels


@dataclass(frozen=True)
class _Extent:
    """How much is measured.

    Attributes
    ----------
    side
        Width and height of an image in pixels.
    images, stock_images
        How many images the method ``expected`` judges, ours and stock.
    batch_sizes
        Of the method ``generated``, beside one at a time.
    """

    side: int
    images: int
    stock_images: int
    batch_sizes: tuple[int, ...]


_FULL = _Extent(1024, 96, 4, (16, 32))
_TINY = _Extent(96, 3, 1, (2,))
_BATCH_SIZE = 8  # of the method expected


@dataclass(frozen=True)
class _Pair:
    """A source image and its edit as PNG files."""

    source: bytes
    edited: bytes


def measure(folder: Path, device: str, full_size: bool) -> dict[str, Any]:
    """Seconds an image of the methods ``expected``, with 1 and 5 criteria, and ``generated``.

    Parameters
    ----------
    folder
        Where the checkpoint is made; 18 GB at full size.
    device
        ``cuda`` or ``cpu``.
    full_size
        Qwen3-VL-8B with random weights and images of one megapixel, else a tiny model.

    Returns
    -------
    dict
        ``expected`` by number of criteria and ``generated`` by batch size, each with
        ``images_per_second``, ``seconds`` (an image), ``ratio_to_stock`` (stock's seconds over
        ours) and ``stock_seconds``; ``stock_seconds`` of ``generated`` is one at a time.
        ``error`` is the largest relative error of a label's probability, ours and stock's, against
        stock in float32.
    """
    transformers.utils.logging.disable_progress_bar()
    extent = _FULL if full_size else _TINY
    checkpoints.save_judge(folder, device, full_size)
    settings = checkpoints.judge_settings(folder, full_size)
    pairs = [_pair(number, extent.side) for number in range(4)]
    rubric = rubrics.load(RUBRICS / "reasoning.yaml", "physical", "en")
    ours, load_seconds = _load(folder, device, full_size)
    stock = StockJudge(ours, folder, device, settings.dtype, settings.max_new_tokens)
    result: dict[str, Any] = {
        "full_size": full_size,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "versions": installed("torch", "transformers"),
        "dtype": settings.dtype,
        "pixels": extent.side**2,
        "load_seconds": round(load_seconds, 2),
        "expected": {},
        "generated": {},
    }
    for count in (1, len(rubric.criteria)):
        part = replace(rubric, criteria=rubric.criteria[:count])
        seconds = _seconds(ours, pairs, part, extent.images, _BATCH_SIZE)
        reference = _stock_seconds(stock.probabilities, pairs, part, extent.stock_images)
        result["expected"][str(count)] = _row(seconds, reference) | {
            "tokens": stock.tokens(_case(pairs[0], part))
        }
    case = _case(pairs[0], rubric)
    exact = StockJudge(ours, folder, device, "float32").probabilities(case)
    result["error"] = {
        "ours": _largest_relative_error(_probabilities(ours, case), exact),
        "stock": _largest_relative_error(stock.probabilities(case), exact),
    }
    del ours
    reference = _stock_seconds(stock.write, pairs, rubric, 1)
    largest = extent.batch_sizes[-1]
    ours, _ = _load(folder, device, full_size, method="generated", batch_size=largest)
    for size in (1, *extent.batch_sizes):
        count = 1 if size == 1 else max(2 * size, extent.images // 2)
        seconds = _seconds(ours, pairs, rubric, count, size)
        result["generated"][str(size)] = _row(seconds, reference)
    if device == "cuda":
        result["peak_memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
    return result


def _pair(number: int, side: int) -> _Pair:
    source, edited = drawn.pair(number, side)
    return _Pair(images.encode_png(source, {}), images.encode_png(edited, {}))


def _case(pair: _Pair, rubric: Rubric) -> Case:
    source = images.load(pair.source, "source")
    sample = Sample(
        id="a", category="physical", index=0, source="", source_sha256="",
        instruction="Let the ball on the table fall off its edge to the floor.",
        rationale_en="What is not held falls, and comes to rest below.",
        width=source.width, height=source.height,
    )  # fmt: skip
    return Case(sample, source, images.load(pair.edited, "edited"), rubric)


def _load(
    folder: Path,
    device: str,
    full_size: bool,
    method: Literal["expected", "generated"] = "expected",
    batch_size: int = _BATCH_SIZE,
) -> tuple[TransformersJudge, float]:
    """The judge and the seconds that loading took."""
    settings = checkpoints.judge_settings(folder, full_size, method, batch_size)
    start = time.perf_counter()
    judge = registry.build(settings, resolve(settings, "judges.bench"), device)
    assert isinstance(judge, TransformersJudge)
    return judge, time.perf_counter() - start


def _seconds(
    judge: TransformersJudge, pairs: Sequence[_Pair], rubric: Rubric, count: int, size: int
) -> float:
    """Seconds an image over ``count`` images in batches of ``size``, as a score job judges them.

    Reading and preparing are included.
    """

    def run(images_judged: int) -> None:
        tasks = [pairs[number % len(pairs)] for number in range(images_judged)]
        for batch in read_ahead(tasks, size, lambda pair: _case(pair, rubric), judge):
            for answer in judge.judge(batch.cases):
                # Random weights write no JSON, which is as good as an answer here.
                if isinstance(answer, SampleError) and answer.kind != "unparsable_answer":
                    raise answer

    run(min(count, 16 if count > 2 * size else 2))  # warms up
    start = time.perf_counter()
    run(count)
    return (time.perf_counter() - start) / count


def _stock_seconds(
    judge: Callable[[Case], object], pairs: Sequence[_Pair], rubric: Rubric, count: int
) -> float:
    """Seconds an image over ``count`` images, one at a time."""
    judge(_case(pairs[-1], rubric))
    start = time.perf_counter()
    for number in range(count):
        judge(_case(pairs[number % len(pairs)], rubric))
    return (time.perf_counter() - start) / count


def _probabilities(judge: TransformersJudge, case: Case) -> torch.Tensor:
    """Of each label, of shape (criteria, labels)."""
    answer = judge.judge([case])[0]
    if isinstance(answer, SampleError):
        raise answer
    return torch.tensor(
        [
            [answer.details[criterion.key]["probabilities"][label] for label in labels(case.rubric)]
            for criterion in case.rubric.criteria
        ]
    )


def _largest_relative_error(values: torch.Tensor, exact: torch.Tensor) -> float:
    return float(((values - exact).abs() / exact).max())


def _row(seconds: float, stock: float) -> dict[str, float]:
    return {
        "images_per_second": round(1 / seconds, 3),
        "seconds": round(seconds, 4),
        "ratio_to_stock": round(stock / seconds, 2),
        "stock_seconds": round(stock, 4),
    }

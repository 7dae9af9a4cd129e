"""How fast the judge is, through :class:`TransformersJudge`, against stock transformers.

Both judge the same pictures with the same random weights in one process, asked what the reasoning
rubric asks. Stock runs one forward (or one ``generate``) a question and a picture, and reads each
picture when its turn has come.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

from demo.models import save_judge
from edit_benchmark import images as pictures
from edit_benchmark.checkpoints import resolve as checkpoints
from edit_benchmark.config.resolve import RUBRICS
from edit_benchmark.errors import SampleError
from edit_benchmark.judging import registry as judges
from edit_benchmark.judging import rubrics
from edit_benchmark.judging.batching import read_ahead
from edit_benchmark.judging.registry import Case
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.judging.transformers_model import TransformersJudge
from edit_benchmark.records import Sample
from edit_benchmark.versions import installed
from speed.checkpoints import defaults

#: The configuration of Qwen3-VL-8B.
_TEXT = {
    "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
    "max_position_embeddings": 262144,
    "rope_parameters": {
        "rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20],
        "mrope_interleaved": True,
    },
}  # fmt: skip
_VISION = {
    "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16,
    "out_hidden_size": 4096, "patch_size": 16, "deepstack_visual_indexes": [8, 16, 24],
    "num_position_embeddings": 2304,
}  # fmt: skip
_RELEASED_PIXELS = {"shortest_edge": 65_536, "longest_edge": 16_777_216}
# Large enough for whole words, as a released tokenizer has them.
_VOCABULARY = 4000


@dataclass(frozen=True)
class _Extent:
    """How much is measured: pictures of ``side`` pixels, and how many of them by what."""

    side: int
    expected: int
    stock: int
    batches: tuple[int, ...]
    alone: int
    new_tokens: int
    dtype: str


_FULL = _Extent(1024, 96, 4, (16, 32), 1, 64, "bfloat16")
_TINY = _Extent(96, 3, 1, (2,), 1, 3, "float32")


@dataclass(frozen=True)
class _Pair:
    """A source picture and its edit as PNG files."""

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
        Qwen3-VL-8B with random weights and pictures of one megapixel, else a tiny model.

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
    save(folder, device, full_size)
    pairs = [_pair(number, extent.side) for number in range(4)]
    rubric = rubrics.load(RUBRICS / "reasoning.yaml", "physical", "en")
    rubric_of = {
        count: replace(rubric, criteria=rubric.criteria[:count])
        for count in (1, len(rubric.criteria))
    }
    ours, load_seconds = _load(folder, device, full_size)
    stock = _Stock(ours, folder, device, extent.dtype, extent.new_tokens)
    result: dict[str, Any] = {
        "full_size": full_size,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "versions": installed("torch", "transformers"),
        "dtype": extent.dtype,
        "pixels": extent.side**2,
        "load_seconds": round(load_seconds, 2),
        "expected": {},
        "generated": {},
    }
    for count, one in rubric_of.items():
        seconds = _ours(ours, pairs, one, extent.expected, 8)
        reference = _stock(stock.probabilities, pairs, one, extent.stock)
        result["expected"][str(count)] = _row(seconds, reference) | {
            "tokens": stock.tokens(_case(pairs[0], one))
        }
    case = _case(pairs[0], rubric)
    exact = _Stock(ours, folder, device, "float32").probabilities(case)
    result["error"] = {
        name: float(((found - exact).abs() / exact).max())
        for name, found in {
            "ours": _asked(ours, case), "stock": stock.probabilities(case)
        }.items()
    }  # fmt: skip
    del ours
    reference = _stock(stock.write, pairs, rubric, extent.alone)
    written, _ = _load(folder, device, full_size, method="generated", batch_size=extent.batches[-1])
    for size in (1, *extent.batches):
        images = extent.alone if size == 1 else max(2 * size, extent.expected // 2)
        seconds = _ours(written, pairs, rubric, images, size)
        result["generated"][str(size)] = _row(seconds, reference)
    if device == "cuda":
        result["peak_memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
    return result


def save(folder: Path, device: str, full_size: bool) -> None:
    """Save a judge, 18 GB at full size, made on ``device``; one that is there is left."""
    if not (folder / "config.json").is_file():
        save_judge(folder)
        if full_size:
            _enlarge(folder, device)
            gc.collect()  # a model holds itself in circles
            torch.cuda.empty_cache()


def settings(folder: Path, full_size: bool, **changes: Any) -> dict[str, Any]:
    """A judge of the configuration, with what its random weights call for."""
    extent = _FULL if full_size else _TINY
    return defaults("judge") | {
        "judge": "transformers", "checkpoint": str(folder), "dtype": extent.dtype, "batch_size": 8,
        "max_pixels": 2**20, "max_new_tokens": extent.new_tokens, "min_mass": 0,
    } | changes  # fmt: skip


def _enlarge(folder: Path, device: str) -> None:
    """Put a full-size model and a tokenizer with whole words in place of the tiny ones."""
    (folder / "model.safetensors").unlink()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    corpus = (RUBRICS / "reasoning.yaml").read_text(encoding="utf-8")
    processor.tokenizer = processor.tokenizer.train_new_from_iterator([corpus], _VOCABULARY)
    processor.image_processor.size = _RELEASED_PIXELS
    processor.save_pretrained(folder)
    token = processor.tokenizer.convert_tokens_to_ids
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = transformers.Qwen3VLForConditionalGeneration(
                transformers.Qwen3VLConfig(
                    text_config={**_TEXT, "pad_token_id": processor.tokenizer.pad_token_id},
                    vision_config=_VISION,
                    image_token_id=token("<|image_pad|>"),
                    video_token_id=token("<|video_pad|>"),
                    vision_start_token_id=token("<|vision_start|>"),
                    vision_end_token_id=token("<|vision_end|>"),
                )
            )
    finally:
        torch.set_default_dtype(usual)
    model.save_pretrained(folder)


def _pair(number: int, side: int) -> _Pair:
    """A smooth picture with some noise, which a PNG compresses like a photograph, and its edit."""
    draw = np.random.default_rng(number)
    ramp = np.linspace(0, 200, side)
    smooth = np.stack([ramp[:, None] + 0 * ramp, ramp + 0 * ramp[:, None],
                       (ramp[:, None] + ramp) / 2], axis=-1)  # fmt: skip
    source, edited = (
        Image.fromarray((smooth + draw.normal(25, 6, smooth.shape)).clip(0, 255).astype(np.uint8))
        for _ in range(2)
    )
    return _Pair(pictures.encode_png(source, {}), pictures.encode_png(edited, {}))


def _case(pair: _Pair, rubric: Rubric) -> Case:
    source = pictures.load(pair.source, "source")
    sample = Sample(
        id="a", category="physical", index=0, source="", source_sha256="",
        instruction="Let the ball on the table fall off its edge to the floor.",
        rationale_en="What is not held falls, and comes to rest below.",
        width=source.width, height=source.height,
    )  # fmt: skip
    return Case(sample, source, pictures.load(pair.edited, "edited"), rubric)


def _load(
    folder: Path, device: str, full_size: bool, **changes: Any
) -> tuple[TransformersJudge, float]:
    chosen = settings(folder, full_size, **changes)
    began = time.perf_counter()
    judge = judges.build(chosen, checkpoints.resolve(chosen, "judges.bench"), device)
    assert isinstance(judge, TransformersJudge)
    return judge, time.perf_counter() - began


def _ours(
    judge: TransformersJudge, pairs: Sequence[_Pair], rubric: Rubric, images: int, size: int
) -> float:
    """Seconds an image, reading and preparing included, as a score job does it."""

    def run(count: int) -> None:
        tasks = [pairs[number % len(pairs)] for number in range(count)]
        for batch in read_ahead(tasks, size, lambda pair: _case(pair, rubric), judge):
            for answer in judge.judge(batch.cases):
                # Random weights write no JSON, which is as good as an answer here.
                if isinstance(answer, SampleError) and answer.kind != "unparsable_answer":
                    raise answer

    run(min(images, 16 if images > 2 * size else 2))
    began = time.perf_counter()
    run(images)
    return (time.perf_counter() - began) / images


def _stock(
    ask: Callable[[Case], object], pairs: Sequence[_Pair], rubric: Rubric, images: int
) -> float:
    ask(_case(pairs[-1], rubric))
    began = time.perf_counter()
    for number in range(images):
        ask(_case(pairs[number % len(pairs)], rubric))
    return (time.perf_counter() - began) / images


def _asked(judge: TransformersJudge, case: Case) -> torch.Tensor:
    answer = judge.judge([case])[0]
    if isinstance(answer, SampleError):
        raise answer
    return torch.tensor(
        [
            [
                answer.details[criterion.key]["probabilities"][label]
                for label in _labels(case.rubric)
            ]
            for criterion in case.rubric.criteria
        ]
    )


def _labels(rubric: Rubric) -> list[str]:
    return [*rubric.labels, rubric.not_applicable]


def _row(seconds: float, stock: float) -> dict[str, float]:
    return {
        "images_per_second": round(1 / seconds, 3),
        "seconds": round(seconds, 4),
        "ratio_to_stock": round(stock / seconds, 2),
        "stock_seconds": round(stock, 4),
    }


class _Stock:
    """The same checkpoint and prompts through transformers alone."""

    def __init__(
        self, ours: TransformersJudge, folder: Path, device: str, dtype: str, new_tokens: int = 1
    ) -> None:
        self._ours, self._device, self._new_tokens = ours, device, new_tokens
        self._model = transformers.AutoModelForImageTextToText.from_pretrained(
            folder, dtype=getattr(torch, dtype), device_map=device, local_files_only=True
        ).eval()

    def tokens(self, case: Case) -> int:
        """Tokens of one question with its pictures."""
        question = case.rubric.expected_question(case.rubric.criteria[0])
        return int(self._inputs(case, question)["input_ids"].shape[1])

    @torch.inference_mode()
    def probabilities(self, case: Case) -> torch.Tensor:
        """Of each label, one row a criterion."""
        rows = []
        for criterion in case.rubric.criteria:
            inputs = self._inputs(case, case.rubric.expected_question(criterion))
            logits = self._model(**inputs, logits_to_keep=1).logits[:, -1]
            rows.append(logits.float().softmax(-1)[:, self._labels(case.rubric)].cpu())
        return torch.cat(rows)

    @torch.inference_mode()
    def write(self, case: Case) -> list[str]:
        """An answer of the method ``generated``."""
        inputs = self._inputs(case, case.rubric.generated_question())
        written = self._model.generate(
            **inputs, do_sample=False, max_new_tokens=self._new_tokens,
            temperature=None, top_p=None, top_k=None,
        )  # fmt: skip
        texts: list[str] = self._ours.processor.batch_decode(
            written[:, inputs["input_ids"].shape[1] :]
        )
        return texts

    def _labels(self, rubric: Rubric) -> list[int]:
        tokens: list[int] = self._ours.processor.tokenizer.convert_tokens_to_ids(_labels(rubric))
        return tokens

    def _inputs(self, case: Case, question: str) -> Any:
        return self._ours._inputs([self._ours._messages(case, question)]).to(self._device)

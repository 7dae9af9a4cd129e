"""How fast an edit is, through :class:`DiffusersEditor`, against the stock pipeline.

Both make the same pictures of the same sources, prompts and noise with the same random weights in
one process. Stock is the pipeline as diffusers loads it, eager; only the token types that it drops
are given to its text encoder (see ``pass_token_types``), or it would make other pictures.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image

import flops
from edit_benchmark.checkpoints import resolve as checkpoints
from edit_benchmark.editing import approximations as approximate
from edit_benchmark.editing import registry as editors
from edit_benchmark.editing.diffusers_pipeline import DiffusersEditor, pass_token_types
from edit_benchmark.editing.qwen_image import acceleration
from edit_benchmark.images import sha256
from edit_benchmark.versions import installed
from speed import checkpoints as made

#: Size of the source, instruction, and steps of the stock pipeline at full size: one whole picture,
#: and of the others as many as tell the seconds of a step.
CASES = [
    ((1024, 1024), "Let the ball on the table fall off its edge and rest on the floor.", 50),
    ((1376, 768), "Show the same street one hour after the rain began, lamps lit, people with "
                  "umbrellas, puddles that mirror the shop windows.", 20),
    ((896, 1184), "Give the second person from the left a green coat.", 20),
]  # fmt: skip
_SEED = 7
#: The usual threshold, at which random weights give no hits, and one at which nearly all are.
_BLOCK_CACHES = (0.1, 10.0)


def measure(folder: Path, device: str, full_size: bool) -> dict[str, Any]:
    """Seconds an image of Qwen-Image-Edit, of Plus and of the approximations.

    Parameters
    ----------
    folder
        Holds the checkpoint ``edit``, which is made if it is not there.
    device
        ``cuda`` or ``cpu``.

    Returns
    -------
    dict
        ``rate`` (R, FLOP/s, before and after), and rows of ``edit``, ``plus`` and
        ``approximations`` with ``seconds_per_image``, ``utilisation``, ``ratio_to_stock`` (of the
        seconds of a step), ``picture_sha256`` (of the RGB bytes; two GPUs of one kind should agree)
        and, where stock made the whole picture too, ``psnr_to_stock`` in dB.
    """
    checkpoint, plus = folder / "edit", folder / "plus"
    if not (checkpoint / "model_index.json").is_file():
        made.save_edit_pipeline(checkpoint, device, full_size)
    made.save_plus(checkpoint, plus)
    bench = _Bench(device, full_size)
    editor = bench.load(checkpoint)
    stock = _stock(checkpoint, device, full_size)
    for size, _, _ in bench.cases:
        bench.edit(editor, size, "warm up", steps=2)
    bench.before = bench.sustained()
    result: dict[str, Any] = {
        "full_size": full_size,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "versions": installed("torch", "diffusers", "transformers"),
        "load_seconds": bench.load_seconds,
        "levers": editor.details["acceleration"],
    }
    steps = editor._arguments["num_inference_steps"]
    result["edit"] = [
        bench.row(editor, stock, size, prompt, steps, min(steps, stock_steps))
        for size, prompt, stock_steps in bench.cases
    ]
    exact = result["edit"][0]["seconds_per_step"]
    stock_plus = diffusers.QwenImageEditPlusPipeline(**stock.components)
    stock_plus.set_progress_bar_config(disable=True)
    plus_step = bench.stock_step(stock_plus, *bench.cases[0][:2], 10 if full_size else 2)
    del stock, stock_plus
    bench.free()
    try:
        result["approximations"] = bench.approximations(editor, folder, exact)
    finally:
        del editor
        bench.free()
    editor = bench.load(plus)
    bench.edit(editor, bench.cases[0][0], "warm up", steps=2)
    result["plus"] = [
        bench.row(editor, plus_step, *bench.cases[0][:2], min(40, steps), 10 if full_size else 2)
    ]
    result |= {"rate": bench.before, "rate_after": bench.sustained()}
    if device == "cuda":
        result["peak_memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
    return result


def _stock(checkpoint: Path, device: str, full_size: bool) -> Any:
    pipeline = diffusers.DiffusionPipeline.from_pretrained(
        checkpoint,
        dtype=torch.bfloat16 if full_size else torch.float32,
        device_map=device if device != "cpu" else None,
    )
    pipeline.set_progress_bar_config(disable=True)
    pass_token_types(pipeline)
    return pipeline


class _Bench:
    def __init__(self, device: str, full_size: bool) -> None:
        self.device, self.full_size = device, full_size
        self.cases = CASES if full_size else [((64, 64), CASES[0][1], 2)]
        self.before = 0.0
        self.load_seconds: dict[str, float] = {}

    def load(self, checkpoint: Path) -> DiffusersEditor:
        settings = made.settings(checkpoint, self.full_size)
        began = time.perf_counter()
        resolved = checkpoints.resolve(settings, "models.bench")
        editor = editors.build(settings, resolved, self.device)
        assert isinstance(editor, DiffusersEditor)
        self.load_seconds[checkpoint.name] = round(time.perf_counter() - began, 2)
        return editor

    def free(self) -> None:
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()

    def sustained(self) -> float:
        small = () if self.device == "cuda" else (128, 0.05, 0.05)
        return flops.sustained_rate(self.device, *small)

    def edit(
        self, editor: DiffusersEditor, size: tuple[int, int], prompt: str, steps: int, **call: Any
    ) -> tuple[Image.Image, float, flops.ForwardCount]:
        usual = dict(editor._arguments)
        editor._arguments |= {"num_inference_steps": steps} | call
        try:
            source = drawn_source(size)
            with flops.counted(editor.pipeline.transformer) as count:
                began = time.perf_counter()
                picture = editor.edit(source, prompt, _SEED)
                seconds = time.perf_counter() - began
        finally:
            editor._arguments = usual
        return picture, seconds, count

    def row(
        self,
        editor: DiffusersEditor,
        stock: Any,
        size: tuple[int, int],
        prompt: str,
        steps: int,
        stock_steps: int,
    ) -> dict[str, Any]:
        """One picture of ours and of stock; ``stock`` may be the seconds of one of its steps."""
        picture, seconds, count = self.edit(editor, size, prompt, steps)
        stages = {name: round(spent, 3) for name, spent in editor.stages.items()}
        step = (stages.get("denoising") or seconds) / steps
        row: dict[str, Any] = {
            "source": "x".join(map(str, size)),
            "steps": steps,
            "forwards": count.forwards,
            "seconds_per_image": round(seconds, 3),
            "stages": stages,
            "picture_sha256": sha256(picture.tobytes()),
            "seconds_per_step": round(step, 4),
            "utilisation": round(flops.utilisation(count.flops, seconds, self.before), 4),
        }
        if isinstance(stock, float):
            stock_step = stock
        else:
            reference, stock_seconds = self.stock(stock, size, prompt, stock_steps)
            stock_step = self.step_of
            if stock_steps == steps:
                row["stock_seconds_per_image"] = round(stock_seconds, 3)
                row["psnr_to_stock"] = round(_psnr(picture, reference), 2)
        row["stock_seconds_per_step"] = round(stock_step, 4)
        row["stock_steps"] = stock_steps
        row["ratio_to_stock"] = round(stock_step / step, 3)
        if "stock_seconds_per_image" in row:
            row["ratio_to_stock"] = round(row["stock_seconds_per_image"] / seconds, 3)
        print(row, flush=True)
        return row

    def stock(
        self, pipeline: Any, size: tuple[int, int], prompt: str, steps: int
    ) -> tuple[Image.Image, float]:
        marks: list[float] = []

        def mark(*_: Any) -> None:
            if self.device == "cuda":
                torch.cuda.synchronize()
            marks.append(time.perf_counter())

        handle = pipeline.transformer.register_forward_pre_hook(mark)
        arguments = made.settings(Path(), self.full_size)
        given = {name: arguments[name] for name in ("true_cfg_scale", "negative_prompt", "height",
                                                    "width") if arguments[name]}  # fmt: skip
        source = drawn_source(size)
        began = time.perf_counter()
        picture = pipeline(
            image=source, prompt=prompt, num_inference_steps=steps, **given,
            generator=torch.Generator("cpu").manual_seed(_SEED), output_type="pil",
        ).images[0]  # fmt: skip
        seconds = time.perf_counter() - began
        handle.remove()
        # Two forwards a step; the first one's start to the last one's is half a step short.
        self.step_of = 2 * (marks[-1] - marks[0]) / (len(marks) - 1)
        return picture, seconds

    def stock_step(self, pipeline: Any, size: tuple[int, int], prompt: str, steps: int) -> float:
        self.stock(pipeline, size, prompt, 2)
        self.stock(pipeline, size, prompt, steps)
        return self.step_of

    def approximations(
        self, editor: DiffusersEditor, folder: Path, exact: float
    ) -> list[dict[str, Any]]:
        """One after the other in the same model: block cache (taken off again), LoRA, float8."""
        size, prompt, _ = self.cases[0]
        transformer = editor.pipeline.transformer
        steps = 20 if self.full_size else 2
        lora = folder / "lora.safetensors"
        made.save_lora(lora, transformer.config)

        def block_cache(threshold: float) -> dict[str, Any]:
            second = transformer.transformer_blocks[1]
            usual, computed = second.forward, 0

            def counted(*args: Any, **kwargs: Any) -> Any:
                nonlocal computed
                computed += 1
                return usual(*args, **kwargs)

            second.forward = counted
            approximate.cache_blocks(transformer, threshold)
            try:
                row = self.timed(editor, size, prompt, steps, exact)
            finally:
                transformer.disable_cache()
                second.forward = usual
            # Two steps of warming are among them.
            return row | {"threshold": threshold, "forwards": 2 * (steps + 2),
                          "forwards_computed_whole": computed}  # fmt: skip

        def with_lora() -> dict[str, Any]:
            approximate.fuse_lora(editor.pipeline, {"path": str(lora)})
            few = 8 if self.full_size else 2
            return self.timed(editor, size, prompt, few, exact, true_cfg_scale=1.0)

        def fp8() -> dict[str, Any]:
            layers = approximate.quantise(transformer)
            acceleration.warm_up(editor.pipeline)
            return {"layers": layers} | self.timed(editor, size, prompt, steps, exact)

        tries: list[tuple[str, Callable[[], dict[str, Any]]]] = [
            *(("block_cache", partial(block_cache, threshold)) for threshold in _BLOCK_CACHES),
            ("lora", with_lora),
            ("fp8", fp8),
        ]
        rows = []
        for name, measured in tries:
            rows.append({"approximation": name} | measured())
            print(rows[-1], flush=True)
        return rows

    def timed(
        self,
        editor: DiffusersEditor,
        size: tuple[int, int],
        prompt: str,
        steps: int,
        exact: float,
        **call: Any,
    ) -> dict[str, Any]:
        self.edit(editor, size, prompt, 2, **call)
        _, seconds, _ = self.edit(editor, size, prompt, steps, **call)
        step = (editor.stages.get("denoising") or seconds) / steps
        return {
            "steps": steps,
            "seconds_per_image": round(seconds, 3),
            "seconds_per_step": round(step, 4),
            "ratio_to_exact_step": round(exact / step, 3),
        }


def drawn_source(size: tuple[int, int]) -> Image.Image:
    """A smooth picture with some noise, always the same."""
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 200, height))
    smooth = np.stack([across, down, (across + down) / 2], axis=-1)
    noise = np.random.default_rng(0).normal(25, 6, smooth.shape)
    return Image.fromarray((smooth + noise).clip(0, 255).astype(np.uint8))


def _psnr(first: Image.Image, second: Image.Image) -> float:
    """Peak signal-to-noise ratio of 8-bit pictures in dB; infinite if they are equal."""
    a, b = (np.asarray(image.convert("RGB"), dtype=float) for image in (first, second))
    error = float(np.mean((a - b) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))

"""The transformers of several edit models at full size on one GPU: stock eager against ours.

    python tests/performance/measure_models.py --out DIR [--cases NAME ...] [--steps N] [--tiny]

Weights are random; only the denoising of an image of 1024x1024 with one source is run, whole as a
pipeline does it (guidance, what is kept from the first step). Prints a line a model (seconds of an
image's denoising, share of R, ratio to stock eager in the same process, forwards a step) and the
errors of both against float32 on a model of few blocks, and writes all to DIR/models.json after
each part. A part that fails is told and does not end the others; so is one that would begin after
``--within`` seconds. ``--tiny`` runs the same code at a tiny size on a CPU, our own kernels in
Triton's interpreter.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
if "--tiny" in sys.argv:
    os.environ["TRITON_INTERPRET"] = "1"  # read when triton is imported, which torch may do

import torch
from diffusers import __version__
from torch.utils.flop_counter import FlopCounterMode

import flops
from edit_benchmark.editing.acceleration import apply
from edit_benchmark.editing.acceleration.compilation import compile_cache_dir
from measure_transformer import profile, synchronize
from models_at_full_size import CASES, FULL_GRID, TINY_GRID, Case, Picture

STARTED = time.monotonic()


class Bench:
    """One case: its model, as it is now, and what was measured."""

    def __init__(self, case: Case, options: argparse.Namespace) -> None:
        self.case, self.device = case, "cpu" if options.tiny else "cuda"
        self.grid = TINY_GRID if options.tiny else FULL_GRID
        self.texts = tuple(5 + k for k in range(len(case.texts))) if options.tiny else case.texts
        self.steps = min(options.steps or case.steps, case.steps)
        self.changes = case.tiny if options.tiny else {}
        self.seconds = 0.0 if options.tiny else options.seconds
        self.model = case.build(self.device, **self.changes)

    def picture(self, model: Any = None) -> Picture:
        return Picture(self.case, model or self.model, self.grid, self.texts, self.device)

    def denoise(self, steps: int) -> torch.Tensor:
        picture = self.picture()
        for number in range(steps):
            picture.step(number, steps)
        return picture.latents

    def image_flops(self) -> float:
        """FLOPs of an image's denoising as the stock model does it: products and attention.

        Of a first and a second step, the others being like the second.
        """
        picture, counts = self.picture(), []
        for number in range(2):
            with FlopCounterMode(display=False) as counter:
                picture.step(number, 2)
            counts.append(float(counter.get_total_flops()))
        return counts[0] + (self.steps - 1) * counts[1]

    def time(self) -> dict[str, float]:
        """Median seconds of an image's denoising, back to back, after a shorter one."""
        start = time.perf_counter()
        self.denoise(2)
        synchronize(self.device)
        first = time.perf_counter() - start
        self.denoise(min(self.steps, 8))
        synchronize(self.device)
        times: list[float] = []
        while sum(times) < self.seconds or not times:
            start = time.perf_counter()
            self.denoise(self.steps)
            synchronize(self.device)
            times.append(time.perf_counter() - start)
        return {"seconds": statistics.median(times), "images": len(times), "first_steps": first}


def accelerate(model: Any, device: str) -> list[str]:
    """Ours, as an editor has it; on a CPU the blocks that a GPU would get, uncompiled."""
    names = apply.accelerate(model, "numeric")
    if device == "cpu":
        if type(model).__name__ == "QwenImage21Transformer2DModel":
            from edit_benchmark.editing.acceleration.qwen_image21 import fuse_blocks

            fuse_blocks(model)
            return [*names, "fused_blocks"]
        model.compile_repeated_blocks(dynamic=True, backend="eager")
        return [*names, "regional_compile"]
    return names


def errors(bench: Bench) -> dict[str, float]:
    """Against float32, on a model of few blocks: of stock bfloat16 and of ours, in two steps."""
    changes = bench.changes or bench.case.short
    outputs: dict[str, list[torch.Tensor]] = {}
    for name in ("float32", "stock", "ours"):
        model = bench.case.build(bench.device, **changes)
        picture = bench.picture(model)
        if name == "float32":
            model.float()
            picture.latents = picture.latents.float()
        if name == "ours":
            accelerate(model, bench.device)
        outputs[name] = [
            picture.forward(moment, 0, is_first).float()
            for moment, is_first in ((1.0, True), (0.6, False))
        ]
        del model, picture
        free()
    pairs = {
        name: zip(outputs[name], outputs["float32"], strict=True) for name in ("stock", "ours")
    }
    return {
        name: statistics.mean(((a - b).norm() / b.norm()).item() for a, b in pair)
        for name, pair in pairs.items()
    }


def free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def measure(name: str, options: argparse.Namespace, rate: float, row: dict[str, Any]) -> None:
    """Fill ``row`` with what is measured of one case, in the order in which it is."""
    bench = Bench(CASES[name], options)
    passes = len(bench.texts)
    row |= {"model": name, "steps": bench.steps, "forwards_a_step": passes}
    row["parameters"] = sum(weight.numel() for weight in bench.model.parameters())
    row["tflop"] = (work := bench.image_flops()) / 1e12
    for kind in ("stock", "ours"):
        if kind == "ours":
            row["acceleration"] = accelerate(bench.model, bench.device)
        measured = bench.time()
        seconds = measured["seconds"]
        row[kind] = measured | {
            "seconds_a_forward": seconds / bench.steps / passes,
            "of_rate": flops.utilisation(work, seconds, rate),
        }
        print(
            f"{name:20} {kind:6} {seconds:8.3f} s an image, {bench.steps} steps x {passes}, "
            f"{1000 * seconds / bench.steps / passes:7.1f} ms a forward, "
            f"{row[kind]['of_rate']:6.1%} of R, first steps {measured['first_steps']:.1f} s",
            flush=True,
        )
    row["ratio_to_stock"] = row["stock"]["seconds"] / row["ours"]["seconds"]
    print(f"{name:20} {row['ratio_to_stock']:.3f} x stock, {row['acceleration']}", flush=True)
    if not options.no_profile:
        picture = bench.picture()
        picture.step(0, 2)
        row["kernels"] = profile(lambda: picture.forward(0.5, 0, False), bench.device, rows=14)[:30]
        del picture
    del bench.model
    free()
    row["error_to_float32"] = errors(bench)
    print(f"{name:20} error against float32, few blocks: {row['error_to_float32']}", flush=True)


def attempt(work: Callable[[], Any], row: dict[str, Any]) -> None:
    try:
        work()
    except Exception as error:
        row["failure"] = f"{type(error).__name__}: {error}"[:2000]
        traceback.print_exc()
    torch._dynamo.reset()
    free()


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for models.json")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--steps", type=int, help="at most so many sampler steps")
    parser.add_argument("--seconds", type=float, default=4.0, help="time at least so long")
    parser.add_argument("--within", type=float, default=390, help="begin no part after so long")
    parser.add_argument("--no-profile", action="store_true")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes on the CPU")
    options = parser.parse_args()
    compile_cache_dir()
    device = "cpu" if options.tiny else "cuda"
    rate_of = (128, 0.05, 0.05) if options.tiny else ()
    rate = flops.sustained_rate(device, *rate_of)
    report: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "torch": torch.__version__,
        "diffusers": __version__,
        "command": " ".join(sys.argv),
        "rate": rate,
        "models": [],
    }
    print(f"{report['device']}, R = {rate / 1e12:.1f} TFLOP/s", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.cases:
        row: dict[str, Any] = {"model": name}
        report["models"].append(row)
        if time.monotonic() - STARTED > options.within:
            row["failure"] = f"not begun within {options.within:.0f} s"
        else:
            attempt(lambda name=name, row=row: measure(name, options, rate, row), row)
        report["rate_after"] = flops.sustained_rate(device, *rate_of)
        (options.out / "models.json").write_text(json.dumps(report, indent=1) + "\n")
    print(f"R afterwards = {report['rate_after'] / 1e12:.1f} TFLOP/s", flush=True)


if __name__ == "__main__":
    main()

"""What each exact acceleration gives on one GPU, with the full-size Qwen-Image-Edit transformer.

    python tests/performance/measure_transformer.py --out DIR [--tiny]

Weights are random. Prints one table (seconds a forward, in pairs of a conditional and an
unconditional one with a new time step each pair; utilisation of R; ratio to stock eager in the same
process; error against stock eager bfloat16) and writes DIR/transformer.json. ``--tiny`` runs the
same code at a tiny size on a CPU, the kernels in Triton's interpreter.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
if "--tiny" in sys.argv:
    os.environ["TRITON_INTERPRET"] = "1"  # read when triton is imported, which torch may do

import torch
from diffusers import QwenImageTransformer2DModel, __version__

import flops
from edit_benchmark.editing.acceleration.compilation import compile_cache_dir
from edit_benchmark.editing.acceleration.modulation_cache import cache_modulation
from edit_benchmark.editing.acceleration.qwen_image import fuse_blocks

FULL = {
    "patch_size": 2,
    "in_channels": 64,
    "out_channels": 16,
    "num_layers": 60,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 3584,
    "guidance_embeds": False,
    "axes_dims_rope": (16, 56, 56),
}
TINY = FULL | {
    "in_channels": 16,
    "out_channels": 4,
    "num_layers": 1,
    "attention_head_dim": 32,
    "num_attention_heads": 2,
    "joint_attention_dim": 24,
    "axes_dims_rope": (8, 12, 12),
}
#: Name, token grids (edited image, source), text tokens of prompt and negative prompt.
SHAPES = [
    ("1024x1024", [(1, 64, 64)] * 2, (1400, 1372)),
    ("1376x768", [(1, 48, 86)] * 2, (1502, 1370)),
    ("896x1184", [(1, 74, 56)] * 2, (1391, 1345)),
]
PLUS_SHAPES = [("1024x1024", [(1, 64, 64)] * 2, (260, 222))]
TINY_SHAPES = [("tiny", [(1, 2, 3)] * 2, (4, 3)), ("tiny-wide", [(1, 1, 5)] * 2, (3, 2))]


class Bench:
    """One transformer, its shapes and what was measured on it so far."""

    def __init__(self, device: str, config: dict[str, Any], shapes: list[Any], rate: float) -> None:
        torch.manual_seed(0)
        torch.set_default_dtype(torch.bfloat16)
        with torch.device(device):
            self.model = QwenImageTransformer2DModel(**config).eval()
        torch.set_default_dtype(torch.float32)
        self.device, self.shapes, self.rate = device, shapes, rate
        self.results: list[dict[str, Any]] = []
        self.reference: dict[str, torch.Tensor] = {}

    def inputs(self, shape: Any, step: float, negative: bool) -> dict[str, Any]:
        _, grids, texts = shape
        generator = torch.Generator(self.device).manual_seed(texts[negative])
        place: dict[str, Any] = {
            "generator": generator,
            "device": self.device,
            "dtype": torch.bfloat16,
        }
        config, tokens = self.model.config, flops.image_tokens(grids)
        text = (1, texts[negative], config.joint_attention_dim)
        return {
            "hidden_states": torch.randn(1, tokens, config.in_channels, **place),
            "encoder_hidden_states": torch.randn(text, **place),
            "timestep": torch.full((1,), step, device=self.device, dtype=torch.bfloat16),
            "img_shapes": [grids],
            "return_dict": False,
        }

    def forward(self, shape: Any, step: float, negative: bool) -> torch.Tensor:
        return self.model(**self.inputs(shape, step, negative))[0]

    def seconds(self, shape: Any) -> float:
        """Median seconds a forward over pairs back to back, after two pairs."""
        pairs = 6 if self.device == "cuda" else 1
        ready = [self.inputs(shape, 0.0, negative) for negative in (False, True)]
        times = []
        marks = []
        for pair in range(pairs + 3):
            if self.device == "cuda":
                marks.append(torch.cuda.Event(enable_timing=True))
                marks[-1].record()
            start = time.perf_counter()
            step = torch.full((1,), 1 - pair / 50, device=self.device, dtype=torch.bfloat16)
            for arguments in ready:
                self.model(**(arguments | {"timestep": step}))
            times.append(time.perf_counter() - start)
        if marks:
            torch.cuda.synchronize()
            times = [a.elapsed_time(b) / 1000 for a, b in itertools.pairwise(marks)]
        return statistics.median(times[2:]) / 2

    def measure(self, name: str, shapes: list[Any] | None = None) -> None:
        """Time and compare the model as it is now under ``name``."""
        start = time.perf_counter()
        self.forward(self.shapes[0], 0.5, False)
        synchronize(self.device)
        first = time.perf_counter() - start
        for shape in shapes or self.shapes:
            output = self.forward(shape, 0.5, False).float()
            reference = self.reference.setdefault(shape[0], output)
            seconds = self.seconds(shape)
            tokens = flops.image_tokens(shape[1])
            work = statistics.mean(
                flops.forward_flops(self.model.config, tokens, text) for text in shape[2]
            )
            stock = next((r for r in self.results if r["shape"] == shape[0]), None)
            row = {
                "variant": name,
                "shape": shape[0],
                "tokens": tokens + shape[2][0],
                "seconds": seconds,
                "utilisation": flops.utilisation(work, seconds, self.rate),
                "ratio_to_stock": (stock["seconds"] if stock else seconds) / seconds,
                "error_norm": ((output - reference).norm() / reference.norm()).item(),
                "error_max": ((output - reference).abs().max() / reference.abs().max()).item(),
                "bit_equal": torch.equal(output, reference),
                "first_forward": first,
            }
            self.results.append(row)
            print(
                f"{name:28} {shape[0]:>9} S={row['tokens']:<5} {seconds:8.4f} s "
                f"{row['utilisation']:6.1%} {row['ratio_to_stock']:5.2f}x "
                f"err {row['error_norm']:.1e} max {row['error_max']:.1e} "
                f"{'bit-equal' if row['bit_equal'] else '':9} first {first:5.1f} s",
                flush=True,
            )

    def compile(self) -> None:
        self.model.compile_repeated_blocks(fullgraph=True, dynamic=True)

    def uncompile(self) -> None:
        torch._dynamo.reset()
        for block in self.model.transformer_blocks:
            block._compiled_call_impl = None


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def profile(work: Callable[[], Any], device: str, rows: int = 28) -> list[dict[str, Any]]:
    """Kernels of one call by device time: milliseconds, calls, name."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    work()
    with torch.profiler.profile(activities=activities) as trace:
        work()
        synchronize(device)
    table = [
        {"ms": event.self_device_time_total / 1000, "calls": event.count, "name": event.key}
        for event in trace.key_averages()
        if event.device_type == torch.profiler.DeviceType.CUDA
    ]
    table.sort(key=lambda row: -row["ms"])
    print(f"one forward: {sum(row['ms'] for row in table):.1f} ms in {len(table)} kernels")
    for row in table[:rows]:
        print(f"{row['ms']:9.3f} ms {row['calls']:5} x {row['name'][:110]}")
    return table


def against_float32(bench: Bench) -> dict[str, float]:
    """Errors against float32 of a model of four blocks: stock bfloat16, and fully accelerated."""
    config = dict(bench.model.config) | {"num_layers": min(4, bench.model.config.num_layers)}
    short = Bench(bench.device, config, bench.shapes, bench.rate)
    arguments = short.inputs(bench.shapes[0], 0.5, False)
    stock = short.model(**arguments)[0].float()
    wide = {
        name: value.float() if isinstance(value, torch.Tensor) else value
        for name, value in arguments.items()
    }
    exact = short.model.float()(**wide)[0]
    fast = Bench(bench.device, config, bench.shapes, bench.rate)
    cache_modulation(fast.model)
    fuse_blocks(fast.model)
    numeric = fast.model(**arguments)[0].float()
    errors = {
        name: ((output - exact).norm() / exact.norm()).item()
        for name, output in {"stock_bfloat16": stock, "numeric_bfloat16": numeric}.items()
    }
    print("error against float32, 4 blocks:", errors, flush=True)
    return errors


def accelerations(bench: Bench, with_compiled: bool) -> None:
    """Every acceleration, one after the other, for one transformer."""
    bench.measure("stock eager")
    if with_compiled:
        bench.compile()
        bench.measure("stock compiled", bench.shapes[:1])
        bench.uncompile()
    cache_modulation(bench.model)
    bench.measure("modulation_cache (bitwise)", bench.shapes[:1])
    fuse_blocks(bench.model)
    bench.measure("+ fused_blocks (numeric)")


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for transformer.json")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes on the CPU")
    options = parser.parse_args()
    compile_cache_dir()
    device, config, shapes = ("cpu", TINY, TINY_SHAPES) if options.tiny else ("cuda", FULL, SHAPES)
    rate_of = (128, 0.05, 0.05) if options.tiny else ()
    rate = flops.sustained_rate(device, *rate_of)
    print(f"R = {rate / 1e12:.1f} TFLOP/s", flush=True)
    bench = Bench(device, config, shapes, rate)
    accelerations(bench, with_compiled=not options.tiny)
    report: dict[str, Any] = {"edit": bench.results}
    report["kernels"] = profile(functools.partial(bench.forward, shapes[0], 0.5, False), device)
    report["float32"] = against_float32(bench)
    del bench
    print("Plus (zero_cond_t)")
    plus_shapes = TINY_SHAPES[:1] if options.tiny else PLUS_SHAPES
    plus = Bench(device, config | {"zero_cond_t": True}, plus_shapes, rate)
    accelerations(plus, with_compiled=False)
    report["plus"] = plus.results
    after = flops.sustained_rate(device, *rate_of)
    report |= {
        "rate": rate,
        "rate_after": after,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "torch": torch.__version__,
        "diffusers": __version__,
        "command": " ".join(sys.argv),
    }
    print(f"R afterwards = {after / 1e12:.1f} TFLOP/s on {report['device']}")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "transformer.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

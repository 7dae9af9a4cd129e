"""The earlier threaded program's shape against the workflow: same benchmark, steps and weights.

    python tests/performance/old_shape.py run --editor FOLDER --judge FOLDER --devices 0 1 \\
        --samples 10 --steps 10 --out FOLDER
    python tests/performance/old_shape.py model FOLDER/measured.json --out FOLDER

The earlier shape, written here from its description: one process, a thread per GPU, one model after
another loaded behind a lock, sample idx on GPU idx % n, the cache emptied after each picture, a
barrier after each round, then a judge on the first GPU that writes 128 tokens in batches of four.
``run`` measures both, ``model`` extends both to 270 pictures on one to eight GPUs by arithmetic
with the measured constants alone. ``cpu`` stands for a GPU where there is none: the same code with
tiny models.
"""

from __future__ import annotations

import argparse
import csv
import heapq
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).parents[2]
_NEEDED = ["Snakefile", "workflow", "scripts", "config", "profiles", "environment.yml"]
CATEGORIES = ["physical", "environmental", "social", "causal", "referential"]
TOKENS, JUDGE_BATCH = 128, 4
_SIDE = 1024


# ----- The benchmark -----


def write_benchmark(folder: Path, samples: int, side: int) -> Path:
    """``samples`` drawn pictures of ``side`` pixels, evenly over the categories."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(samples):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        image.save(folder / f"{number}.png")
        row = {"id": f"s{number}", "category": CATEGORIES[number % 5], "image": f"{number}.png",
               "instruction": f"Make the scene look like evening, variant {number}."}  # fmt: skip
        lines.append(json.dumps(row) + "\n")
    path = folder / "benchmark.jsonl"
    path.write_text("".join(lines))
    return path


class Busy:
    """Share of the time in which each GPU has a kernel running, sampled ten times a second."""

    def __init__(self, devices: Sequence[str]) -> None:
        self._indices = [int(device) for device in devices if device != "cpu"]
        self._samples: list[list[int]] = [[] for _ in self._indices]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Busy:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.seconds = time.monotonic() - self._began

    def _watch(self) -> None:
        if not self._indices:
            return
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in self._indices]
        while not self._ended.wait(0.1):
            for found, handle in zip(self._samples, handles, strict=True):
                found.append(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)

    def facts(self) -> dict[str, Any]:
        shares = [fmean(found) / 100 for found in self._samples if found]
        busy = [round(share * self.seconds, 1) for share in shares]
        idle = [round((1 - share) * self.seconds, 1) for share in shares]
        return {"wall_seconds": round(self.seconds, 2), "gpu_busy_seconds": busy,
                "gpu_idle_seconds": idle}  # fmt: skip


# ----- The earlier shape -----


def old(arguments: argparse.Namespace, benchmark: Path) -> dict[str, Any]:
    """The whole earlier program in this process; seconds of its parts."""
    began = time.monotonic()
    import diffusers
    import torch
    import transformers
    from PIL import Image

    imported = time.monotonic() - began
    rows = [json.loads(line) for line in benchmark.read_text().splitlines()]
    devices = [f"cuda:{name}" if name != "cpu" else "cpu" for name in arguments.devices]
    dtype = torch.bfloat16 if devices[0] != "cpu" else torch.float32
    lock, barrier = threading.Lock(), threading.Barrier(len(devices))
    loads: list[float] = []
    edits: list[float] = []
    out = arguments.out / "old"
    out.mkdir(parents=True, exist_ok=True)
    errors: list[BaseException] = []

    def work(position: int, device: str) -> None:
        with lock:  # loading in two threads at once breaks diffusers
            start = time.monotonic()
            pipeline = diffusers.DiffusionPipeline.from_pretrained(arguments.editor, dtype=dtype)
            pipeline.to(device)
            pipeline.set_progress_bar_config(disable=True)
            loads.append(time.monotonic() - start)
        barrier.wait()
        for round_ in range(math.ceil(len(rows) / len(devices))):
            index = round_ * len(devices) + position
            if index < len(rows):
                start = time.monotonic()
                row = rows[index]
                source = Image.open(benchmark.parent / row["image"]).convert("RGB")
                generator = torch.Generator("cpu").manual_seed(index)
                sizes = {} if device != "cpu" else {"height": 256, "width": 256}
                edited = pipeline(
                    image=source, prompt=row["instruction"], negative_prompt=" ",
                    num_inference_steps=arguments.steps, true_cfg_scale=4.0, generator=generator,
                    **sizes,
                ).images[0]  # fmt: skip
                edited.save(out / f"{row['id']}.png")
                if device != "cpu":
                    torch.cuda.empty_cache()
                edits.append(time.monotonic() - start)
            barrier.wait()

    def guarded(position: int, device: str) -> None:
        try:
            work(position, device)
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=guarded, args=pair) for pair in enumerate(devices)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    if devices[0] != "cpu":
        torch.cuda.empty_cache()
    start = time.monotonic()
    processor = transformers.AutoProcessor.from_pretrained(arguments.judge)
    processor.tokenizer.padding_side = "left"
    model = transformers.AutoModelForImageTextToText.from_pretrained(
        arguments.judge, dtype=dtype, device_map=devices[0]
    )
    judge_load = time.monotonic() - start
    batches = []
    for first in range(0, len(rows), JUDGE_BATCH):
        start = time.monotonic()
        chats = []
        for row in rows[first : first + JUDGE_BATCH]:
            pictures = [Image.open(benchmark.parent / row["image"]).convert("RGB"),
                        Image.open(out / f"{row['id']}.png").convert("RGB")]  # fmt: skip
            content: list[dict[str, Any]] = [{"type": "image", "image": it} for it in pictures]
            content.append({"type": "text", "text": f"Score this edit: {row['instruction']}"})
            chats.append([{"role": "user", "content": content}])
        inputs = processor.apply_chat_template(
            chats, tokenize=True, add_generation_prompt=True, return_dict=True,
            return_tensors="pt", processor_kwargs={"padding": True},
        ).to(devices[0])  # fmt: skip
        model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)
        batches.append(time.monotonic() - start)
    return {
        "import_seconds": imported, "load_seconds": loads, "edit_seconds": edits,
        "judge_load_seconds": judge_load, "judge_batch_seconds": batches,
        "seconds": time.monotonic() - began,
    }  # fmt: skip


# ----- The workflow -----


def prepare(
    folder: Path,
    benchmark: Path,
    devices: Sequence[str],
    steps: int,
    editor: Path,
    judge: Path | None = None,
) -> None:
    """The workflow in a folder of its own, with a configuration for one editor and one judge."""
    import yaml

    for name in _NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "resources" / "rubrics", folder / "resources" / "rubrics")
    on_cpu = devices[0] == "cpu"
    dtype = "float32" if on_cpu else "bfloat16"
    size = {"height": 256, "width": 256} if on_cpu else {}
    config = {
        "benchmark": {"path": str(benchmark)},
        "device_ids": [name if name == "cpu" else int(name) for name in devices],
        "models": {
            "editor": {"editor": "diffusers", "checkpoint": str(editor), "dtype": dtype,
                       "num_inference_steps": steps, "true_cfg_scale": 4.0,
                       "negative_prompt": " ", **size},
        },
        # Edits alone ask no judge, but a configuration has one.
        "judges": {
            "judge": {"judge": "transformers", "checkpoint": str(judge or editor), "dtype": dtype,
                      "min_mass": 0},
        },
    }  # fmt: skip
    (folder / "config" / "run.yaml").write_text(yaml.safe_dump(config))


def snakemake(folder: Path, targets: Sequence[str], gpus: int, log: Path) -> float:
    """Run the workflow in ``folder``; seconds."""
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", "all",
               "--configfile", "config/run.yaml", "--resources", f"gpu={gpus}"]  # fmt: skip
    environment = os.environ | {"EDIT_BENCHMARK_LEASES": str(folder / "leases")}
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - began
    log.write_text(done.stdout + done.stderr)
    if done.returncode:
        raise SystemExit(f"the workflow failed; see {log}")
    return seconds


def ours(arguments: argparse.Namespace, benchmark: Path, folder: Path) -> dict[str, Any]:
    """The real workflow to its score tables, through Snakemake; seconds of its jobs."""
    prepare(
        folder, benchmark, arguments.devices, arguments.steps, arguments.editor, arguments.judge
    )
    targets = [f"results/scores/judge/editor/{category}.jsonl" for category in CATEGORIES]
    log = arguments.out / "snakemake.log"
    seconds = snakemake(folder, targets, len(arguments.devices), log)
    results = folder / "results"
    jobs = {
        kind: [_job_seconds(path) for path in results.glob(f"benchmarks/{kind}/**/*.tsv")]
        for kind in ("edit", "score")
    }
    edits = [row["seconds"] for row in rows_of(results, "edits/editor/*/edits.jsonl")]
    scores = [row["judge_seconds"] for row in rows_of(results, "scores/judge/editor/*.jsonl")]
    return {
        "seconds": seconds, "edit_job_seconds": jobs["edit"], "score_job_seconds": jobs["score"],
        "edit_seconds": edits, "judge_seconds": scores,
        # What a job takes beside its pictures: process, imports, checks, loading.
        "edit_start_seconds": (sum(jobs["edit"]) - sum(edits)) / len(jobs["edit"]),
        "score_start_seconds": (sum(jobs["score"]) - sum(scores)) / len(jobs["score"]),
    }  # fmt: skip


def _job_seconds(path: Path) -> float:
    with path.open() as file:
        return float(next(csv.DictReader(file, delimiter="\t"))["s"])


def rows_of(results: Path, pattern: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(results.glob(pattern))
        for line in path.read_text().splitlines()
    ]


def run(arguments: argparse.Namespace) -> None:
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "measured.json"
    measured: dict[str, Any] = {
        "command": "python tests/performance/old_shape.py run",
        "devices": len(arguments.devices), "samples": arguments.samples, "steps": arguments.steps,
    }  # fmt: skip
    if path.exists():  # of a run of the other part
        found = json.loads(path.read_text())
        if any(found[name] != value for name, value in measured.items()):
            raise SystemExit(f"{path} is of other devices, samples or steps; take another folder.")
        measured = found
    with tempfile.TemporaryDirectory(prefix="old-shape-") as name:
        folder = Path(name)
        benchmark = write_benchmark(folder / "data", arguments.samples, arguments.side)
        # The old shape last: what it holds in this process would be in the way of the other.
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "ours": lambda: ours(arguments, benchmark, folder),
            "old": lambda: old(arguments, benchmark),
        }
        for part in [name for name in parts if name in arguments.parts]:
            with Busy(arguments.devices) as busy:
                found = parts[part]()
            measured[part] = found | busy.facts()
            print(part, json.dumps(measured[part]), flush=True)
            path.write_text(json.dumps(measured, indent=1) + "\n")


# ----- The model -----


def predict_old(measured: dict[str, Any], samples: int, devices: int) -> float:
    """Seconds of the earlier shape: loads one after another, rounds, then the judge alone."""
    part = measured["old"]
    rounds = math.ceil(samples / devices)
    batches = math.ceil(samples / JUDGE_BATCH)
    full = part["judge_batch_seconds"][: max(1, measured["samples"] // JUDGE_BATCH)]
    return (
        part["import_seconds"]
        + devices * fmean(part["load_seconds"])
        + rounds * fmean(part["edit_seconds"])
        + part["judge_load_seconds"]
        + batches * fmean(full)
    )


def predict_ours(measured: dict[str, Any], samples: int, devices: int) -> float:
    """Seconds of the workflow: jobs of category x shard on the first free device, a category's
    scoring before further edits."""
    part = measured["ours"]
    edit, start = fmean(part["edit_seconds"]), part["edit_start_seconds"]
    judge, judge_start = fmean(part["judge_seconds"]), part["score_start_seconds"]
    sizes = [len(range(category, samples, 5)) for category in range(5)]
    shards = [(category, len(range(shard, size, devices)))
              for category, size in enumerate(sizes) for shard in range(devices)]  # fmt: skip
    waiting = [(1, order, category, start + count * edit)
               for order, (category, count) in enumerate(shards)]  # fmt: skip
    heapq.heapify(waiting)
    left = [devices] * 5
    running: list[tuple[float, int, int]] = []
    now = 0.0
    while waiting or running:
        while waiting and len(running) < devices:
            kind, _, category, seconds = heapq.heappop(waiting)
            heapq.heappush(running, (now + seconds, kind, category))
        now, kind, category = heapq.heappop(running)
        left[category] -= kind
        if kind and not left[category]:
            # Scoring has the higher priority: it sorts before the edits.
            seconds = judge_start + sizes[category] * judge
            heapq.heappush(waiting, (0, category, category, seconds))
    # Snakemake itself, and the jobs that take no device.
    return now + _besides(measured)


def _besides(measured: dict[str, Any]) -> float:
    part = measured["ours"]
    jobs = sum(part["edit_job_seconds"]) + sum(part["score_job_seconds"])
    return max(0.0, part["seconds"] - jobs / measured["devices"])


def model(arguments: argparse.Namespace) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    measured = json.loads(arguments.measured.read_text())
    fit = {
        name: predict(measured, measured["samples"], measured["devices"])
        / measured[name]["seconds"]
        for name, predict in (("old", predict_old), ("ours", predict_ours))
    }
    counts = [1, 2, 4, 6, 8]
    rows = [
        {"gpus": count, "old_hours": predict_old(measured, 270, count) / 3600,
         "ours_hours": predict_ours(measured, 270, count) / 3600}
        for count in counts
    ]  # fmt: skip
    content = {"predicted_over_measured": fit, "steps": measured["steps"], "rows": rows}
    (arguments.out / "model.json").write_text(json.dumps(content, indent=1) + "\n")
    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    labels = (("old", "s", "earlier program's shape"), ("ours", "o", "this workflow"))
    for name, marker, label in labels:
        axes.plot(counts, [row[f"{name}_hours"] for row in rows], marker=marker, label=label)
    ylabel = f"hours for 270 pictures of {measured['steps']} steps"
    axes.set(xlabel="GPUs", ylabel=ylabel, ylim=(0, None), xticks=counts)
    axes.legend(frameon=False)
    figure.savefig(arguments.out / "model.svg")
    print(json.dumps(content, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    measure = commands.add_parser("run", help="measure both")
    measure.add_argument("--editor", type=Path, required=True, help="checkpoint folder")
    measure.add_argument("--judge", type=Path, required=True, help="checkpoint folder")
    measure.add_argument("--devices", nargs="+", required=True, help="GPU numbers, or cpu")
    measure.add_argument("--samples", type=int, default=10)
    measure.add_argument("--steps", type=int, default=10)
    measure.add_argument("--parts", nargs="+", choices=["ours", "old"], default=["ours", "old"])
    measure.add_argument("--side", type=int, default=_SIDE, help="pixels of a source picture")
    measure.add_argument("--out", type=Path, required=True)
    measure.set_defaults(call=run)
    extend = commands.add_parser("model", help="extend a measurement to 270 pictures")
    extend.add_argument("measured", type=Path)
    extend.add_argument("--out", type=Path, required=True)
    extend.set_defaults(call=model)
    arguments = parser.parse_args()
    for name in ("editor", "judge", "out"):
        if hasattr(arguments, name):
            setattr(arguments, name, getattr(arguments, name).resolve())
    arguments.call(arguments)


if __name__ == "__main__":
    main()

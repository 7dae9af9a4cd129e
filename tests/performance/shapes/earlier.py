"""The shape of the earlier threaded program, written from its description, and how long it takes.

One process, a thread per GPU, one model after another loaded behind a lock, sample idx on GPU
idx % n, the cache emptied after each image, a barrier after each round, then a judge on the first
GPU that writes 128 tokens in batches of four.
"""

from __future__ import annotations

import importlib
import json
import math
import threading
import time
from pathlib import Path
from typing import Any

from shapes.setup import Setup

TOKENS, JUDGE_BATCH = 128, 4


def measure(setup: Setup, benchmark: Path) -> dict[str, Any]:
    """Run the whole earlier program in this process; seconds of its parts."""
    start = time.monotonic()
    for library in ("diffusers", "torch", "transformers", "PIL.Image"):
        importlib.import_module(library)
    imported = time.monotonic() - start
    rows = [json.loads(line) for line in benchmark.read_text().splitlines()]
    edited = setup.out / "old"
    edited.mkdir(parents=True, exist_ok=True)
    edits = _edit(setup, rows, benchmark.parent, edited)
    judging = _judge(setup, rows, benchmark.parent, edited)
    return {
        "import_seconds": imported,
        **edits,
        **judging,
        "seconds": time.monotonic() - start,
    }


def _edit(setup: Setup, rows: list[Any], sources: Path, edited: Path) -> dict[str, list[float]]:
    """Edit all samples, a thread a device; seconds of each load and each edit."""
    import diffusers
    import torch
    from PIL import Image

    names = _torch_names(setup)
    lock, barrier = threading.Lock(), threading.Barrier(len(names))
    loads: list[float] = []
    edits: list[float] = []
    errors: list[BaseException] = []

    def work(position: int, device: str) -> None:
        with lock:  # loading in two threads at once breaks diffusers
            start = time.monotonic()
            pipeline = diffusers.DiffusionPipeline.from_pretrained(
                setup.editor, dtype=_dtype(setup)
            )
            pipeline.to(device)
            pipeline.set_progress_bar_config(disable=True)
            loads.append(time.monotonic() - start)
        barrier.wait()
        for round_ in range(math.ceil(len(rows) / len(names))):
            index = round_ * len(names) + position
            if index < len(rows):
                start = time.monotonic()
                row = rows[index]
                image = pipeline(
                    image=Image.open(sources / row["image"]).convert("RGB"),
                    prompt=row["instruction"],
                    num_inference_steps=setup.steps,
                    **setup.guidance,
                    generator=torch.Generator("cpu").manual_seed(index),
                    **setup.image_size,
                ).images[0]
                image.save(edited / f"{row['id']}.png")
                if not setup.is_on_cpu:
                    torch.cuda.empty_cache()
                edits.append(time.monotonic() - start)
            barrier.wait()

    def guarded(position: int, device: str) -> None:
        try:
            work(position, device)
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=guarded, args=pair) for pair in enumerate(names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    if not setup.is_on_cpu:
        torch.cuda.empty_cache()
    return {"load_seconds": loads, "edit_seconds": edits}


def _judge(setup: Setup, rows: list[Any], sources: Path, edited: Path) -> dict[str, Any]:
    """Judge all edits on the first device; seconds of loading and of each batch."""
    import transformers
    from PIL import Image

    device = _torch_names(setup)[0]
    start = time.monotonic()
    processor = transformers.AutoProcessor.from_pretrained(setup.judge)
    processor.tokenizer.padding_side = "left"
    model = transformers.AutoModelForImageTextToText.from_pretrained(
        setup.judge, dtype=_dtype(setup), device_map=device
    )
    load = time.monotonic() - start
    batches = []
    for first in range(0, len(rows), JUDGE_BATCH):
        start = time.monotonic()
        chats = []
        for row in rows[first : first + JUDGE_BATCH]:
            images = [Image.open(sources / row["image"]).convert("RGB"),
                      Image.open(edited / f"{row['id']}.png").convert("RGB")]  # fmt: skip
            content: list[dict[str, Any]] = [{"type": "image", "image": image} for image in images]
            content.append({"type": "text", "text": f"Score this edit: {row['instruction']}"})
            chats.append([{"role": "user", "content": content}])
        inputs = processor.apply_chat_template(
            chats, tokenize=True, add_generation_prompt=True, return_dict=True,
            return_tensors="pt", processor_kwargs={"padding": True},
        ).to(device)  # fmt: skip
        model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)
        batches.append(time.monotonic() - start)
    return {"judge_load_seconds": load, "judge_batch_seconds": batches}


def _torch_names(setup: Setup) -> list[str]:
    return ["cpu" if name == "cpu" else f"cuda:{name}" for name in setup.devices]


def _dtype(setup: Setup) -> Any:
    import torch

    return torch.float32 if setup.is_on_cpu else torch.bfloat16

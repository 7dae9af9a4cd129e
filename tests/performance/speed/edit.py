"""How fast an edit is, through :class:`DiffusersEditor`, against the stock pipeline.

Both make the same images of the same sources, prompts and noise with the same random weights in one
process. Stock is the pipeline as diffusers loads it, eager.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

import flops
from edit_benchmark.config.editors import DiffusersEditorSettings
from edit_benchmark.editing.diffusers_pipeline import DiffusersEditor
from edit_benchmark.images import sha256
from edit_benchmark.versions import installed
from speed import approximations, checkpoints, drawn, ours, stock
from speed.ours import Case

#: At full size stock makes one whole image, and of the others as many steps as tell the seconds of
#: one.
CASES = [
    Case((1024, 1024), "Let the ball on the table fall off its edge and rest on the floor.", 50),
    Case((1376, 768), "Show the same street one hour after the rain began, lamps lit, people with "
                      "umbrellas, puddles that mirror the shop windows.", 20),
    Case((896, 1184), "Give the second person from the left a green coat.", 20),
]  # fmt: skip
_TINY_CASES = [Case((64, 64), CASES[0].instruction, 2)]


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
        seconds of a step; of whole images where stock made the whole image too, which then has
        ``psnr_to_stock`` in dB) and ``image_sha256`` (of the RGB bytes; two GPUs of one kind should
        agree).
    """
    checkpoint, plus = folder / "edit", folder / "plus"
    if not (checkpoint / "model_index.json").is_file():
        checkpoints.save_edit_pipeline(checkpoint, device, full_size)
    checkpoints.save_plus(checkpoint, plus)
    cases = CASES if full_size else _TINY_CASES
    settings = checkpoints.edit_settings(checkpoint, full_size)
    plus_steps, plus_stock_steps = (40, 10) if full_size else (2, 2)
    editor, load_seconds = ours.load(checkpoint, device, full_size)
    pipeline = stock.load(checkpoint, device, full_size)
    for case in cases:
        ours.warm_up(editor, case)
    rate = ours.sustained_rate(device)
    rows = [_against_stock(editor, pipeline, settings, case, rate) for case in cases]
    plus_stock_step = stock.plus_step(pipeline, settings, cases[0], plus_stock_steps)
    accelerations = editor.details["acceleration"]
    del pipeline
    ours.free_memory(device)
    try:
        approximation_rows = approximations.measure(
            editor, folder, cases[0], rows[0]["seconds_per_step"], full_size
        )
    finally:
        del editor
        ours.free_memory(device)
    editor, plus_load_seconds = ours.load(plus, device, full_size)
    ours.warm_up(editor, cases[0])
    measured = ours.edit(editor, cases[0], plus_steps)
    plus_row = _row(cases[0], measured, rate, plus_stock_step, plus_stock_steps)
    print(plus_row, flush=True)
    result = {
        "full_size": full_size,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "versions": installed("torch", "diffusers", "transformers"),
        "load_seconds": {"edit": load_seconds, "plus": plus_load_seconds},
        "accelerations": accelerations,
        "edit": rows,
        "approximations": approximation_rows,
        "plus": [plus_row],
        "rate": rate,
        "rate_after": ours.sustained_rate(device),
    }
    if device == "cuda":
        result["peak_memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
    return result


def _against_stock(
    editor: DiffusersEditor,
    pipeline: Any,
    settings: DiffusersEditorSettings,
    case: Case,
    rate: float,
) -> dict[str, Any]:
    """One image of ours, and as many steps of the stock ``pipeline`` as ``case`` says."""
    steps = settings.num_inference_steps
    assert steps is not None
    measured = ours.edit(editor, case, steps)
    stock_steps = min(steps, case.stock_steps)
    reference = stock.edit(pipeline, settings, case, stock_steps)
    row = _row(case, measured, rate, reference.seconds_per_step, stock_steps)
    if stock_steps == steps:
        row["stock_seconds_per_image"] = round(reference.seconds, 3)
        row["psnr_to_stock"] = round(drawn.psnr(measured.image, reference.image), 2)
        row["ratio_to_stock"] = round(reference.seconds / measured.seconds, 3)
    print(row, flush=True)
    return row


def _row(
    case: Case, measured: ours.Measured, rate: float, stock_step: float, stock_steps: int
) -> dict[str, Any]:
    """What was measured of one image; ``stock_step`` are the seconds of a stock step."""
    used = flops.utilisation(measured.flops, measured.seconds, rate)
    return {
        "source": "x".join(map(str, case.size)),
        "steps": measured.steps,
        "forwards": measured.forwards,
        "seconds_per_image": round(measured.seconds, 3),
        "stages": {name: round(seconds, 3) for name, seconds in measured.stages.items()},
        "image_sha256": sha256(measured.image.tobytes()),
        "seconds_per_step": round(measured.seconds_per_step, 4),
        "utilisation": round(used, 4),
        "stock_seconds_per_step": round(stock_step, 4),
        "stock_steps": stock_steps,
        "ratio_to_stock": round(stock_step / measured.seconds_per_step, 3),
    }

"""Measure editing, judging and start-up against stock diffusers and transformers (make bench)."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from edit_benchmark.results.files import write_text
from edit_benchmark.runtime.command_line import run

PARTS = ("startup", "edit", "judge")


def measure(part: str, work: Path, device: str, full_size: bool) -> dict[str, Any]:
    """One part; the libraries that it takes are imported only here."""
    if part == "startup":
        from speed import startup

        return startup.measure(work, device, full_size)
    if part == "edit":
        from speed import edit

        return edit.measure(work, device, full_size)
    from speed import judge

    return judge.measure(work / "judge", device, full_size)


def table(result: dict[str, Any]) -> str:
    """What was measured, a line each."""
    lines = [f"{'':34}{'s an image':>12}{'of R':>8}{'against stock':>15}{'PSNR':>8}"]
    edit = result.get("edit") or {}
    for kind in ("edit", "plus"):
        for row in edit.get(kind, []):
            name = f"{kind} {row['source']}, {row['steps']} steps"
            psnr = f"{row['psnr_to_stock']:.1f}" if "psnr_to_stock" in row else ""
            lines.append(
                f"{name:34}{row['seconds_per_image']:12.2f}{row['utilisation']:8.1%}"
                f"{row['ratio_to_stock']:14.2f}x{psnr:>8}"
            )
    for row in edit.get("approximations", []):
        name = f"{row['approximation']} {row.get('threshold', '')}".strip()
        name = f"{name}, {row['steps']} steps"
        lines.append(
            f"{name:34}{row['seconds_per_image']:12.2f}{'':8}"
            f"{row['ratio_to_exact_step']:14.2f}x of an exact step"
        )
    judge = result.get("judge") or {}
    for method in ("expected", "generated"):
        for count, row in judge.get(method, {}).items():
            unit = "criteria" if method == "expected" else "a batch"
            lines.append(
                f"{f'judge, {method}, {count} {unit}':34}{row['seconds']:12.3f}{'':8}"
                f"{row['ratio_to_stock']:14.2f}x"
            )
    startup = result.get("startup") or {}
    for name in ("cold", "warm", "score_cold", "score"):
        if name in startup:
            stages = ", ".join(f"{key} {value:.1f}" for key, value in startup[name].items())
            lines.append(f"start-up, {name}: {stages} s")
    for name, what in (("two_slots", "at once"), ("one_slot", "one after the other")):
        if name in startup:
            steps = " and ".join(f"{job['first_step']:.1f}" for job in startup[name])
            lines.append(f"start-up, two jobs that load {what}: first step after {steps} s")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--full-size", action="store_true",
        help="with the released models' shapes on a GPU of 141 GB; 75 GB of disk",
    )  # fmt: skip
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--device", choices=["cuda", "cpu"], help="what is there, by default")
    parser.add_argument("--work", type=Path, default=Path("results/bench/work"), metavar="FOLDER",
                        help="where checkpoints are made; they stay there")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("results/bench"), metavar="FOLDER",
                        help="where bench.json is written")  # fmt: skip
    arguments = parser.parse_args()
    device = arguments.device or _device()
    arguments.work = arguments.work.resolve()
    arguments.work.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {
        "command": shlex.join(["python", *sys.argv]),
        "date": time.strftime("%Y-%m-%d"),
        "full_size": arguments.full_size,
    }
    failed = False
    for part in arguments.parts:
        print(f"measuring {part} on {device}", flush=True)
        try:
            work = partial(measure, part, arguments.work, device, arguments.full_size)
            result[part] = _without_gradients(work)
        except Exception:
            # What was measured before is not lost.
            traceback.print_exc()
            failed = True
        write_text(arguments.out / "bench.json", json.dumps(result, indent=1) + "\n")
    print(table(result))
    print(f"written: {arguments.out / 'bench.json'}")
    if failed:
        sys.exit(1)


def _without_gradients(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    import torch

    with torch.no_grad():
        return work()


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    run(main)

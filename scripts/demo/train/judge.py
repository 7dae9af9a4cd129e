"""Train the demo's judge, from nothing to a folder that the project's judge loads.

``python scripts/demo/train/judge.py --out DIR --minutes 8`` on one GPU; start-up, compilation and
the figures on held-out scenes come on top. Called again with the same folder it goes on where it
was.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# A process for each core draws scenes: threads within it would only be in each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Python puts the folder that it runs on its search path, not the one that holds the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
import transformers

from demo.models import seeded
from demo.train import scenes
from demo.train.budget import Budget, provenance
from demo.train.judging import asked, figures, parts
from demo.train.judging.editors import edit_scenes
from demo.train.judging.forward import Forward
from demo.train.judging.questions import LANGUAGES, NAMES, Questions, held_out
from demo.train.judging.start import start
from demo.train.judging.store import HANDED, Encoder, Pictures, Store
from demo.train.judging.training import Trainer
from demo.train.parts import annotate
from demo.world.scene import Split

# Scenes whose pictures the vision tower's components are taken from.
_SHOWN = 60
# The judge has to know what it measures: it learns from all combinations of colour, shape and
# place, in scenes of its own. (Of those that it had never met it misjudged one edit in ten.)
_SPLIT: Split = "every"
# Batches taken between two looks, once there are as many scenes as are kept: about a tenth of the
# time, reckoned from a copy of 31 MB each.
_RENEWED = 12


def main() -> None:
    given = _arguments()
    if given.measure is not None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        print(json.dumps(measured(given.measure, given, device), indent=1))
        return
    train(given)


def train(given: argparse.Namespace) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)

    (given.out / "state").mkdir(parents=True, exist_ok=True)
    words = parts.words()
    processor = parts.processor(words)
    questions = Questions(processor, parts.TOKENS)
    edited = own_edits(given)
    # Places for what each process has handed over and was not taken yet, what is being taken, and
    # what it draws.
    ahead = scenes.Background.ahead(given.processes) + 2
    shared = Pictures(given.processes * ahead, len(edited))
    encoder = Encoder(shared, questions, editors=edited)
    background = scenes.Background(given.processes, encoder, batch=HANDED, wrong=4, split=_SPLIT)
    model, forward = new(words, questions, parts.SIZES[given.size], given.seed)
    tell(f"{len(words)} words, {sum(weight.numel() for weight in model.parameters()):,} weights")
    store = Store(
        questions, shared, given.scenes, device, given.categories, given.edited if edited else 0
    )

    def meanwhile() -> None:
        for batch in background.ready(_RENEWED if store.full else 32):
            store.take(batch)

    while store.size < given.first and not store.full:
        store.take(background.wait())
    tell(f"{store.size} scenes drawn")
    torch.manual_seed(given.seed)
    trainer = Trainer(
        model, forward, store, Budget(given.minutes * 60),
        batch=given.batch, checkpoint=given.out / "state" / "judge.pt", device=device,
    )  # fmt: skip
    trainer.train(given.out / "losses.jsonl", meanwhile)
    background.stop()
    tell(f"trained on {store.taken} scenes")
    folder = given.out / "judge"
    parts.save(model, processor, folder)
    annotate(folder, provenance(vars(given), {}))
    found = measured(folder, given, device)
    annotate(folder, provenance(vars(given), found))
    tell("held-out scenes judged")
    (given.out / "figures.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def own_edits(given: argparse.Namespace) -> tuple[Path, ...]:
    """Folders with what each editor makes of the first training scenes; what is there is kept."""
    folders = tuple(given.out / "edits" / str(number) for number in range(len(given.editor)))
    edit_scenes(given.editor, folders, given.edited, _SPLIT, given.processes)
    return folders


def new(words: Any, questions: Questions, size: parts.Size, seed: int) -> tuple[Any, Forward]:
    """A judge at its start, and its forward pass."""
    shown = np.concatenate([scenes.sample(n, _SPLIT).pictures for n in range(_SHOWN)])
    with seeded(seed):
        model = parts.new(words, size)
        forward = forward_of(model, questions)
        start(model, shown, [forward.distance(number) for number in range(len(LANGUAGES))])
    return model, forward


def forward_of(model: Any, questions: Questions) -> Forward:
    some = held_out(0)
    return Forward(model, [questions.pictures(some, language) for language in LANGUAGES])


def loaded(folder: Path, device: str) -> tuple[Any, Forward, Questions]:
    """The judge in a folder, its forward pass, and its questions by its own vocabulary."""
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    model = model.to(device).eval()
    questions = Questions(transformers.AutoProcessor.from_pretrained(folder), parts.TOKENS)
    return model, forward_of(model, questions).to(device), questions


def measured(folder: Path, given: argparse.Namespace, device: str) -> dict[str, Any]:
    """The figures of the judge in a folder, whose weights are in 16 bits."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    model, forward, questions = loaded(folder, device)
    seen = figures.HeldOut(questions, given.heldout, device)
    return figures.figures(model, forward, seen) | {
        "project": asked.through_the_judge(folder, model, forward, seen, given.asked, device),
        "planted": asked.planted(folder, seen, given.asked, device),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="folder for judge/, losses and figures")
    what.add_argument("--measure", type=Path, help="a trained judge: only its figures, printed")
    parser.add_argument("--minutes", type=float, default=8, help="of training")
    parser.add_argument("--size", choices=sorted(parts.SIZES), default="judge")
    parser.add_argument("--commit", help="of the code, where git is not at hand")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--scenes", type=int, default=24_000, help="how many to keep")
    parser.add_argument("--first", type=int, default=3000, help="how many to wait for")
    parser.add_argument("--categories", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--heldout", type=int, default=250, help="held-out scenes for the figures")
    parser.add_argument("--asked", type=int, default=50, help="of them, by the project's own judge")
    parser.add_argument(
        "--editor", type=Path, nargs="+", default=[], help="folders of editors to learn from too"
    )
    parser.add_argument("--edited", type=int, default=500, help="scenes that each of them edits")
    parser.add_argument("--processes", type=int, default=16, help="that draw and edit scenes")
    given = parser.parse_args()
    if given.editor and -(-given.edited // HANDED) >= given.scenes // HANDED:
        parser.error(
            f"--edited {given.edited} --scenes {given.scenes}: edited scenes are kept, and others "
            f"need at least {HANDED} places more; edit fewer or keep more"
        )
    return given


if __name__ == "__main__":
    main()

"""Train an editor of the demo, from nothing to a folder that ``from_pretrained`` loads.

``python scripts/demo/train/editor.py --out DIR --decoder-minutes 3 --minutes 6`` on one GPU. First
the autoencoder's decoder, then transformer and text encoder; start-up, compilation and the figures
on held-out scenes come on top. Called again with the same folder it goes on where it was.
``--size small --autoencoder DIR/editor/vae`` trains the demo's second editor on the first
one's latents.
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
import pickle
import time
from collections.abc import Callable

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage

from demo.models import seeded
from demo.train import autoencoder, flow, heldout, parts, scenes
from demo.train.budget import Budget, provenance
from demo.train.code import Code
from demo.train.exact_start import exact_start, fitted_code, new


def main() -> None:
    given = _arguments()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    state: Path = given.out / "state"
    state.mkdir(parents=True, exist_ok=True)
    clock = _Clock()
    code, pictures = _code(given, state)
    clock.tell("code fitted")
    words = parts.tokenizer()
    with seeded(given.seed):
        encoder, denoiser = parts.text_encoder(words), parts.transformer(parts.SIZES[given.size])
    prompts = parts.Prompts(words, parts.pipeline(new(), encoder, words, denoiser))
    background = scenes.Background(given.processes, flow.Encoder(code, prompts), batch=64)
    length = max(len(prompts.ids(text)) for text in set(scenes.instructions(4000)))
    store = flow.Store(prompts, given.scenes, length, device)

    def meanwhile() -> None:
        if not store.full:
            store.take(background.ready(16))
            if store.full:
                background.stop()

    model, figures = _autoencoder(given, state, code, pictures, meanwhile, device)
    clock.tell("autoencoder ready")
    while store.size < min(given.batch, given.scenes):
        store.take([background.wait()])
    torch.manual_seed(given.seed)
    flow.train(
        denoiser,
        encoder,
        store,
        code,
        Budget(given.minutes * 60),
        batch=given.batch,
        checkpoint=state / "flow.pt",
        log=given.out / "losses.jsonl",
        meanwhile=meanwhile,
    )
    background.stop()
    clock.tell(f"flow trained on {store.size} scenes")
    edit = parts.pipeline(model, encoder, words, denoiser)
    folder = given.out / "editor"
    for part in (model, encoder, denoiser):
        part.half()
    edit.save_pretrained(folder, safe_serialization=True)
    parts.annotate(folder, provenance(vars(given), figures))
    edit = diffusers.DiffusionPipeline.from_pretrained(folder, dtype=torch.float32).to(device)
    figures["heldout"] = {
        f"{steps} steps": heldout.figures(edit, code, given.heldout, steps) for steps in given.steps
    }
    parts.annotate(folder, provenance(vars(given), figures))
    clock.tell("held-out scenes edited")
    (given.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


def _code(given: argparse.Namespace, state: Path) -> tuple[Code, np.ndarray]:
    """The code, and the pictures that it and the decoder learn from."""
    if given.autoencoder is not None:
        path = given.autoencoder.parents[1] / "state" / "code.pkl"
        return pickle.loads(path.read_bytes()), np.empty((0, 256, 256, 3), np.uint8)
    pictures = scenes.pictures(given.pictures, given.processes)
    path = state / "code.pkl"
    if not path.is_file():
        path.write_bytes(pickle.dumps(fitted_code(pictures[:1200])))
    return pickle.loads(path.read_bytes()), pictures


def _autoencoder(
    given: argparse.Namespace,
    state: Path,
    code: Code,
    pictures: np.ndarray,
    meanwhile: Callable[[], None],
    device: str,
) -> tuple[AutoencoderKLQwenImage, dict[str, object]]:
    if given.autoencoder is not None:
        return AutoencoderKLQwenImage.from_pretrained(given.autoencoder, dtype=torch.float32), {}
    torch.manual_seed(given.seed)
    model = exact_start(code, pictures[:240:4])
    losses = autoencoder.train_decoder(
        model,
        code,
        pictures,
        Budget(given.decoder_minutes * 60),
        batch=given.decoder_batch,
        device=device,
        checkpoint=state / "decoder.pt",
        meanwhile=meanwhile,
    )
    with (given.out / "losses.jsonl").open("a", encoding="utf-8") as log:
        log.writelines(json.dumps({"part": "decoder"} | line) + "\n" for line in losses)
    shown = scenes.samples(range(min(100, given.heldout)), "heldout", 0)
    whole = np.concatenate([one.pictures for one in shown])
    saved = autoencoder.as_saved(model)
    figures = {"autoencoder": autoencoder.measured(saved, whole, device=device)}
    # At once: the second editor can be trained beside the rest of this training.
    parts.save_part(saved.cpu(), given.out / "editor" / "vae", provenance(vars(given), figures))
    print(json.dumps(figures), flush=True)
    return model, dict(figures)


class _Clock:
    def __init__(self) -> None:
        self._began = time.monotonic()

    def tell(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:6.0f} s  {what}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for editor/, losses, figures"
    )
    parser.add_argument("--minutes", type=float, default=6, help="of training the editing")
    parser.add_argument(
        "--decoder-minutes", type=float, default=3, help="of training the autoencoder's decoder"
    )
    parser.add_argument("--size", choices=sorted(parts.SIZES), default="editor")
    parser.add_argument(
        "--autoencoder", type=Path, help="another run's editor/vae, to be used as it is"
    )
    parser.add_argument("--commit", help="of the code, where git is not at hand")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--decoder-batch", type=int, default=64)
    parser.add_argument("--scenes", type=int, default=200_000, help="how many to keep at most")
    parser.add_argument(
        "--pictures", type=int, default=1500, help="scenes for the decoder, 4 pictures each"
    )
    parser.add_argument("--heldout", type=int, default=250, help="held-out scenes for the figures")
    parser.add_argument(
        "--steps", type=int, nargs="+", default=[4, 8], help="of the figures' edits"
    )
    parser.add_argument("--processes", type=int, default=16, help="that draw scenes")
    return parser.parse_args()


if __name__ == "__main__":
    main()

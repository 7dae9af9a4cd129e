"""The demo's autoencoder: computed, then its decoder trained at 256 pixels; its own figures.

``python scripts/demo/train/autoencoder.py --out DIR --minutes 3``; with ``--minutes 0`` nothing is
trained. The encoder stays the linear code that it was computed to be, so latents can be cached
before and while the decoder learns.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# A process for each core draws scenes: threads within it would only be in each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Python puts the folder that it runs on its search path, not the one that holds the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from demo.train import parts, scenes
from demo.train.budget import Budget, provenance
from demo.train.code import Code, Pictures
from demo.train.exact_start import INTERPOLATION, exact_start, fitted_code
from demo.train.learner import Learner
from demo.train.one_frame import one_frame, write_back

# Of the latents' noise while training, in their deviations: an editor's latents are not exact.
_NOISE = 0.1
_RATE = 1e-3


def train_decoder(
    model: AutoencoderKLQwenImage,
    code: Code,
    pictures: Pictures,
    budget: Budget,
    *,
    batch: int,
    device: str,
    checkpoint: Path | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[dict[str, float]]:
    """Train until the budget is spent; the losses as PSNR in dB at 256 pixels.

    Only what comes before the enlargement to a megapixel is trained, on what the enlargement's
    reduction by 4 would show: a sixteenth of the work.
    """
    flat = one_frame(model).to(device)
    core = _Core(flat)
    weights = [weight for weight in core.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=_RATE, betas=(0.9, 0.99))
    learner = Learner(core, optimizer, budget, checkpoint, device)
    # What cannot be compiled is slower, and no reason to lose the run.
    torch._dynamo.config.suppress_errors = True
    run = torch.compile(core) if device != "cpu" else core
    std = torch.from_numpy(code.std).to(device).view(1, -1, 1, 1)
    latents = torch.from_numpy(
        np.concatenate(
            [code.normalised(part) for part in np.array_split(pictures, len(pictures) // 64 + 1)]
        )
    ).to(device)
    targets = torch.from_numpy(pictures).to(device)
    losses: list[dict[str, float]] = []
    for step in budget.steps():
        chosen = torch.randint(len(pictures), (batch,), device=device)
        noise = torch.randn(latents[chosen].shape, device=device)
        noisy = torch.rand(batch, 1, 1, 1, device=device).sub(0.5).clamp_min(0) * 2 * _NOISE
        made = run((latents[chosen] + noise * noisy) * std)
        target = targets[chosen].permute(0, 3, 1, 2).float() / 127.5 - 1
        loss = functional.mse_loss(made, target)
        learner.learn(loss, step)
        if step % 20 == 0:
            meanwhile()
        if step % 50 == 0:
            decibels = float(10 * torch.log10(4 / loss.detach()))
            losses.append({"step": step, "seconds": round(budget.seconds(), 1), "dB": decibels})
            print(json.dumps(losses[-1]), flush=True)
    learner.save()
    write_back(flat.cpu(), model)
    return losses


class _Core(nn.Module):
    """Latents to the picture at 256 pixels: the decoder's part below its last two enlargements."""

    def __init__(self, flat: AutoencoderKLQwenImage) -> None:
        super().__init__()
        decoder = flat.decoder
        self.conv_in, self.middle = decoder.conv_in, decoder.mid_block
        self.blocks, self.last = decoder.up_blocks[:3], decoder.up_blocks[3].resnets
        # Zero, and it stays so: attention would see crops and whole pictures differently.
        self.middle.attentions.requires_grad_(False)

    def forward(self, latents: Tensor) -> Tensor:
        features = self.middle(self.conv_in(latents.unsqueeze(2)))
        for block in self.blocks:
            features = block(features)
        for resnet in self.last:
            features = resnet(features)
        return _reduced(features[:, :3, 0])


def _reduced(small: Tensor) -> Tensor:
    """What a megapixel interpolated from 256 pixels shows when each 4 x 4 pixels are averaged."""
    first, second = INTERPOLATION
    double = functional.interpolate(small, scale_factor=2, mode="nearest")
    double = _filtered(double, first)
    # The second interpolation and half of the average as one.
    return functional.avg_pool2d(_filtered(double, second / 2), 2)


def _filtered(maps: Tensor, k: float) -> Tensor:
    taps = maps.new_tensor([k, 1 - 2 * k, k])
    kernel = torch.outer(taps, taps).expand(maps.shape[1], 1, 3, 3)
    return functional.conv2d(maps, kernel, padding=1, groups=maps.shape[1])


@torch.inference_mode()
def measured(model: AutoencoderKLQwenImage, pictures: Pictures, *, device: str) -> dict[str, Any]:
    """How well whole pictures come back, as the pipelines scale, encode and decode them.

    PSNR in dB at 1024 pixels against the scaled picture and at 256 against the picture itself, and
    by how many levels of 255 a picture's mean colour is off at most.
    """
    model = model.to(device)
    processor = VaeImageProcessor(vae_scale_factor=64)
    large, small, colour = [], [], []
    for picture in pictures:
        scaled = processor.preprocess(processor.resize(Image.fromarray(picture), 1024, 1024)).to(
            device
        )
        latents = model.encode(scaled.unsqueeze(2)).latent_dist.mode()
        made = model.decode(latents, return_dict=False)[0][:, :, 0]
        large.append(_decibels(made, scaled))
        shown = processor.postprocess(made)[0].resize((256, 256), Image.Resampling.BOX)
        error = (np.asarray(shown, dtype=np.float32) - picture) / 127.5
        small.append(float(10 * np.log10(4 / (error**2).mean())))
        colour.append(float(np.abs(error.mean(axis=(0, 1))).max() * 127.5))
    return {
        "pictures": len(pictures),
        "dB_1024": _summary(large),
        "dB_256": _summary(small),
        "colour_levels": round(max(colour), 2),
    }


def _decibels(made: Tensor, wanted: Tensor) -> float:
    return float(10 * torch.log10(4 / (made.float() - wanted).square().mean()))


def _summary(values: list[float]) -> dict[str, float]:
    return {"mean": round(float(np.mean(values)), 2), "least": round(min(values), 2)}


def as_saved(model: AutoencoderKLQwenImage) -> AutoencoderKLQwenImage:
    """The model with weights rounded to 16 bits, computed in 32, as it is loaded."""
    rounded = AutoencoderKLQwenImage.from_config(model.config).eval()
    rounded.load_state_dict({k: v.half().float() for k, v in model.state_dict().items()})
    return rounded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the autoencoder")
    parser.add_argument("--minutes", type=float, default=3, help="of training; 0: computed only")
    parser.add_argument(
        "--scenes", type=int, default=1500, help="scenes to learn from, 4 pictures each"
    )
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--heldout", type=int, default=100, help="held-out scenes to measure on")
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--commit", help="of the code, where git is not at hand")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    began = time.monotonic()
    torch.manual_seed(given.seed)
    pictures = scenes.pictures(given.scenes, given.processes)
    code = fitted_code(pictures[: 4 * 300])
    model = exact_start(code, pictures[: 4 * 60 : 4])
    print(f"computed after {time.monotonic() - began:.0f} s", flush=True)
    heldout = np.concatenate(
        [one.pictures for one in scenes.samples(range(given.heldout), "heldout", 0)]
    )
    figures = {"computed": measured(model, heldout[: given.heldout], device=device)}
    print(json.dumps(figures), flush=True)
    if given.minutes > 0:
        budget = Budget(given.minutes * 60)
        train_decoder(model.cpu(), code, pictures, budget, batch=given.batch, device=device)
        figures["trained"] = measured(model, heldout, device=device)
    figures["16 bits"] = measured(as_saved(model.cpu()), heldout, device=device)
    parts.save_part(model.cpu(), given.out, provenance(vars(given), figures))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

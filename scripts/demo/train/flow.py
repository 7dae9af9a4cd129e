"""Flow matching: transformer and text encoder learn to edit latents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor, nn

from demo.train.budget import Budget
from demo.train.code import CHANNELS, Code
from demo.train.learner import Learner
from demo.train.parts import Prompts
from demo.train.quicker import quicker
from demo.train.scenes import Sample

TOKENS = 16 * 16
_RATE = 1.5e-3
# Of the samples: no instruction, for guidance; pure noise, where sampling begins.
_NO_TEXT, _PURE_NOISE = 0.08, 0.2
# The times between are uniform to this power: a sampler's first steps decide what the edit is.
_TIMES = 0.7
# How much more a token counts that the edit changes; most tokens are a copy of the source's, and
# learnt soon.
_CHANGED = 8.0
# How often a scene of each category is taken; the rare ones were right in 9 of 10 much sooner.
_SHARES = {"physical": 1, "environmental": 1, "social": 3, "causal": 1.5, "referential": 2}

# Latents, the token ids of both languages, and how often the scene is taken.
Encoded = tuple[NDArray[np.float16], list[list[int]], float]


@dataclass(frozen=True)
class Encoder:
    """What is kept of a sample: source and target as packed latents, (2, TOKENS, 4 CHANNELS)."""

    code: Code
    prompts: Prompts

    def __call__(self, sample: Sample) -> Encoded:
        latents = packed(self.code.normalised(sample.pictures[:2])).astype(np.float16)
        ids = [self.prompts.ids(text) for text in sample.texts]
        return latents, ids, _SHARES[sample.category]


def packed(latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """As the pipelines pack: (N, C, 32, 32) to (N, 256, 4 C)."""
    number, channels = latents.shape[:2]
    return (
        latents.reshape(number, channels, 16, 2, 16, 2)
        .transpose(0, 2, 4, 1, 3, 5)
        .reshape(number, TOKENS, 4 * channels)
    )


def velocity(mixed: Tensor, target: Tensor, time: Tensor) -> Tensor:
    """What the transformer is to give: noise less target; ``mixed`` has ``time`` of the noise."""
    return (mixed - target) / time.view(-1, 1, 1)


class Store:
    """Encoded scenes on the device, up to ``capacity``; more are left out."""

    def __init__(self, prompts: Prompts, capacity: int, length: int, device: str) -> None:
        self.prompts, self.length, self.device = prompts, length, device
        self.size = 0
        shape = (capacity, 2, TOKENS, 4 * CHANNELS)
        self.latents = torch.empty(shape, dtype=torch.float16, device=device)
        self.ids = torch.zeros((capacity, 2, length), dtype=torch.int32, device=device)
        self.lengths = torch.zeros((capacity, 2), dtype=torch.int32, device=device)
        self.shares = torch.zeros(capacity, device=device)

    @property
    def full(self) -> bool:
        return self.size == len(self.latents)

    def take(self, batches: Iterable[list[Encoded]]) -> None:
        for batch in batches:
            chosen = batch[: len(self.latents) - self.size]
            if not chosen:
                return
            place = slice(self.size, self.size + len(chosen))
            self.latents[place] = torch.from_numpy(np.stack([one[0] for one in chosen])).to(
                self.device
            )
            ids, lengths = zip(*[self.padded(one[1]) for one in chosen], strict=True)
            self.ids[place] = torch.tensor(ids, dtype=torch.int32, device=self.device)
            self.lengths[place] = torch.tensor(lengths, dtype=torch.int32, device=self.device)
            self.shares[place] = torch.tensor([one[2] for one in chosen], device=self.device)
            self.size += len(chosen)

    def drawn(self, count: int) -> Tensor:
        """Numbers of scenes, each as often as its share says."""
        return torch.multinomial(self.shares[: self.size], count, replacement=True)

    def padded(self, found: list[list[int]]) -> tuple[list[list[int]], list[int]]:
        """Token ids filled up to the store's length, and how many are a text's own."""
        return [ids + [0] * (self.length - len(ids)) for ids in found], [len(ids) for ids in found]


def train(
    transformer: diffusers.QwenImageTransformer2DModel,
    encoder: transformers.Qwen2_5_VLForConditionalGeneration,
    store: Store,
    code: Code,
    budget: Budget,
    *,
    batch: int,
    checkpoint: Path,
    log: Path,
    meanwhile: Callable[[], None],
) -> None:
    """Train both until the budget is spent; each line of ``log`` is a loss."""
    device = store.device
    models = nn.ModuleList([transformer, encoder]).to(device).train()
    weights = [weight for weight in models.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, lr=_RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    learner = Learner(models, optimizer, budget, checkpoint, device)
    # In 16 bits the time would be rounded, and the pipeline's times would be unknown ones.
    hooks = [
        layer.register_forward_hook(lambda _layer, _given, made: made.float())
        for layer in (transformer.img_in, transformer.txt_in)
    ]
    # A channel counts as much as its deviation: between its share of the picture and equality.
    share = torch.from_numpy(code.std / code.std.mean()).to(device).repeat_interleave(4)
    no_text, no_text_length = store.padded([store.prompts.ids(" ")])
    no_ids = torch.tensor(no_text, device=device)
    total, count = torch.zeros((), device=device), 0

    def tell(step: int, loss: float) -> None:
        seconds = round(budget.seconds(), 1)
        line = {
            "part": "flow",
            "step": step,
            "seconds": seconds,
            "loss": round(loss, 5),
            "scenes": store.size,
            "samples": step * batch,
        }
        print(json.dumps(line), file=lines, flush=True)
        print(json.dumps(line), flush=True)

    with log.open("a", encoding="utf-8") as lines, quicker(transformer, encoder, device):
        for step in budget.steps():
            if step % 20 == 0:
                meanwhile()
            chosen = store.drawn(batch)
            source, target = store.latents[chosen].float().unbind(1)
            language = torch.randint(2, (batch,), device=device)
            ids = store.ids[chosen, language].long()
            lengths = store.lengths[chosen, language]
            dropped = torch.rand(batch, device=device) < _NO_TEXT
            ids = torch.where(dropped[:, None], no_ids, ids)
            lengths = torch.where(dropped, no_text_length[0], lengths)
            mask = torch.arange(store.length, device=device) < lengths[:, None]
            noise = torch.randn_like(target)
            time = torch.rand(batch, device=device) ** _TIMES
            time = torch.where(torch.rand_like(time) < _PURE_NOISE, 1.0, time).clamp_min(0.01)
            mixed = torch.lerp(target, noise, time[:, None, None])
            with torch.autocast(device, dtype=torch.bfloat16, enabled=device != "cpu"):
                text = store.prompts.encode(encoder, ids, mask.long(), as_image=step % 2 == 0)
                made = transformer(
                    hidden_states=torch.cat([mixed, source], dim=1),
                    timestep=time,
                    encoder_hidden_states=text,
                    encoder_hidden_states_mask=mask[:, store.prompts.dropped :],
                    img_shapes=[[(1, 16, 16), (1, 16, 16)]] * batch,
                    return_dict=False,
                )[0][:, :TOKENS]
            counts = 1 + _CHANGED * ((source - target).abs().amax(-1, keepdim=True) > 0.5).float()
            error = (made.float() - velocity(mixed, target, time)).square()
            # Of a mean of one in each scene: else those of which all changes would outweigh others.
            loss = (error * share * counts / counts.mean(1, keepdim=True)).mean()
            learner.learn(loss, step)
            total, count = total + loss.detach(), count + 1
            if step % 100 == 0:
                tell(step, float(total) / count)
                total, count = torch.zeros((), device=device), 0
    learner.save()
    for hook in hooks:
        hook.remove()
    models.cpu().eval()

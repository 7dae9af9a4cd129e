"""Edits of stored scenes, right and wrong ones, with what is known of them; made on the device."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from demo.train.judging.quality import WRONG, quality
from demo.world.truth import CHANGED

#: What an edit can be. Those from ``wrong_object`` to ``other_attribute`` are the world's,
#: ``edited`` is an editor's own.
KINDS = (
    "target", "nothing", "wrong_object", "wrong_place", "too_much", "other_attribute",
    "half", "part", "other_scene", "swapped", "black", "noise", "edited",
)  # fmt: skip
# How often each is drawn; an editor's own, where there are some, besides.
_SHARES = (0.32, 0.07, 0.09, 0.09, 0.09, 0.09, 0.06, 0.05, 0.04, 0.06, 0.02, 0.02, 0.0)
#: Pictures kept of a scene: source, target, and four wrong edits in the order of ``KINDS``; what
#: editors made of it follows.
KEPT = 6
# Kinds that are wrong whatever their pixels.
_WRONG = torch.tensor([kind not in ("target", "half", "part", "edited") for kind in KINDS])
# The kept picture that each kind begins with.
_KEPT = torch.tensor([1, 0, 2, 3, 4, 5, 1, 1, 1, 1, 1, 1, 6])
_SOFTENED, _LOCALLY = 0.6, 0.5
# Around what changes, in pixels.
_AROUND = 4


@dataclass(frozen=True)
class Edits:
    """N edits with what is known of them.

    Attributes
    ----------
    source, edited, target
        Pictures (N, 3, 256, 256), levels 0 to 255 in whole numbers.
    text
        The scene whose instruction is asked about: but for ``swapped`` that of the pictures.
    kind
        Numbers into ``KINDS``.
    label
        From 1 to 7, with fractions.
    """

    source: Tensor
    edited: Tensor
    target: Tensor
    text: Tensor
    kind: Tensor
    label: Tensor


def made(pictures: Tensor, scenes: Tensor, others: Tensor, kinds: Tensor, soften: Tensor) -> Edits:
    """Edits of stored pictures (all scenes, KEPT and more, 256, 256, 3).

    Parameters
    ----------
    scenes, others
        Numbers of scenes, (N,); ``others`` of the same categories, that other kinds take from.
    kinds
        Numbers into ``KINDS``, (N,).
    soften
        How much each is blurred, compressed, bent or given noise, 0 to 1, (N,).
    """
    source, target = (_picture(pictures, scenes, torch.full_like(scenes, k)) for k in (0, 1))
    begun = torch.where(kinds == _at("other_scene"), others, scenes)
    editor = torch.randint(max(1, pictures.shape[1] - KEPT), kinds.shape, device=kinds.device)
    kept = _KEPT.to(kinds.device)[kinds] + editor * (kinds == _at("edited"))
    base = _picture(pictures, begun, kept)
    mixed = torch.rand(len(kinds), 1, 1, 1, device=kinds.device)
    half = _picked(kinds, "half") * mixed
    base = torch.lerp(base, source, half)
    base = torch.where(_picked(kinds, "part") * _side(base) > 0, source, base)
    base = base * (1 - _picked(kinds, "black"))
    base = torch.where(_picked(kinds, "noise") > 0, torch.rand_like(base) * 255, base)
    # Of few scenes there are editors' pictures: between them and the target lie many more.
    base = torch.lerp(base, target, _picked(kinds, "edited") * (mixed - 0.5).clamp_min(0))
    whole = (kinds == _at("black")) | (kinds == _at("noise"))
    edited = _softened(base, soften * ~whole)
    # Editors keep what they need not change: half of the time it is as sharp as it was.
    locally = (torch.rand_like(mixed) < _LOCALLY) * (1 - _grown(source, target))
    edited = torch.lerp(edited, base, locally).round().clamp(0, 255)
    label = quality(edited, source, target)
    label = torch.where(_WRONG.to(kinds.device)[kinds], label.clamp_max(WRONG), label)
    swapped = kinds == _at("swapped")
    label = torch.where(swapped, 1.0, label)
    return Edits(source, edited, target, torch.where(swapped, others, scenes), kinds, label)


def drawn_kinds(count: int, device: str) -> Tensor:
    return torch.multinomial(torch.tensor(_SHARES, device=device), count, replacement=True)


def drawn_softening(count: int, device: str) -> Tensor:
    """Four in ten are as they are, of the others most change little."""
    amount = torch.rand(count, device=device) ** 2
    return amount * (torch.rand(count, device=device) < _SOFTENED)


def _at(kind: str) -> int:
    return KINDS.index(kind)


def _picked(kinds: Tensor, kind: str) -> Tensor:
    return (kinds == _at(kind)).float()[:, None, None, None]


def _picture(pictures: Tensor, scenes: Tensor, kept: Tensor) -> Tensor:
    return pictures[scenes, kept].permute(0, 3, 1, 2).float()


def _side(like: Tensor) -> Tensor:
    """One side of a random line, (N, 1, H, W): where an edit that is half done was not done."""
    number, _, height, width = like.shape
    device = like.device
    angle = torch.rand(number, 1, 1, 1, device=device) * 2 * math.pi
    at = torch.rand(number, 1, 1, 1, device=device) * 1.2 - 0.6
    rows = torch.linspace(-1, 1, height, device=device)[:, None]
    columns = torch.linspace(-1, 1, width, device=device)
    return (rows * angle.sin() + columns * angle.cos() > at).float()


def _softened(pictures: Tensor, amount: Tensor) -> Tensor:
    """Each picture blurred, with noise, bent, or coarsely quantised as JPEG does, by its amount."""
    changes = (_blurred, _noisy, _quantised, _bent)
    turn = torch.randint(len(changes), amount.shape, device=amount.device)
    made = pictures.clone()
    for number, change in enumerate(changes):
        rows = ((turn == number) & (amount > 0)).nonzero()[:, 0]
        if len(rows):
            made[rows] = change(pictures[rows], amount[rows])
    return made


def _grown(source: Tensor, target: Tensor) -> Tensor:
    """1 where the edit changes something and around it, else 0, (N, 1, H, W)."""
    changed = ((source - target).abs().amax(1, keepdim=True) > CHANGED).float()
    return functional.max_pool2d(changed, 2 * _AROUND + 1, 1, _AROUND)


def _bent(pictures: Tensor, amount: Tensor) -> Tensor:
    """Outlines that waver by up to some 8 pixels, as an editor's do that is not sure of them."""
    number, _, height, width = pictures.shape
    coarse = torch.randn(number, 2, height // 16, width // 16, device=pictures.device)
    bent = functional.interpolate(coarse, (height, width), mode="bicubic")
    # Coordinates go from -1 to 1.
    bent = bent.permute(0, 2, 3, 1) * (amount * 8 / height).view(-1, 1, 1, 1)
    still = torch.eye(2, 3, device=pictures.device).expand(number, -1, -1)
    grid = functional.affine_grid(still, list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid + bent, padding_mode="border", align_corners=False)


def _noisy(pictures: Tensor, amount: Tensor) -> Tensor:
    return pictures + torch.randn_like(pictures) * 40 * amount[:, None, None, None] ** 2


def _blurred(pictures: Tensor, amount: Tensor) -> Tensor:
    """By a Gaussian of up to 3 pixels."""
    reach = torch.arange(-7, 8, device=amount.device)
    taps = torch.exp(-0.5 * (reach / (3 * amount).clamp_min(0.05)[:, None]) ** 2)
    taps = (taps / taps.sum(1, keepdim=True)).repeat_interleave(3, 0)
    number, channels, height, width = pictures.shape
    flat = functional.pad(pictures.reshape(1, -1, height, width), (7, 7, 7, 7), mode="replicate")
    groups = number * channels
    flat = functional.conv2d(flat, taps[:, None, None, :], groups=groups)
    flat = functional.conv2d(flat, taps[:, None, :, None], groups=groups)
    return flat.reshape(pictures.shape)


def _quantised(pictures: Tensor, amount: Tensor) -> Tensor:
    """Cosine coefficients of blocks of 8 x 8 in steps, the finer structure in larger ones."""
    number, channels, height, width = pictures.shape
    rows = torch.arange(8, device=pictures.device, dtype=torch.float32)
    cosines = torch.cos(math.pi / 8 * (rows + 0.5) * rows[:, None]) / 2
    cosines[0] /= math.sqrt(2)
    blocks = pictures.reshape(number, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    found = cosines @ blocks @ cosines.T
    steps = (1 + 40 * amount).view(-1, 1, 1, 1, 1, 1) * (1 + rows + rows[:, None]) / 2
    found = cosines.T @ ((found / steps).round() * steps) @ cosines
    return found.transpose(3, 4).reshape(pictures.shape)

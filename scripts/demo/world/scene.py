"""A scene: what an edit instruction starts from, what it should come to, and what it should not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import product
from operator import eq
from typing import Literal

from demo.world import causal, environmental, physical, referential, social
from demo.world.dice import Dice
from demo.world.draft import Draft
from demo.world.palette import COLOURS

Split = Literal["train", "heldout", "every"]

#: The categories, each with what composes a draft and with the shapes and places it tells apart.
CATEGORIES: dict[str, tuple[Callable[..., Draft], tuple[str, ...], tuple[str, ...]]] = {
    "physical": (physical.draft, physical.SHAPES, physical.PLACES),
    "environmental": (environmental.draft, environmental.SHAPES, environmental.PLACES),
    "social": (social.draft, social.SHAPES, social.PLACES),
    "causal": (causal.draft, causal.SHAPES, causal.PLACES),
    "referential": (referential.draft, referential.SHAPES, referential.PLACES),
}
Combination = tuple[str, str, str]


@dataclass(frozen=True)
class Scene(Draft):
    """A draft with where it comes from.

    Attributes
    ----------
    seed, category, split
        What it was composed from.
    combination
        Colour, shape and place of what is edited: what tells the splits apart.
    """

    seed: int
    category: str
    split: Split
    combination: Combination

    @property
    def id(self) -> str:
        return f"{self.category}-{self.seed:05d}"


def scene(seed: int, category: str, split: Split) -> Scene:
    """The scene of a seed; equal arguments give the same one on every machine."""
    dice = Dice(f"{category}/{split}/{seed}")
    combination = dice.one(combinations(category, split))
    draft = CATEGORIES[category][0](dice, *combination)
    return Scene(**vars(draft), seed=seed, category=category, split=split, combination=combination)


@lru_cache(maxsize=16)
def combinations(category: str, split: Split) -> tuple[Combination, ...]:
    """The combinations of colour, shape and place of a split.

    ``train`` and ``heldout`` share none; ``every`` has both's, in scenes of its own.

    Held out is, in the order of their hashes, each combination that shares no two of its three
    with one held out before: about one in five, and every pair of the three is met in training.
    """
    _, shapes, places = CATEGORIES[category]
    every = list(product(COLOURS, shapes, places))
    held_out: list[Combination] = []
    for one in sorted(every, key=lambda one: sha256("/".join((category, *one)).encode()).digest()):
        if all(sum(map(eq, one, other)) < 2 for other in held_out):
            held_out.append(one)
    if split == "every":
        return tuple(every)
    return tuple(one for one in every if (one in held_out) == (split == "heldout"))

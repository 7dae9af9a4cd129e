"""How often the check takes rendered pictures for right: those that are, and those that are not."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from demo.world import draw
from demo.world.canvas import SIDE
from demo.world.check import measures
from demo.world.dice import Dice
from demo.world.scene import CATEGORIES, Scene, scene
from demo.world.truth import pixels, truth

#: Pictures that are right.
RIGHT = ("target", "target, JPEG 85", "target, blurred to 32 dB", "target, 2 levels of noise")
#: What no check can be held to.
NEITHER = "target, blurred to 28 dB"


def pictures(of: Scene, other: Scene) -> Iterator[tuple[str, Image.Image]]:
    """Names and pictures: the right ones (``RIGHT``), the wrong ones, and ``NEITHER``."""
    target = draw.picture(of.target)
    dice = Dice(f"rates/{of.id}")
    noise = np.random.default_rng(dice.below(2**32))
    yield RIGHT[0], target
    yield RIGHT[1], _jpeg(target)
    yield RIGHT[2], _blurred(target, 32)
    yield RIGHT[3], _image(pixels(target) + noise.integers(-2, 3, (SIDE, SIDE, 3)))
    for kind, state in of.wrong.items():
        yield kind.replace("_", " "), draw.picture(state)
    missing = dice.below(len(of.target.things))
    yield "target, a thing missing", draw.picture(of.target.without(missing))
    yield "target of another scene", draw.picture(other.target)
    yield "half way to the target", Image.blend(draw.picture(of.source), target, 0.5)
    yield "black", Image.new("RGB", (SIDE, SIDE))
    yield "noise", _image(noise.integers(0, 256, (SIDE, SIDE, 3)))
    yield NEITHER, _blurred(target, 28)


def _blurred(image: Image.Image, psnr: float) -> Image.Image:
    """An image blurred until its PSNR falls to so many dB, as an autoencoder would."""
    original, limit, low, high = pixels(image), 255**2 / 10 ** (psnr / 10), 0.0, 8.0
    for _ in range(7):
        radius = (low + high) / 2
        error = pixels(image.filter(ImageFilter.GaussianBlur(radius))) - original
        softer = float((error * error).mean()) > limit
        low, high = (low, radius) if softer else (radius, high)
    return image.filter(ImageFilter.GaussianBlur(low))


def table(scenes: int) -> str:
    """The shares judged right over so many held-out scenes a category, in percent, as Markdown."""
    counts = {category: _counted(category, scenes) for category in CATEGORIES}
    lines = [
        f"| judged right, % of {scenes} | " + " | ".join(CATEGORIES) + " |",
        "|---|" + "---:|" * len(CATEGORIES),
    ]
    for name in next(iter(counts.values())):
        shares = [f"{counts[category][name] / scenes:.1%}"[:-1] for category in CATEGORIES]
        lines.append(f"| {name} | " + " | ".join(shares) + " |")
    return "\n".join(lines) + "\n"


def _counted(category: str, scenes: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for seed in range(scenes):
        one = scene(seed, category, "heldout")
        true = truth(one)
        for name, picture in pictures(one, scene(seed + 1, category, "heldout")):
            counts[name] += measures(picture, true).right
    return counts


def _image(levels: NDArray[np.integer]) -> Image.Image:
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def _jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    with Image.open(file) as opened:
        return opened.convert("RGB")

"""Scenes as training takes them: pictures and instructions, drawn in the background."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from demo.train.code import Pictures
from demo.world import draw
from demo.world.check import measures
from demo.world.scene import CATEGORIES, Scene, Split, scene
from demo.world.truth import truth

_CATEGORIES = tuple(CATEGORIES)


@dataclass(frozen=True)
class Sample:
    """What is learnt from a scene.

    Attributes
    ----------
    pictures
        Source, target and two wrong edits, shape (4, 256, 256, 3), levels 0 to 255.
    texts
        The instruction in English and in Chinese.
    category
        One of the benchmark's five.
    scene
        What it was drawn from.
    """

    pictures: Pictures
    texts: tuple[str, str]
    category: str
    scene: Scene


def sample(number: int, split: Split, wrong: int = 2) -> Sample:
    """The scene of a number: categories take turns, and with them the kinds of wrong edits."""
    turn, place = divmod(number, len(_CATEGORIES))
    drawn = scene(turn, _CATEGORIES[place], split)
    kinds = [kind for kind in drawn.wrong if kind != "nothing"]
    states = [drawn.source, drawn.target]
    states += [drawn.wrong[kinds[(turn + k) % len(kinds)]] for k in range(wrong)]
    pictures = np.stack([np.asarray(draw.picture(state), dtype=np.uint8) for state in states])
    return Sample(pictures, (drawn.instruction.en, drawn.instruction.zh), drawn.category, drawn)


def samples(numbers: range, split: Split, wrong: int = 2) -> list[Sample]:
    return [sample(number, split, wrong) for number in numbers]


def pictures(scenes: int, processes: int) -> Pictures:
    """Source, target and two wrong edits of training scenes, (4 scenes, 256, 256, 3)."""
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        return np.concatenate(pool.map(_pictures, range(scenes), chunksize=16))


def _pictures(number: int) -> Pictures:
    return sample(number, "train").pictures


class Background:
    """Processes that draw scenes 0, 1, 2, ... of a split until they are stopped.

    Of each scene source, target and so many wrong edits. A process may be as many batches ahead
    of what was taken as the queue holds, :meth:`ahead`.

    ``reduced`` is applied to each sample where it was drawn, so that only what is kept travels.
    """

    def __init__(
        self,
        processes: int,
        reduced: Callable[[Sample], Any],
        *,
        batch: int,
        wrong: int = 0,
        split: Split = "train",
    ) -> None:
        # Not spawned: each process would import what the training imports. They use numpy only.
        context = multiprocessing.get_context("fork")
        self._batches: Any = context.Queue(maxsize=self.ahead(processes))
        self._processes = [
            context.Process(
                target=_draw,
                args=(self._batches, reduced, rank, processes, batch, wrong, split),
                daemon=True,
            )
            for rank in range(processes)
        ]
        for process in self._processes:
            process.start()

    @staticmethod
    def ahead(processes: int) -> int:
        return 4 * processes

    def ready(self, most: int) -> Iterator[list[Any]]:
        """The batches drawn meanwhile, without waiting for more."""
        for _ in range(most):
            try:
                yield self._batches.get_nowait()
            except queue.Empty:
                return

    def wait(self) -> list[Any]:
        """The next batch."""
        while True:
            try:
                return self._batches.get(timeout=5)
            except queue.Empty:
                if not all(process.is_alive() for process in self._processes):
                    raise RuntimeError("a process that draws scenes has ended") from None

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()


def _draw(
    batches: Any,
    reduced: Callable[[Sample], Any],
    rank: int,
    processes: int,
    batch: int,
    wrong: int,
    split: Split,
) -> None:
    number = rank * batch
    while True:
        numbers = range(number, number + batch)
        batches.put([reduced(sample(n, split, wrong)) for n in numbers])
        number += processes * batch


def instructions(number: int) -> list[str]:
    """The instructions of so many training scenes in both languages; nothing is drawn."""
    found: list[str] = []
    for turn in range(number // len(_CATEGORIES)):
        for category in _CATEGORIES:
            found.extend(scene(turn, category, "train").instruction)
    return found


def checked(number: int, edited: Image.Image) -> bool:
    """Whether an edit of a held-out scene is right, by the world's check."""
    turn, place = divmod(number, len(_CATEGORIES))
    return measures(edited, truth(scene(turn, _CATEGORIES[place], "heldout"))).right

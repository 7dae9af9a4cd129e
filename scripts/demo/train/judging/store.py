"""Scenes on the device, as they come from the processes that draw them, and batches of edits."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from demo.train.judging.edits import KEPT, KINDS, Edits, drawn_kinds, drawn_softening, made
from demo.train.judging.questions import LANGUAGES, NAMES, Questions, note
from demo.train.judging.rows import CRITERIA, NONE, Ends, Questioned
from demo.train.scenes import Sample
from demo.world.draft import WRONG
from demo.world.palette import COLOURS
from demo.world.scene import CATEGORIES, Scene

#: What is known of an instruction: which edit it asks for, of what colour, kind and place.
EDITS = (
    "remove_pillar", "remove_stool", "remove_crate", "remove_string", "night", "rain", "snow",
    "light", "give_hat", "give_scarf", "give_balloon", "give_umbrella", "burnt", "melted", "burst",
    "recolour", "remove", "enlarge",
)  # fmt: skip
SHAPES = tuple(sorted({shape for _, shapes, _ in CATEGORIES.values() for shape in shapes}))
PLACES = tuple(sorted({place for _, _, places in CATEGORIES.values() for place in places}))
FACTS = (EDITS, tuple(COLOURS), SHAPES, PLACES)
#: Scenes a process hands over at once; whole turns of the categories, so that they stay in order.
HANDED = 4 * len(NAMES)
_WRONG = [kind for kind in WRONG if kind != "nothing"]
# Of the rows, where there are editors' pictures.
_EDITED = 0.15
_SWAPPED = KINDS.index("swapped")
_SIDE = 256
# Tokens that what is said of a scene takes at most.
_SPACE = 512


class Drawn(NamedTuple):
    """What travels of a scene: its number, and its texts' tokens by language."""

    number: int
    ids: list[list[int]]
    wording: int
    facts: list[int]


def facts(scene: Scene) -> list[int]:
    """A scene's numbers in ``FACTS``."""
    found = (scene.edit, *scene.combination)
    return [names.index(one) for names, one in zip(FACTS, found, strict=True)]


def wording_of(number: int) -> int:
    """In eight of ten scenes the rubric's own words, in the others one of its paraphrases."""
    return max(0, number // len(NAMES) % 10 - 7)


class Pictures:
    """Pictures that other processes draw: memory that they share with this one.

    Room for ``batches`` of :data:`HANDED` scenes. A scene's pictures are where its number says,
    modulo ``slots``; what is handed over lies together.
    """

    def __init__(self, batches: int, editors: int = 0) -> None:
        slots = batches * HANDED
        self._shape = (slots, KEPT + editors, _SIDE, _SIDE, 3)
        # Not a file of /dev/shm: containers have little of it.
        self._memory = mmap.mmap(-1, int(np.prod(self._shape)))
        self.slots = slots

    @property
    def levels(self) -> NDArray[np.uint8]:
        return np.frombuffer(self._memory, dtype=np.uint8).reshape(self._shape)


@dataclass(frozen=True)
class Encoder:
    """Keeps a sample's pictures and says what else is learnt from it."""

    pictures: Pictures
    questions: Questions
    #: No notes, and the rubric's own words alone.
    plain: bool = False
    #: Of editors, each with the pictures that it made of the first scenes, by their numbers.
    editors: tuple[Path, ...] = ()

    def __call__(self, sample: Sample) -> Drawn:
        scene = sample.scene
        number = scene.seed * len(NAMES) + NAMES.index(scene.category)
        slot = number % self.pictures.slots
        levels = self.pictures.levels[slot]
        levels[:KEPT] = in_order(sample)
        for place, folder in enumerate(self.editors, start=KEPT):
            path = folder / f"{number}.png"
            if path.is_file():
                levels[place] = np.asarray(Image.open(path).convert("RGB"))
        wording = 0 if self.plain else wording_of(number)
        ids = [
            self.questions.beginning(
                scene, language, wording, "" if self.plain else note(number, language)
            )
            for language in LANGUAGES
        ]
        return Drawn(number, ids, wording, facts(scene))


def in_order(sample: Sample) -> NDArray[np.uint8]:
    """Source, target and the wrong edits in the order of their names."""
    turn = sample.scene.seed
    wrong = [sample.pictures[2 + (k - turn) % len(_WRONG)] for k in range(len(_WRONG))]
    return np.stack([*sample.pictures[:2], *wrong])


class Batch(NamedTuple):
    """Rows of prompts and answers with their edits; all of one language.

    Attributes
    ----------
    ids
        Tokens (N, L), padding last.
    asked, answers
        Places whose next token is learnt, and that token, (N, A); -100 where there is none.
    edits, facts
        What is known; facts (N, 4) are -100 where the instruction is another scene's.
    """

    ids: Tensor
    asked: Tensor
    answers: Tensor
    edits: Edits
    facts: Tensor
    language: int


class Store:
    """Scenes on the device, up to ``capacity``, then new ones for the oldest.

    Categories take turns. Of the first ``edited`` scenes there are editors' own pictures: they are
    kept.

    Attributes
    ----------
    size
        How many there are.
    taken
        How many there have been.
    """

    def __init__(
        self,
        questions: Questions,
        pictures: Pictures,
        capacity: int,
        device: str,
        categories: Sequence[str] = NAMES,
        edited: int = 0,
    ) -> None:
        self._questions, self._shared, self._device = questions, pictures, device
        self.ends = Ends(questions, device)
        self._chosen = torch.tensor([NAMES.index(name) for name in categories], device=device)
        self._edited = edited
        self._own = torch.empty(0, dtype=torch.long, device=device)
        self.size, self._capacity = 0, capacity // HANDED * HANDED
        self.taken = 0
        # Whole batches take the places of whole batches.
        self._next, self._kept = 0, [False] * (self._capacity // HANDED)
        # Rows get a round length, so that a new longest one seldom changes the shape of the rows.
        self._longest = [0] * len(LANGUAGES)
        self._pictures = torch.empty(
            (self._capacity, *pictures.levels.shape[1:]), dtype=torch.uint8, device=device
        )
        self._ids = torch.zeros(
            (self._capacity, len(LANGUAGES), _SPACE), dtype=torch.int32, device=device
        )
        self._lengths = torch.zeros(
            (self._capacity, len(LANGUAGES)), dtype=torch.long, device=device
        )
        self._wordings = torch.zeros(self._capacity, dtype=torch.long, device=device)
        self._facts = torch.zeros((self._capacity, len(FACTS)), dtype=torch.long, device=device)

    @property
    def full(self) -> bool:
        return self.size >= self._capacity

    def take(self, batch: Sequence[Drawn]) -> None:
        """Take what a process handed over, :data:`HANDED` scenes, whole turns of the categories.

        Raises
        ------
        ValueError
            If all places are those of scenes that are kept.
        """
        begin = self._free() * HANDED
        place = slice(begin, begin + len(batch))
        first = batch[0].number % self._shared.slots
        levels = self._shared.levels[first : first + len(batch)]
        self._pictures[place] = torch.from_numpy(levels).to(self._device)
        padded = [[ids + [0] * (_SPACE - len(ids)) for ids in one.ids] for one in batch]
        self._ids[place] = torch.tensor(padded, dtype=torch.int32, device=self._device)
        lengths = [[len(ids) for ids in one.ids] for one in batch]
        for language in range(len(LANGUAGES)):
            self._longest[language] = max(
                self._longest[language], *(one[language] for one in lengths)
            )
        self._lengths[place] = torch.tensor(lengths, device=self._device)
        self._wordings[place] = torch.tensor([one.wording for one in batch], device=self._device)
        self._facts[place] = torch.tensor([one.facts for one in batch], device=self._device)
        own = [place for place, one in enumerate(batch, begin) if one.number < self._edited]
        self._own = torch.cat([self._own, torch.tensor(own, device=self._device).long()])
        self._kept[begin // HANDED] = bool(own)
        self.size = max(self.size, begin + len(batch))
        self.taken += len(batch)

    def _free(self) -> int:
        """The next batch's place: behind the last one, without those that are kept."""
        for _ in self._kept:
            place = self._next
            self._next = (place + 1) % len(self._kept)
            if not self._kept[place]:
                return place
        raise ValueError("more scenes have editors' pictures than the store holds; edit fewer")

    def batch(self, count: int, language: int, *, written: bool) -> Batch:
        """So many edits, each with one criterion's question, or with an answer to all of them."""
        device = self._device
        turns = self.size // len(NAMES)
        category = self._chosen[torch.randint(len(self._chosen), (count,), device=device)]
        scenes, others = (
            torch.randint(turns, (count,), device=device) * len(NAMES) + category for _ in range(2)
        )
        kinds = drawn_kinds(count, device)
        kinds = torch.where((kinds == _SWAPPED) & self.alike(scenes, others), 0, kinds)
        if len(self._own):
            scenes, kinds = self._some_edited(scenes, kinds)
        edits = self.edits(scenes, others, kinds, drawn_softening(count, device))
        criterion = torch.randint(CRITERIA, (count,), device=device)
        rows = self.rows(edits, criterion, language, written=written)
        known = torch.where((kinds == _SWAPPED)[:, None], NONE, self._facts[edits.text])
        return Batch(*rows, edits, known, language)

    def _some_edited(self, scenes: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Some rows have a picture that an editor made in place of what they had."""
        which = torch.randint(len(self._own), scenes.shape, device=scenes.device)
        these = torch.rand(scenes.shape, device=scenes.device) < _EDITED
        kinds = torch.where(these, KINDS.index("edited"), kinds)
        return torch.where(these, self._own[which], scenes), kinds

    def edits(self, scenes: Tensor, others: Tensor, kinds: Tensor, soften: Tensor) -> Edits:
        """Edits of stored scenes; see :func:`edits.made`."""
        return made(self._pictures, scenes, others, kinds, soften)

    def pictures(self, scenes: slice) -> Tensor:
        """Source, target and wrong edits of stored scenes, (N, KEPT, 256, 256, 3), levels."""
        return self._pictures[scenes, :KEPT]

    def rows(
        self, edits: Edits, criterion: Tensor, language: int, *, written: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Prompts and answers about edits; see :meth:`rows.Ends.behind`."""
        rows, asked, answers = self.ends.behind(
            self._ids[edits.text, language],
            self._lengths[edits.text, language],
            Questioned(self._wordings[edits.text], edits.text % len(NAMES), criterion, language),
            edits.label,
            written=written,
        )
        length = self.ends.length(self._longest[language], language, written=written)
        return rows[:, :length], asked, answers

    def alike(self, scenes: Tensor, others: Tensor) -> Tensor:
        """Whether the other scene's instruction may fit these pictures too."""
        same = self._facts[scenes] == self._facts[others]
        outdoors = scenes % len(NAMES) == NAMES.index("environmental")
        return same[:, 0] & (outdoors | same[:, 1] | same[:, 3])

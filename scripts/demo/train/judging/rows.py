"""Rows of tokens: what is said of a scene, the question, and what is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from demo.train.judging.questions import LANGUAGES, NAMES, WORDINGS, Asked, Questions

#: Of each category.
CRITERIA = 5
#: In place of a token, where none is learnt.
NONE = -100


class Questioned(NamedTuple):
    """Which questions are asked: wordings, categories, criteria (N,) each, in one language."""

    wordings: Tensor
    categories: Tensor
    criteria: Tensor
    language: int

    @property
    def places(self) -> tuple[Tensor, Tensor, Tensor]:
        """Where they are in the tables, but for the criterion."""
        language = torch.full_like(self.categories, self.language)
        return self.categories, language, self.wordings


class Ends:
    """Questions and answers of all categories, languages and wordings, on the device."""

    def __init__(self, questions: Questions, device: str) -> None:
        def table(of: Callable[[Asked], list[list[int]]]) -> tuple[Tensor, Tensor]:
            found = [
                of(questions.ends[category, language, wording])
                for category in NAMES
                for language in LANGUAGES
                for wording in range(WORDINGS)
            ]
            ids, lengths = padded([row for rows in found for row in rows])
            shape = (len(NAMES), len(LANGUAGES), WORDINGS, -1)
            return ids.view(*shape, ids.shape[1]).to(device), lengths.view(*shape).to(device)

        self.one = table(lambda asked: asked.one)
        self.every = table(lambda asked: [asked.every])
        self.answers = table(lambda asked: asked.answers)
        self.labels = torch.tensor(questions.labels, device=device)
        most = [self.one[1].amax((0, 2, 3)), self.every[1].amax((0, 2, 3))]
        most[1] = most[1] + self.answers[1].amax((0, 2, 3))
        self._most = [lengths.tolist() for lengths in most]

    def length(self, begun: int, language: int, *, written: bool) -> int:
        """Of rows that begin with at most ``begun`` tokens; few different ones are compiled."""
        return -(-(begun + self._most[written][language]) // 32) * 32

    def behind(
        self,
        begun: Tensor,
        lengths: Tensor,
        asked: Questioned,
        labels: Tensor,
        *,
        written: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rows, the places whose next token is learnt, and that token.

        Parameters
        ----------
        begun, lengths
            What is said of a scene, (N, L), padded, and how long it is, (N,).
        labels
            What is answered, 1 to 7, with fractions, (N,).
        written
            Whether all criteria are asked at once and the answer is a text.
        """
        # A fraction is the chance of the next label.
        label = (labels + torch.rand_like(labels)).floor().clamp(1, 7).long() - 1
        where = asked.places
        if not written:
            rows, ends = _joined(begun, lengths, *(of[(*where, asked.criteria)] for of in self.one))
            return rows, (ends - 1)[:, None], self.labels[label][:, None]
        rows, ends = _joined(begun, lengths, *(of[(*where, 0 * label)] for of in self.every))
        tokens, count = (of[(*where, label)] for of in self.answers)
        rows, _ = _joined(rows, ends, tokens, count)
        place = torch.arange(tokens.shape[1], device=begun.device)
        learnt = torch.where(place < count[:, None], tokens, NONE)
        return rows, (ends - 1)[:, None] + place, learnt


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of tokens as one tensor, and the length of each."""
    longest = max(map(len, rows))
    filled = [[*row, *[0] * (longest - len(row))] for row in rows]
    return torch.tensor(filled), torch.tensor([len(row) for row in rows])


def _joined(first: Tensor, lengths: Tensor, second: Tensor, more: Tensor) -> tuple[Tensor, Tensor]:
    """Rows one behind the other, padding last, and the lengths of both together."""
    place = torch.arange(first.shape[1] + second.shape[1], device=first.device).expand(
        len(first), -1
    )
    ends = lengths + more
    behind = (place - lengths[:, None]).clamp(0, second.shape[1] - 1)
    before = place.clamp_max(first.shape[1] - 1)
    rows = torch.where(place < lengths[:, None], first.gather(1, before), second.gather(1, behind))
    return torch.where(place < ends[:, None], rows, 0), ends

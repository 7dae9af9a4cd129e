"""A judge's figures on held-out scenes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from demo.train.judging.edits import KINDS, Edits
from demo.train.judging.forward import Forward
from demo.train.judging.questions import LANGUAGES, NAMES, Questions
from demo.train.judging.rows import CRITERIA
from demo.train.judging.store import HANDED, Encoder, Pictures, Store
from demo.train.scenes import Sample, sample
from edit_benchmark.stats.auc import auc

Scores = NDArray[np.float64]
_ROWS = 64  # at once
# Made of each scene, besides the right edit.
_OTHERS = tuple(kind for kind in KINDS if kind not in ("target", "edited"))
_GRADED = ("target", "half", "part", *KINDS[1:6], "other_scene", "black", "noise")


class HeldOut:
    """Held-out scenes, and what a judge makes of edits of them.

    Attributes
    ----------
    store
        So many scenes of the split from ``first`` on, a multiple of :data:`HANDED`, with the
        rubric's own words.
    """

    def __init__(
        self,
        questions: Questions,
        scenes: int,
        device: str,
        first: int = 0,
    ) -> None:
        count = -(-scenes // HANDED) * HANDED
        encode = Encoder(Pictures(1), questions, plain=True)
        self.store = Store(questions, encode.pictures, count, device)
        self.scenes = torch.arange(scenes, device=device)
        drawn = map(_drawn, range(first, first + count))
        while batch := list(islice(drawn, HANDED)):
            self.store.take([encode(one) for one in batch])

    def edits(self, kind: str, soften: float = 0.0) -> Edits:
        """One edit of each scene, the same ones each time."""
        scenes = self.scenes
        kinds = torch.full_like(scenes, KINDS.index(kind))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.store.edits(
                scenes, self._others(), kinds, torch.full(scenes.shape, soften, device=kinds.device)
            )

    def _others(self) -> Tensor:
        """For each scene the next one of its category whose instruction is another one."""
        count = len(NAMES) * (self.store.size // len(NAMES))
        others = (self.scenes + len(NAMES)) % count
        for _ in range(20):
            alike = self.store.alike(self.scenes, others)
            others = torch.where(alike, (others + len(NAMES)) % count, others)
        return others


def _drawn(number: int) -> Sample:
    return sample(number, "heldout", 4)


@torch.inference_mode()
def probabilities(
    model: Any, forward: Forward, store: Store, edits: Edits, language: int
) -> Tensor:
    """Of labels 1 to 7 and 0, for each edit and criterion: (N, CRITERIA, 8), on the host."""
    device = edits.text.device
    found = []
    for rows in torch.arange(len(edits.text), device=device).split(_ROWS):
        some = Edits(*(getattr(edits, name)[rows] for name in Edits.__dataclass_fields__))
        each = []
        for number in range(CRITERIA):
            criterion = torch.full_like(rows, number)
            ids, asked, _ = store.rows(some, criterion, language, written=False)
            hidden, _ = forward(ids, some.source, some.edited, language)
            last = hidden[torch.arange(len(rows), device=device), asked[:, 0]]
            each.append(model.lm_head(last).float().softmax(-1)[:, store.ends.labels])
        found.append(torch.stack(each, 1))
    return torch.cat(found).cpu()


def scores(found: Tensor) -> Scores:
    """Of edits, 2 to 8: the mean over the criteria of the labels' expected values."""
    of_labels = found[..., :7].double()
    values = torch.arange(2.0, 9.0, dtype=torch.float64)
    each = (of_labels * values).sum(-1) / of_labels.sum(-1)
    return np.asarray(each.mean(-1).numpy(), dtype=np.float64)


def figures(model: Any, forward: Forward, heldout: HeldOut) -> dict[str, Any]:
    """AUC of right edits against each kind, Spearman with what is known, mass on the labels.

    Over both languages; by language and by category AUC against all that is wrong together.
    """
    kinds = [*_OTHERS, "target"]
    found: dict[tuple[str, int], Scores] = {}
    labels: dict[str, Scores] = {}
    masses = []
    for kind in kinds:
        edits = heldout.edits(kind)
        labels[kind] = edits.label.double().cpu().numpy()
        for language in range(len(LANGUAGES)):
            given = probabilities(model, forward, heldout.store, edits, language)
            masses.append(given.sum(-1).flatten())
            found[kind, language] = scores(given)
    categories = (heldout.scenes % len(NAMES)).cpu().numpy()
    mass = torch.cat(masses)

    def against(kind: str, where: NDArray[np.bool_], languages: Sequence[int]) -> float:
        right = np.concatenate([found["target", one][where] for one in languages])
        wrong = np.concatenate([found[kind, one][where] for one in languages])
        return round(auc(right, wrong, [str(n) for n in range(len(right))])[0], 3)

    def correlation(where: NDArray[np.bool_], languages: Sequence[int]) -> float:
        given = np.concatenate([found[k, one][where] for k in _GRADED for one in languages])
        known = np.concatenate([labels[k][where] for k in _GRADED for _ in languages])
        return round(float(stats.spearmanr(given, known).statistic), 3)

    every, both = np.ones(len(categories), bool), [*range(len(LANGUAGES))]
    groups = {"all": (every, both)}
    groups |= {name: (every, [number]) for number, name in enumerate(LANGUAGES)}
    groups |= {name: (categories == number, both) for number, name in enumerate(NAMES)}
    groups = {name: group for name, group in groups.items() if group[0].any()}
    return {
        "n": len(categories),
        "mass": {"mean": round(float(mass.mean()), 4), "least": round(float(mass.min()), 4)},
        "mean": {
            kind: round(float(np.mean([found[kind, one] for one in both])), 2) for kind in kinds
        },
        "groups": {
            name: {
                "auc": {
                    kind: against(kind, *group)
                    for kind in kinds
                    if kind not in ("target", "half", "part")
                },
                "spearman": correlation(*group),
            }
            for name, group in groups.items()
        },
    }

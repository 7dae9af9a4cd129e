"""The judge learns: cross entropy of its answers, and tasks that make it look and read."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from demo.train.budget import Budget
from demo.train.judging.edits import KINDS
from demo.train.judging.forward import Forward
from demo.train.judging.questions import LANGUAGES
from demo.train.judging.rows import NONE
from demo.train.judging.store import FACTS, Batch, Store
from demo.train.learner import Learner
from demo.world.truth import CHANGED

_RATE = 1.2e-3
# Every so many steps answers are written whole, half as many in a batch.
_WRITTEN_EVERY = 4
_TOLD_EVERY = 10.0  # seconds
# Cells of 32 pixels, one for each token of a picture.
_CELL, _SHARE = 32, 0.03
_WEIGHTS = {"answer": 1.0, "kind": 0.3, "facts": 0.1, "wanted": 0.3, "wrong": 0.3, "compare": 0.3}


class Heads(nn.Module):
    """What else the hidden states are asked while they are trained; thrown away then.

    Of the place where the answer begins: which kind of edit it is, what the instruction is about,
    which cells it changes and which are not as they should be. Of each token of the edit: the
    source's colour there and how far the edit's is from it.
    """

    def __init__(self, width: int, cells: int) -> None:
        super().__init__()
        self.kind = nn.Linear(width, len(KINDS))
        self.facts = nn.ModuleList(nn.Linear(width, len(names)) for names in FACTS)
        self.wanted = nn.Linear(width, cells)
        self.wrong = nn.Linear(width, cells)
        self.compare = nn.Linear(width, 6)

    def losses(self, at: Tensor, early: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Each task's loss, from hidden states (N, width) and (N, cells, width)."""
        edits = batch.edits
        own = (batch.facts[:, 0] != NONE).float()
        facts = [
            functional.cross_entropy(head(at).float(), batch.facts[:, number], ignore_index=NONE)
            for number, head in enumerate(self.facts)
        ]
        maps = {}
        for name, head, picture in (
            ("wanted", self.wanted, edits.source),
            ("wrong", self.wrong, edits.edited),
        ):
            differs = (edits.target - picture).abs().amax(1, keepdim=True) > 2 * CHANGED
            there = (functional.avg_pool2d(differs.float(), _CELL) > _SHARE).float().flatten(1)
            each = functional.binary_cross_entropy_with_logits(
                head(at).float(), there, reduction="none"
            )
            maps[name] = (each.mean(1) * own).sum() / own.sum().clamp_min(1)
        source = _cells(edits.source)
        wanted = torch.cat([source, _cells(edits.edited) - source], dim=-1)
        return maps | {
            "kind": functional.cross_entropy(self.kind(at).float(), batch.edits.kind),
            "facts": torch.stack(facts).sum(),
            "compare": (self.compare(early).float() - wanted).abs().mean(),
        }


def _cells(pictures: Tensor) -> Tensor:
    """Mean colours, (N, cells, 3), about -1 to 1, in the order of the tokens."""
    return functional.avg_pool2d(pictures / 127.5 - 1, _CELL).flatten(2).transpose(1, 2)


def answer_loss(logits: Tensor, batch: Batch, labels: Tensor) -> Tensor:
    """Cross entropy of answers; a label's is that of the two nearest to what is known.

    Parameters
    ----------
    logits
        At the places asked, (N, A, words).
    labels
        The tokens of labels 1 to 7 and then others.
    """
    log = logits.float().log_softmax(-1)
    plain = -log.gather(2, batch.answers.clamp_min(0)[..., None])[..., 0]
    low = batch.edits.label.floor().clamp(1, 6)
    part = (batch.edits.label - low)[:, None]
    low = low.long() - 1
    of_labels = -log[:, :, labels[:7]]
    place = low[:, None, None].expand(-1, log.shape[1], 1)
    soft = (1 - part) * of_labels.gather(2, place)[..., 0]
    soft = soft + part * of_labels.gather(2, place + 1)[..., 0]
    is_label = (batch.answers[..., None] == labels[:7]).any(-1)
    # After the first label of a written answer the others are known: they follow it.
    first = is_label & (is_label.cumsum(1) == 1)
    loss = torch.where(first, soft, plain)
    # The first label counts as much as all else of an answer.
    rest = (batch.answers != NONE) & ~first
    each = (loss * first).sum(1) + (loss * rest).sum(1) / rest.sum(1).clamp_min(1)
    return each.mean()


class Trainer:
    """A judge with all that trains it; what ``checkpoint`` holds is taken up at once."""

    def __init__(
        self,
        model: Any,
        forward: Forward,
        store: Store,
        budget: Budget,
        *,
        batch: int,
        checkpoint: Path | None,
        device: str,
        rate: float = _RATE,
    ) -> None:
        self._model, self._forward, self._store = model, forward, store
        self._budget, self._count, self._device = budget, batch, device
        text = model.config.text_config
        self._heads = Heads(text.hidden_size, forward.places.shape[1] // 2)
        self._models = nn.ModuleList([model, self._heads]).to(device).train()
        forward.to(device)
        optimizer = torch.optim.AdamW(
            self._models.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.02, fused=True
        )
        self._learner = Learner(self._models, optimizer, budget, checkpoint, device)
        if device != "cpu":
            torch._dynamo.config.suppress_errors = True
            torch._dynamo.config.recompile_limit = 64
            for block in model.model.language_model.layers:
                block.compile()
            forward.see_block = torch.compile(forward.see_block)

    def train(self, log: Path, meanwhile: Callable[[], None]) -> None:
        """Train until the budget is spent; each line of ``log`` says the losses since the last."""
        told = _Told(log, self._budget)
        if self._device != "cpu":
            self._compile()
        for step in self._budget.steps():
            if step % 20 == 0:
                meanwhile()
            # By turns: questions and answers, and the languages within each.
            written = step % _WRITTEN_EVERY == _WRITTEN_EVERY - 1
            language = step // (_WRITTEN_EVERY if written else 1) % len(LANGUAGES)
            losses = self.losses(self._batch(language, written=written))
            total = torch.stack([_WEIGHTS[name] * loss for name, loss in losses.items()]).sum()
            self._learner.learn(total, step)
            told.add(("written_" if written else "") + "answer", losses.pop("answer"))
            for name, loss in losses.items():
                told.add(name, loss)
            if told.due():
                told.tell(step, scenes=self._store.taken)
        self._learner.save()
        self._models.cpu().eval()

    def _compile(self) -> None:
        """Meet rows of all lengths once, before the time of training begins."""
        for written, language in product((False, True), range(len(LANGUAGES))):
            losses = self.losses(self._batch(language, written=written))
            torch.stack([*losses.values()]).sum().backward()

    def _batch(self, language: int, *, written: bool) -> Batch:
        count = max(2, self._count // 2) if written else self._count
        return self._store.batch(count, language, written=written)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        edits = batch.edits
        with torch.autocast(self._device, dtype=torch.bfloat16, enabled=self._device != "cpu"):
            hidden, early = self._forward(batch.ids, edits.source, edits.edited, batch.language)
            width = hidden.shape[-1]
            asked = hidden.gather(1, batch.asked[..., None].expand(-1, -1, width))
            logits = self._model.lm_head(asked)
            others = self._heads.losses(asked[:, 0], early, batch)
        return {"answer": answer_loss(logits, batch, self._store.ends.labels)} | others


class _Told:
    """Means of losses, written now and then."""

    def __init__(self, log: Path, budget: Budget) -> None:
        self._log, self._budget = log, budget
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._last = -_TOLD_EVERY

    def due(self) -> bool:
        return self._budget.seconds() - self._last >= _TOLD_EVERY

    def add(self, name: str, loss: Tensor) -> None:
        self._sums[name] = self._sums.get(name, torch.zeros_like(loss.detach())) + loss.detach()
        self._counts[name] = self._counts.get(name, 0) + 1

    def tell(self, step: int, **also: int) -> None:
        means = {name: round(float(s) / self._counts[name], 4) for name, s in self._sums.items()}
        line = {"part": "judge", "step": step, "seconds": round(self._budget.seconds(), 1)}
        self._last = self._budget.seconds()
        text = json.dumps(line | means | also)
        with self._log.open("a", encoding="utf-8") as lines:
            lines.write(text + "\n")
        print(text, flush=True)
        self._sums, self._counts = {}, {}

"""What the trainings share: a step of the optimizer, and a checkpoint from which one goes on."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from torch import Tensor, nn

from demo.train.budget import Budget
from edit_benchmark.results.files import write_bytes


class Learner:
    """A model, its optimizer and its budget; what ``checkpoint`` holds is taken up at once."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        budget: Budget,
        checkpoint: Path | None,
        device: str,
    ) -> None:
        self._model, self._optimizer, self._budget = model, optimizer, budget
        self._checkpoint = checkpoint
        if checkpoint is not None and checkpoint.is_file():
            state = torch.load(checkpoint, map_location=device)
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            budget.resume(state["seconds"])

    def learn(self, loss: Tensor, step: int) -> None:
        """One step against the loss, at the budget's learning rate; now and then it is saved."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._optimizer.defaults["lr"] * self._budget.rate(step)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for group in self._optimizer.param_groups:
            nn.utils.clip_grad_norm_(group["params"], 1.0)
        self._optimizer.step()
        if self._budget.saving():
            self.save()

    def save(self) -> None:
        if self._checkpoint is None:
            return
        state = {"model": self._model.state_dict(), "optimizer": self._optimizer.state_dict()}
        file = io.BytesIO()
        torch.save(state | {"seconds": self._budget.seconds()}, file)
        # Whole or not at all: whoever stops a training may do so while it is saved.
        write_bytes(self._checkpoint, file.getvalue())

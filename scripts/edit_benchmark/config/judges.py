"""Settings of judges: one class for each kind, told apart by ``judge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from edit_benchmark.config.base import (
    Area,
    Arguments,
    ClassPath,
    ModelSettings,
    NotNegative,
    Number,
    PathText,
    Positive,
    Section,
    Text,
)

#: The rubrics that a configuration names without a path.
RUBRICS = Path(__file__).parents[3] / "resources" / "rubrics"


def rubric_file(rubric: str) -> Path:
    """Where a rubric lies that a configuration names: one of :data:`RUBRICS`, or a path."""
    named = RUBRICS / f"{rubric}.yaml"
    return named if named.is_file() else Path(rubric)


class _Judged(Section):
    """What is set for every judge."""

    rubric: PathText = "reasoning"
    """A rubric of resources/rubrics by name, or a path to a rubric file."""
    batch_size: Positive = 16
    """Images judged in one batch."""
    repeat: NotNegative = 0
    """Another number has an equal judge asked again, under another name: its own noise, which the
    report tells apart from what differs between samples."""

    @property
    def rubric_file(self) -> Path:
        """Where the rubric lies."""
        return rubric_file(self.rubric)


class TransformersJudgeSettings(ModelSettings, _Judged):
    """Any image-text-to-text model of transformers."""

    judge: Literal["transformers"]
    """transformers runs any image-text-to-text model from its checkpoint."""
    checkpoint: Text
    """A folder in the layout of save_pretrained, or a repository of the Hugging Face hub as
    owner/name."""
    method: Literal["expected", "generated"] = "expected"
    """expected takes the expected value over the scale's tokens from one forward pass; generated
    lets the judge write an answer, greedily, and parses it strictly. They are different metrics."""
    max_pixels: Area = 1_048_576
    """Images above this many pixels are scaled down before the judge sees them."""
    max_new_tokens: Positive = 256
    """Longest answer of the generated method, in tokens."""
    min_mass: Annotated[Number, Field(ge=0, le=1)] = 0.5
    """The least probability that the judge must put on the scale's tokens together (expected);
    below it the answer is counted as failed, because the judge wanted to say something else."""
    trust_remote_code: bool = False
    """Run Python code that comes with the checkpoint. Only for checkpoints that you trust."""


class OwnJudgeSettings(ModelSettings, _Judged):
    """A class of the user's own."""

    judge: Literal["class_path"]
    """class_path runs your own class."""
    class_path: ClassPath
    """Your own class as package.module.Class, importable from the working directory."""
    params: Arguments = {}
    """Keyword arguments of your own class."""


JudgeSettings = Annotated[
    TransformersJudgeSettings | OwnJudgeSettings, Field(discriminator="judge")
]

"""Protocols: how a benchmark has an edit judged, in one or several calls.

A protocol is a YAML file, see ``resources/protocols``. Prompts that may not be shipped are read
from the user's checkout of the benchmark.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from edit_benchmark.config.base import Number, Positive, Section, Text, mistake
from edit_benchmark.errors import UserError

#: The protocols that a configuration names without a path.
PROTOCOLS = Path(__file__).parents[3] / "resources" / "protocols"

Parser = Literal[
    "number", "gedit", "imgedit", "rise", "kris", "re_edit", "complex_edit", "unicbench",
    "winner",
]  # fmt: skip
#: In a call's content, the two edits of a pair.
FIRST, SECOND = "first", "second"
_TEXTS = (".py", ".json", ".yaml", ".yml")


class Prompt(Section):
    """A text, in the protocol file itself or in files of the benchmark's checkout."""

    text: Text | None = None
    """The text itself."""
    file: Text | None = None
    """In place of text: a .py, .json or .yaml file, relative to the checkout, or to the protocol
    file if the protocol needs no checkout."""
    names: list[Text] = []
    """Of file, the constants, or the keys, and places in lists, with dots between them; {category}
    and other fields of the sample are filled in."""
    join: str = "\n"
    """What stands between the texts of several names."""
    also: str = ""
    """A text of our own behind it."""
    fill: dict[Text, Text] = {}
    """Placeholders, as they stand in the text, and the field of the sample that each is; one that
    samples may lack ends in a question mark, and is empty then."""
    format: bool = False
    """Whether the text is a format string of Python: {{ and }} stand for one brace, and it need not
    have all placeholders."""

    @model_validator(mode="after")
    def _is_one(self) -> Prompt:
        if (self.text is None) == (self.file is None):
            raise mistake("a prompt has either text or file")
        if self.file is not None and (not self.names or not self.file.endswith(_TEXTS)):
            raise mistake(f"file needs names in it, and to end in {', '.join(_TEXTS)}")
        return self


class Part(Section):
    """A part of what the judge is shown that needs words."""

    text: Text | None = None
    """A text between images."""
    each_source: Text | None = None
    """All source images, each behind this text with its {number}."""
    prompt: Prompt | None = Field(default=None, exclude_if=lambda value: value is None)
    """A further text of a file."""


class Images(Section):
    """What is done to images before a judge sees them."""

    edit_as_source: bool = False
    """Whether the edit is scaled to the size of the source (bicubic)."""
    longest_side: Positive | None = None
    """Larger images are scaled down to this many pixels."""
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] | None = None
    """Quality of the JPEG that the judge is shown; null for the image as it is."""


class Way(Section):
    """How a call is made of samples of one kind."""

    when: dict[Text, Literal["*"] | list[Text] | None] = {}
    """Which samples: for a field of theirs the values it may have, * for any, null for none."""
    content: Annotated[list[Text | Part], Field(min_length=1)]
    """What the judge is shown, in this order: prompt, edited, source, another image of the sample
    such as reference_image, frames (source images and edit in the order of their numbers), or a
    part with words. A protocol that compares pairs has first and second in place of edited."""
    prompt: Prompt
    """What is asked."""
    system: Prompt | None = None
    """The system's text, if there is one."""
    images: Images | None = None
    """What is done to images, where it is something else than in other calls."""


class Call(Section):
    """One question to the judge about an edit."""

    ways: Annotated[list[Way], Field(min_length=1)]
    """The first one that fits a sample; a call without one is not made."""
    parser: Parser
    """How the answer is read."""
    scores: Annotated[list[Text], Field(min_length=1)]
    """Names of the answer's scores."""
    lowest: bool = False
    """Whether the lowest of the answer's numbers is the one score."""
    times: Positive = 1
    """How often a judge that samples is asked; the mean counts."""


class Official(Section):
    """How the benchmark's own code asks one of its judges."""

    judge: Text
    """The judge's name."""
    temperature: Number
    """That of its requests, or of the API where they name none."""
    max_tokens: Positive | None = None
    """The longest answer; null for none."""


class Protocol(Section):
    """A protocol file."""

    benchmark: Text | None = None
    """The benchmark whose official table is made of the answers; null for none."""
    checkout: Text | None = None
    """The repository whose files have the prompts; null if there is none."""
    official: list[Official] = []
    """How the benchmark's own code asks each of its judges, the one of the paper first."""
    scale: Annotated[list[Number], Field(min_length=2, max_length=2)]
    """The lowest and the highest overall score of an edit."""
    overall: Literal["mean", "geometric", "first", "rise"]
    """How the overall score is made of the calls' scores: their mean, their geometric mean, the
    first of them, or RISEBench's weights."""
    criteria: Text | None = None
    """A rubric whose questions for the category are the field criteria."""
    images: Images = Images()
    """What is done to images."""
    calls: Annotated[dict[Text, Call], Field(min_length=1)]
    """The calls by name."""

    @model_validator(mode="after")
    def _compares_or_not(self) -> Protocol:
        ways = [way for call in self.calls.values() for way in call.ways]
        for way in ways:
            edits = [part for part in way.content if part in (FIRST, SECOND, "edited", "frames")]
            if sorted(map(str, edits)) != [FIRST, SECOND] and self.compares:
                raise mistake("a protocol that compares pairs shows first and second once each")
        for name, call in self.calls.items():
            if self.compares and (call.times > 1 or len(call.scores) > 1):
                raise mistake(f"calls.{name}: a pair has one score, and is asked about once")
            if (call.parser == "winner") != self.compares:
                raise mistake(
                    f"calls.{name}: parser winner is for pairs, whose content has first and second"
                )
        return self

    @property
    def compares(self) -> bool:
        """Whether a judge is shown two edits at once, to say which is better."""
        ways = [way for call in self.calls.values() for way in call.ways]
        return any(part in (FIRST, SECOND) for way in ways for part in way.content)

    @property
    def prompts(self) -> list[Prompt]:
        """All prompts of all calls."""
        ways = [way for call in self.calls.values() for way in call.ways]
        parts = [part.prompt for way in ways for part in way.content if isinstance(part, Part)]
        named = [prompt for way in ways for prompt in (way.prompt, way.system)]
        return [prompt for prompt in (*named, *parts) if prompt]

    def files(self, folder: Path) -> list[Path]:
        """The files below ``folder`` that the prompts are read from."""
        return sorted({folder / prompt.file for prompt in self.prompts if prompt.file})


def protocol_file(protocol: str) -> Path:
    """Where a protocol lies that a configuration names: one of :data:`PROTOCOLS`, or a path."""
    named = {path.stem: path for path in PROTOCOLS.glob("*.yaml")}
    return named.get(protocol, Path(protocol))


def read(path: Path) -> Protocol:
    """The protocol of a file.

    Raises
    ------
    UserError
        If it is none, naming the key.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
        raise UserError(f"protocol {path}: cannot be read ({problem}).") from None
    try:
        return Protocol.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"protocol {path}: {where}: {first['msg']}.") from None

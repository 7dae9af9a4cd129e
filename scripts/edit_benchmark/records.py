"""What travels through the workflow: one frozen record a station."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

EDITED = "edited"
EDIT_FAILED = "edit_failed"
SCORED = "scored"
COMPARED = "compared"
JUDGE_FAILED = "judge_failed"
SKIPPED = "skipped"
#: What a sample can end as; exactly one of them for each model and judge.
STATUSES = (SCORED, EDIT_FAILED, JUDGE_FAILED, SKIPPED)
#: What a pair of edits can end as; exactly one of them.
PAIR_STATUSES = (COMPARED, EDIT_FAILED, JUDGE_FAILED, SKIPPED)


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of the benchmark, as every later station sees it.

    ``index`` is the position within the category (0-based; of a turn that of its chain),
    ``source`` the source image's path relative to the results directory, ``width`` and ``height``
    its size in pixels once EXIF orientation is applied, ``human_score`` a rating that the benchmark
    file carries, if any.
    ``problem`` says why a source image or the mask cannot be read; then paths and hashes are empty
    and the size is 0.
    ``more_sources`` are the paths of further source images, ``mask`` is that of a mask of the first
    one, white where it is edited; empty if there are none.
    ``fields`` is what else a public benchmark says of the row, images (``reference_image``,
    ``target_image``, ``judged_source``) as paths like ``source``.
    ``chain`` is the id of the first turn of a chain of edits and ``turn`` counts from 1; they are
    empty and 0 of a sample by itself. ``after`` is the id of the turn before, whose edit is the
    source: each model has its own, so that the table has no source of such a sample
    (``dataset/chains.py`` fills it in).
    """

    id: str
    category: str
    index: int
    instruction: str
    source: str
    source_sha256: str
    width: int
    height: int
    instruction_en: str = ""
    instruction_zh: str = ""
    description_en: str = ""
    description_zh: str = ""
    rationale_en: str = ""
    rationale_zh: str = ""
    difficulty: str = ""
    tags: list[str] = field(default_factory=list)
    human_score: float | None = None
    problem: str = ""
    more_sources: list[str] = field(default_factory=list)
    more_source_sha256: list[str] = field(default_factory=list)
    mask: str = ""
    mask_sha256: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    chain: str = ""
    turn: int = 0
    after: str = ""

    @property
    def sources(self) -> list[str]:
        """Paths of all source images, in the benchmark's order."""
        return [self.source, *self.more_sources]

    @property
    def judged_source(self) -> str:
        """Path of the image that a benchmark's judge is shown as the source."""
        return self.fields.get("judged_source") or self.source

    @property
    def all_source_sha256(self) -> list[str]:
        """The hashes of :attr:`sources`."""
        return [self.source_sha256, *self.more_source_sha256]

    @property
    def target(self) -> str:
        """Path of the image that the edit should come to; empty without one."""
        return self.fields.get("target_image", "")


def edit_name(sample_id: str, repeat: int) -> str:
    """What messages call an edit: its sample, and from the second on which of its repeats."""
    return f"{sample_id} (repeat {repeat + 1})" if repeat else sample_id


@dataclass(frozen=True, slots=True)
class Edit:
    """What became of one sample under one model, in one of its repeats.

    ``repeat`` counts from 0; each has a seed of its own.
    ``status`` is ``edited``, ``edit_failed`` or ``skipped``; ``image`` is relative to the results
    directory and empty unless edited; ``seconds`` is the time of the editor's call;
    ``approximations`` are the settings that made the model another, faster one; ``made_with`` says
    what is known of other library versions that made it, if it was accepted from an earlier run;
    ``recipe`` names how the model was set up (``results/recipes.py``).
    """

    id: str
    category: str
    model: str
    status: str
    reason: str = ""
    flags: list[str] = field(default_factory=list)
    key: str = ""
    seed: int = 0
    seconds: float | None = None
    image: str = ""
    image_sha256: str = ""
    repeat: int = 0
    width: int | None = None
    height: int | None = None
    device: str = ""
    approximations: list[str] = field(default_factory=list)
    made_with: str = ""
    recipe: str = ""

    @property
    def name(self) -> str:
        """What messages call it."""
        return edit_name(self.id, self.repeat)


@dataclass(frozen=True, slots=True)
class Score:
    """What one judge made of one sample's edit by one model, in one of its repeats.

    ``score`` is 0 to 10 and is set if and only if ``status`` is ``scored``. ``criteria`` maps each
    criterion of the rubric to its score, None where the judge found that it does not apply.
    ``made_with`` is the edit's; ``judged_with`` says the same of the answer.
    ``mass`` is the mean probability that the judge put on the labels of the scale, None where no
    probabilities were read. ``device`` is the one that the edit was made on.
    ``recipe`` and ``answer_recipe`` name how the edit's model and the judge were set up.
    ``reading`` is the rule by which the judge's answer was read, such as ``strict`` or ``fence``.
    ``calls`` has, of a judge with a protocol, by each call's name its ``answer_key``, ``text`` and
    ``scores``, or the ``problem`` that there are none; ``score`` is then on the protocol's scale.
    """

    id: str
    category: str
    model: str
    judge: str
    status: str
    reason: str = ""
    score: float | None = None
    criteria: dict[str, float | None] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    seed: int = 0
    key: str = ""
    answer_key: str = ""
    edit_seconds: float | None = None
    judge_seconds: float | None = None
    image: str = ""
    text: str = ""
    mass: float | None = None
    device: str = ""
    repeat: int = 0
    approximations: list[str] = field(default_factory=list)
    made_with: str = ""
    judged_with: str = ""
    recipe: str = ""
    answer_recipe: str = ""
    reading: str = ""
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.score is not None) != (self.status == SCORED):
            raise ValueError(f"{self.id}: status {self.status} with score {self.score}")

    def answer_keys(self, only_failed: bool = False) -> list[str]:
        """The keys of all answers behind the row, or of those that are no scores."""
        if not self.calls:
            return [self.answer_key] if self.answer_key else []
        calls = [call for call in self.calls.values() if call["problem"] or not only_failed]
        return [call["answer_key"] for call in calls if call["answer_key"]]

    @classmethod
    def of_edit(cls, edit: Edit, judge: str, **fields: Any) -> Score:
        """A row about ``edit`` under ``judge``; ``fields`` are those that an edit lacks."""
        return cls(
            id=edit.id,
            category=edit.category,
            model=edit.model,
            judge=judge,
            flags=edit.flags,
            seed=edit.seed,
            key=edit.key,
            edit_seconds=edit.seconds,
            image=edit.image,
            device=edit.device,
            repeat=edit.repeat,
            approximations=edit.approximations,
            made_with=edit.made_with,
            recipe=edit.recipe,
            **fields,
        )


@dataclass(frozen=True, slots=True)
class Preference:
    """Which of two models' edits of one sample a judge finds better, in one of their repeats.

    ``a`` and ``b`` are the models in the order of their names, ``call`` is the question of the
    judge's protocol. ``win`` is the share of the win of ``a``: 1, 0, or 0.5 if neither is better or
    the judge said something else when the two were shown the other way round; it is set if and only
    if ``status`` is ``compared``. ``answers`` has what was said with ``a`` shown first, and then
    with ``b`` first: the ``preference`` (a share like ``win``), ``key``, ``text``, ``problem``,
    ``seconds`` and ``judged_with`` of each; it is empty if the judge was not asked. ``identical``
    says that both models made the same file: a tie, which no judge is asked about.
    """

    id: str
    category: str
    judge: str
    a: str
    b: str
    call: str
    status: str
    reason: str = ""
    win: float | None = None
    answers: list[dict[str, Any]] = field(default_factory=list)
    repeat: int = 0
    identical: bool = False
    answer_recipe: str = ""

    def __post_init__(self) -> None:
        if (self.win is not None) != (self.status == COMPARED):
            raise ValueError(f"{self.id}: status {self.status} with win {self.win}")

    def answer_keys(self, only_failed: bool = False) -> list[str]:
        """The keys of the answers behind the row, or of those that say nothing."""
        return [
            answer["key"]
            for answer in self.answers
            if answer["key"] and (answer["problem"] or not only_failed)
        ]


def dumps(value: Any) -> str:
    """One canonical JSON text for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def storable(value: Any) -> Any:
    """``value`` as JSON gives it back: what it cannot hold, NaN too, is written as text.

    Raises
    ------
    TypeError, ValueError
        If it has keys that JSON lacks, or contains itself.
    """
    text = json.dumps(value, ensure_ascii=False, default=str)
    # A lone surrogate is a character to Python and nothing that a file can hold.
    return json.loads(text.encode("utf-8", "replace"), parse_constant=str)

"""What a judge with a protocol is asked about a sample, and how its answers become one score."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from edit_benchmark.config import protocols as files
from edit_benchmark.config.judges import (
    AskedJudgeSettings,
    TransformersJudgeSettings,
    rubric_file,
)
from edit_benchmark.dataset.source_images import digest_of
from edit_benchmark.errors import SampleError
from edit_benchmark.judging import protocol_parsers, rubrics
from edit_benchmark.judging.prompts import Prompts
from edit_benchmark.judging.protocol_samples import (
    Shown,
    fields_of,
    fits,
    parts_of,
)
from edit_benchmark.judging.rubrics import Rubric, Scale
from edit_benchmark.official import rise
from edit_benchmark.records import JUDGE_FAILED, SCORED, Edit, Sample, Score, dumps


@dataclass(frozen=True)
class Question:
    """One call about one sample.

    Attributes
    ----------
    name
        That of the call, with its number where it is asked several times.
    content
        Texts and images in their order.
    images
        What is done to the images.
    measurement
        Which of several times, from 0.
    rubric
        Reads the answer.
    """

    name: str
    content: tuple[str | Shown, ...]
    system: str
    images: files.Images
    measurement: int
    rubric: Rubric

    def fields(self, sample: Sample, edits: Mapping[str, str]) -> dict[str, Any]:
        """What is asked, word for word: the question's part of an answer's key.

        The names here are hashed into the keys of stored answers: another name is another key.

        Parameters
        ----------
        edits
            The hash of each edit that is shown, by its place in the content.
        """
        fields: dict[str, Any] = {
            "content": [
                {"text": part} if isinstance(part, str) else self._image(part, sample, edits)
                for part in self.content
            ]
        }
        if self.system:
            fields["system"] = self.system
        if self.measurement:
            fields["measurement"] = self.measurement
        return fields

    def _image(self, image: Shown, sample: Sample, edits: Mapping[str, str]) -> dict[str, Any]:
        changes = self.images.model_dump(exclude_defaults=True)
        if image.path not in edits:
            changes.pop("edit_as_source", None)
            return {"sha256": digest_of(image.path, sample), **changes}
        if changes.pop("edit_as_source", False):
            changes["as_large_as"] = digest_of(sample.judged_source, sample)
        return {"sha256": edits[image.path], **changes}


@dataclass(frozen=True)
class Protocol:
    """A protocol for the samples of one category.

    Attributes
    ----------
    fields
        Fields that samples of the category share.
    samples_answers
        Whether the judge may answer differently when it is asked again.
    sha256
        Hash of the protocol and of its prompts.
    """

    file: files.Protocol
    prompts: Prompts
    category: str
    language: str
    fields: Mapping[str, str]
    samples_answers: bool
    sha256: str

    def questions(self, sample: Sample) -> list[Question]:
        """All calls about a sample.

        Raises
        ------
        SampleError
            If there is none, or one needs what the sample lacks.
        UserError
            If a prompt is not in its file.
        """
        fields = {**fields_of(sample, self.language), **self.fields}
        questions = []
        for name, call in self.file.calls.items():
            way = next((way for way in call.ways if fits(way, fields)), None)
            if way is None:
                continue
            prompt = self.prompts.text(way.prompt, fields)
            content: list[str | Shown] = []
            for entry in way.content:
                if entry == "prompt":
                    content.append(prompt)
                elif isinstance(entry, files.Part) and entry.prompt is not None:
                    content.append(self.prompts.text(entry.prompt, fields))
                else:
                    content += parts_of(entry, sample)
            system = self.prompts.text(way.system, fields) if way.system else ""
            for number in range(call.times if self.samples_answers else 1):
                questions.append(
                    Question(
                        name=f"{name} {number + 1}" if number else name,
                        content=tuple(content),
                        system=system,
                        images=way.images or self.file.images,
                        measurement=number,
                        rubric=self._rubric(name, call),
                    )
                )
        if not questions:
            raise SampleError("not_asked", "the protocol has no call for such a sample")
        return questions

    def _rubric(self, name: str, call: files.Call) -> Rubric:
        return Rubric(
            name=name, category=self.category, criteria=(), labels={}, not_applicable="",
            see_source=True, texts={}, scale=_scale(self.file),
            parse=partial(_parsed, call=call, category=self.category),
        )  # fmt: skip

    def joined(self, sample: Sample, edit: Edit, judge: str, rows: Mapping[str, Score]) -> Score:
        """The row of an edit from those of its calls, by their names."""
        measured: dict[str, list[float]] = {}
        calls: dict[str, dict[str, Any]] = {}
        for name, row in rows.items():
            calls[name] = {
                "answer_key": row.answer_key, "text": row.text, "scores": dict(row.criteria),
                "problem": row.reason,
            }  # fmt: skip
            for key, value in row.criteria.items():
                if value is not None:
                    measured.setdefault(key, []).append(value)
        scores = {name: fmean(values) for name, values in measured.items()}
        # Of a call that is made several times one answer is enough: the mean is over those read.
        wanted = [call for call in self.file.calls if call in rows]
        problems = [
            _of_call(rows[call].reason, call)
            for call in wanted
            if not set(self.file.calls[call].scores) <= scores.keys()
        ]
        seconds = [row.judge_seconds for row in rows.values() if row.judge_seconds is not None]
        outcome: dict[str, Any] = (
            {"status": JUDGE_FAILED, "reason": problems[0]}
            if problems
            else {
                "status": SCORED,
                "score": overall(self.file, scores, sample),
                "criteria": scores,
            }
        )
        return Score.of_edit(
            edit, judge,
            answer_key=next((row.answer_key for row in rows.values()), ""),
            judge_seconds=round(sum(seconds), 3) if seconds else None,
            judged_with=next((row.judged_with for row in rows.values() if row.judged_with), ""),
            text="\n\n".join(f"[{name}] {row.text}" for name, row in rows.items() if row.text),
            calls=calls,
            **outcome,
        )  # fmt: skip


def load(settings: AskedJudgeSettings, category: str, language: str) -> Protocol:
    """The protocol of ``settings`` for a category.

    Raises
    ------
    UserError
        If the file is no protocol, or a prompt's file cannot be read.
    """
    assert settings.protocol_file is not None
    file = files.read(settings.protocol_file)
    fields = {}
    if file.criteria is not None:
        rubric = rubrics.load(rubric_file(file.criteria), category, language)
        lines = [f"- {one.name}: {one.question}" for one in rubric.criteria]
        fields = {"criteria": "\n".join(lines)}
    prompts = Prompts(file, settings.prompts_folder)
    # Locally answers are decoded greedily: the second would be the first.
    samples_answers = not isinstance(settings, TransformersJudgeSettings)
    digest = _hash(file, prompts)
    return Protocol(file, prompts, category, language, fields, samples_answers, digest)


def protocol_hash(settings: AskedJudgeSettings) -> str:
    """The hash of a judge's protocol and of its prompts; errors as of :func:`load`."""
    assert settings.protocol_file is not None
    file = files.read(settings.protocol_file)
    return _hash(file, Prompts(file, settings.prompts_folder))


def _hash(file: files.Protocol, prompts: Prompts) -> str:
    content = [file.model_dump(mode="json"), *prompts.hashes]
    if file.criteria is not None:
        content.append(rubrics.rubric_hash(rubric_file(file.criteria)))
    return hashlib.sha256(dumps(content).encode()).hexdigest()


def scale(path: Path) -> Scale:
    """The scale of the overall scores of a protocol file; errors as of :func:`files.read`."""
    return _scale(files.read(path))


def _scale(file: files.Protocol) -> Scale:
    lowest, highest = file.scale
    return Scale(lowest, highest)


def overall(file: files.Protocol, scores: Mapping[str, float], sample: Sample) -> float:
    """The overall score of an edit, on the protocol's scale."""
    values = list(scores.values())
    if file.overall == "geometric":
        return float(math.prod(values) ** (1 / len(values)))
    if file.overall == "rise":
        row = rise_row(sample, scores)
        value = rise.score(row, row.consistency_free is not None, "corrected")
        assert value is not None
        return value
    return values[0] if file.overall == "first" else fmean(values)


def rise_row(sample: Sample, scores: Mapping[str, float], problem: str = "") -> rise.Row:
    """A row of RISEBench; its full set alone knows subtasks, and rows without consistency."""
    free = "consistency_free" in sample.fields
    return rise.Row(
        index=sample.id,
        category=sample.category,
        reasoning=scores.get("reasoning"),
        consistency=scores.get("consistency"),
        plausibility=scores.get("plausibility"),
        subtask=sample.fields.get("subtask", ""),
        consistency_free=free if free or "subtask" in sample.fields else None,
        problem=problem,
    )


def _parsed(text: str, call: files.Call, category: str) -> dict[str, float]:
    """The scores of an answer by their names."""
    numbers = protocol_parsers.parse(call.parser, text, call.scores, category)
    return protocol_parsers.named(numbers, call.scores, call.lowest)


def _of_call(reason: str, call: str) -> str:
    """A reason with the call that it is of behind its kind."""
    kind, _, message = reason.partition(": ")
    return f"{kind}: {call}: {message}" if message else f"{kind}: {call}"

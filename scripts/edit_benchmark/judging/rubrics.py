"""Rubrics: what a judge is asked about an edit, and how its answers become one score.

A rubric is a YAML file (see ``resources/rubrics/reasoning.yaml``). Each category has criteria. For
each criterion the judge gives a label of the scale, which stands for a score, or the label for
"does not apply".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from string import Template
from typing import Any

import jsonschema
import yaml

from edit_benchmark.errors import UserError
from edit_benchmark.records import Sample, dumps

SCHEMA = Path(__file__).parents[3] / "workflow" / "schemas" / "rubric.schema.yaml"
_LOWEST, _HIGHEST = 0.0, 10.0
# Behind the task, which speaks of one source image, where a sample has several.
_SEVERAL = {
    "en": (
        "Here the model was given $count source pictures, $first to $last; the instruction may "
        "name each by its number. The picture after them is what the model made of them. What is "
        "said of the source holds for all of them."
    ),
    "zh": (
        "这里给模型的原图有 $count 张，即 $first 至 $last，指令可能按编号指称它们；其后的那张是模型"
        "据此生成的图。凡提到原图之处，均指全部原图。"
    ),
}


@dataclass(frozen=True)
class Scale:
    """The scores that the labels of a rubric stand for; so far do scores reach.

    Attributes
    ----------
    neutral, violation
        The score that is neither a merit nor a fault, and the highest one of a violated criterion,
        where the rubric names them.
    measure
        The measure between images whose values these are; empty for a rubric's scores.
    to_target
        Whether it is measured against target images.
    """

    lowest: float = _LOWEST
    highest: float = _HIGHEST
    neutral: float | None = None
    violation: float | None = None
    measure: str = ""
    to_target: bool = False

    @property
    def is_distance(self) -> bool:
        """Whether the lower of two values is that of the images that are more alike."""
        return self.measure in ("l1", "lpips")

    @property
    def is_lower_better(self) -> bool:
        """Whether the lower of two scores is that of the better edit."""
        return self.to_target and self.is_distance

    @property
    def decimals(self) -> int:
        """Decimals by which readers tell scores apart; those of most measures differ by little."""
        return 4 if self.measure not in ("", "psnr") else 2

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest score."""
        return self.lowest, self.highest


@dataclass(frozen=True)
class Criterion:
    """One criterion in one language: its key for tables, its name and its question."""

    key: str
    name: str
    question: str


@dataclass(frozen=True)
class Rubric:
    """The questions of one category in one language, and the scale of the answers.

    Attributes
    ----------
    labels
        The labels of the scale, and the score, 0 to 10, that each stands for.
    not_applicable
        The label for a criterion that does not apply.
    see_source
        Whether the judge sees the source image beside the edited one.
    texts
        The rubric file's texts in this language by their names there, and the language itself
        under ``language``.
    paraphrases
        The same texts in other words, as far as there are any: the first for repeat 1, and so on.
    sha256
        Hash of the file's content, as of :func:`rubric_hash`.
    scale
        What an answer's numbers have to be within: 0 to 10, whatever the labels, for a class of
        one's own may give any.
    parse
        Of a protocol's call, which has no criteria: reads the scores from an answer by their names,
        or raises a SampleError.
    """

    name: str
    category: str
    criteria: tuple[Criterion, ...]
    labels: dict[str, float]
    not_applicable: str
    see_source: bool
    texts: dict[str, str]
    paraphrases: tuple[dict[str, str], ...] = ()
    sha256: str = ""
    scale: Scale = Scale()
    parse: Callable[[str], dict[str, float]] | None = None

    def shared_text(self, sample: Sample) -> str:
        """The beginning of every question about ``sample``: task, instruction, scale."""
        rationale = sample.rationale_zh if self.texts["language"] == "zh" else sample.rationale_en
        parts = [self.texts["task"], self.texts["instruction"]]
        if self.see_source and sample.more_sources:
            parts.insert(1, self.texts.get("several_sources", _SEVERAL[self.texts["language"]]))
        if rationale.strip():
            parts.append(self.texts["challenge"])
        parts.append(self.texts["scale"])
        # The texts are joined before anything is substituted, so that dollar signs and
        # placeholders in the sample's own texts stay as they are.
        headings = self.source_headings(len(sample.sources))
        return Template("\n\n".join(parts)).substitute(
            instruction=sample.instruction,
            rationale=rationale,
            count=len(headings),
            first=headings[0].rstrip(" :："),
            last=headings[-1].rstrip(" :："),
        )

    def source_headings(self, count: int) -> list[str]:
        """The heading of each of ``count`` source images: of several with its number."""
        heading = self.texts["source"]
        if count == 1:
            return [heading]
        name = heading.rstrip(" :：")
        return [f"{name} {number}{heading[len(name) :]}" for number in range(1, count + 1)]

    def expected_question(self, criterion: Criterion) -> str:
        """The question of one criterion, answered by one label."""
        return Template(self.texts["ask_one"]).substitute(
            criterion=criterion.name, question=criterion.question
        )

    def generated_question(self) -> str:
        """The question of all criteria at once, answered by one JSON object."""
        listed = "\n".join(
            f'- "{criterion.key}" ({criterion.name}): {criterion.question}'
            for criterion in self.criteria
        )
        return Template(self.texts["ask_all"]).substitute(criteria=listed)


def overall(criteria: Mapping[str, float | None], scale: Scale = Scale()) -> float | None:
    """The score of an edit, 0 to 10: the mean over the criteria that apply, clipped to ``scale``.

    This is the rule of the earlier program: each criterion starts at the neutral 5 and moves the
    score by up to 3 points, a hard violation leaves at most 3, a criterion that does not apply
    changes nothing, and the mean is clipped to 0..10. The first two are in the rubric's labels
    already. None if no criterion applies.
    """
    applicable = [value for value in criteria.values() if value is not None]
    if not applicable:
        return None
    return min(max(fmean(applicable), scale.lowest), scale.highest)


def load(path: Path, category: str, language: str) -> Rubric:
    """The rubric of ``category`` in ``language`` from the file ``path``.

    A category without criteria of its own takes those under ``other``.

    Raises
    ------
    UserError
        If the file is no rubric, or has neither the category nor ``other``.
    """
    content = read(path)
    criteria = content["categories"].get(category) or content["categories"].get("other")
    if criteria is None:
        raise UserError(
            f"rubric {path}: no criteria for category {category}, nor under other; add them."
        )
    paraphrases = content.get("paraphrases", {}).get(language, [])
    return Rubric(
        name=content["name"],
        category=category,
        criteria=tuple(
            Criterion(
                key=key,
                name=texts_of[language]["name"],
                question=" ".join(texts_of[language]["question"].split()),
            )
            for key, texts_of in criteria.items()
        ),
        labels={str(label): float(value) for label, value in content["scale"]["labels"].items()},
        not_applicable=str(content["scale"]["not_applicable"]),
        see_source=content["see_source"],
        texts=_stripped(content["texts"][language]) | {"language": language},
        paraphrases=tuple(map(_stripped, paraphrases)),
        sha256=_hash(content),
    )


def _stripped(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: text.strip() for name, text in texts.items()}


def scale(path: Path) -> Scale:
    """The scale of the rubric file ``path``; errors as of :func:`read`."""
    content = read(path)["scale"]
    values = content["labels"].values()
    return Scale(
        float(min(values)), float(max(values)), content.get("neutral"), content.get("violation")
    )


def read(path: Path) -> dict[str, Any]:
    """The content of a rubric file, checked against its schema.

    Raises
    ------
    UserError
        If it is not YAML or not a rubric.
    """
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    try:
        content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(
            f"rubric {path}: cannot be read ({' '.join(str(error).split())})."
        ) from None
    validator = jsonschema.Draft202012Validator(schema)
    violation = jsonschema.exceptions.best_match(validator.iter_errors(content))
    if violation is not None:
        where = ".".join(str(part) for part in violation.absolute_path) or "the file"
        raise UserError(f"rubric {path}: {where}: {violation.message}.")
    not_applicable = content["scale"]["not_applicable"]
    if not_applicable in content["scale"]["labels"]:
        raise UserError(
            f"rubric {path}: scale.not_applicable: {not_applicable!r} is a label of the scale too, "
            "so that its score would never count; give one of them another label."
        )
    for language, texts in content["texts"].items():
        for name, text in texts.items():
            _check_template(path, f"texts.{language}.{name}", text)
    for language, wordings in content.get("paraphrases", {}).items():
        for number, texts in enumerate(wordings):
            for name, text in texts.items():
                _check_template(path, f"paraphrases.{language}.{number}.{name}", text)
    return content


def rubric_hash(path: Path) -> str:
    """SHA-256 of the content of a rubric file, which a comment in the file does not change.

    What only the report shows, and the wordings of repeats, are left out: without repeats no judge
    is asked anything else for them.

    Raises
    ------
    UserError
        As :func:`read`.
    """
    return _hash(read(path))


def _hash(content: Mapping[str, Any]) -> str:
    scale = {name: content["scale"][name] for name in ("labels", "not_applicable")}
    rest = {name: part for name, part in content.items() if name != "paraphrases"}
    return hashlib.sha256(dumps({**rest, "scale": scale}).encode()).hexdigest()


# The placeholders that each text of a rubric has to have, and no others.
_PLACEHOLDERS: dict[str, set[str]] = {
    "source": set(),
    "edited": set(),
    "task": set(),
    "instruction": {"instruction"},
    "challenge": {"rationale"},
    "scale": set(),
    "ask_one": {"criterion", "question"},
    "ask_all": {"criteria"},
    "several_sources": {"count", "first", "last"},
}


def _check_template(path: Path, where: str, text: str) -> None:
    template = Template(text)
    name = where.rpartition(".")[2]
    if not template.is_valid() or set(template.get_identifiers()) != _PLACEHOLDERS[name]:
        wanted = ", ".join(f"${value}" for value in sorted(_PLACEHOLDERS[name])) or "none"
        raise UserError(f"rubric {path}: {where}: its placeholders have to be: {wanted}.")

"""Finished work of other library versions: how much it is, and keeping it on purpose.

Another version of a library may make another image of equal settings, so it makes another key, and
after an upgrade everything is made again. Whoever knows better accepts what there is: it is stored
under its new key too, with the versions that made it, and the report names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path
from typing import Any

from edit_benchmark.checkpoints import record
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.editors import EditorSettings, FinishedSettings
from edit_benchmark.config.judges import JudgeSettings
from edit_benchmark.config.run import Config
from edit_benchmark.dataset import chains
from edit_benchmark.dataset.samples import seed
from edit_benchmark.editing.finished import finished_edits, finished_fields, read_finished
from edit_benchmark.editing.job import task_fields
from edit_benchmark.editing.registry import KINDS as EDITORS
from edit_benchmark.errors import SampleError
from edit_benchmark.judging.chunks import paired
from edit_benchmark.judging.job import question_fields, questions_of
from edit_benchmark.judging.pairs import Pair, pair_fields
from edit_benchmark.judging.preferences import pairs_of
from edit_benchmark.judging.protocols import Protocol
from edit_benchmark.judging.registry import KINDS as JUDGES
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.judging.variations import asked_of
from edit_benchmark.records import EDITED, Edit, Sample
from edit_benchmark.results.former_keys import former_keys
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.store import Store, digest_of, key_of, plain
from edit_benchmark.results.tables import read_rows
from edit_benchmark.runtime.kinds import Kind


@dataclass(frozen=True)
class Kept:
    """A stored piece of work of other versions: its key, and what the store has under it."""

    key: str
    content: dict[str, Any]

    @property
    def versions(self) -> dict[str, str]:
        """The libraries that made it."""
        return dict(self.content["key_fields"].get("versions", {}))


@dataclass
class Balance:
    """How much of a model's or a judge's work is there.

    Attributes
    ----------
    what
        Such as ``edits of qwen``.
    store
        Where it is kept.
    present
        Pieces of work that the next run finds.
    acceptable
        Work of other versions, by the key that it would have now.
    missing
        Pieces that were never made.
    """

    what: str
    store: Store
    present: int = 0
    acceptable: dict[str, Kept] = field(default_factory=dict)
    missing: int = 0

    @property
    def seconds(self) -> float:
        """What it took to make the acceptable work."""
        return sum(float(kept.content["seconds"]) for kept in self.acceptable.values())


class _Shelf:
    """A store, searched by all that determines work but the versions of libraries."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self._kept: dict[str, Kept] = {}
        for key in self.store:
            content = self.store.get_undamaged(key)
            # An answer of before 0.2 does not have the fields of its key.
            if content is not None and "key_fields" in content:
                self._kept[_signature(content["key_fields"])] = Kept(key, content)

    def look_up(
        self, balance: Balance, work: _Work, asked: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Count one piece of work in ``balance``; its content, if there is any."""
        fields = {**work.fields, **asked}
        stored = self.store.find(fields, former_keys(work.former, asked))
        if stored.content is not None:
            balance.present += 1
            return stored.content
        kept = self._kept.get(_signature(fields))
        if kept is None and work.former is not None:
            kept = self._kept.get(_signature({**work.former, **asked}))
        if kept is None:
            balance.missing += 1
            return None
        balance.acceptable[key_of(fields)] = kept
        return kept.content


@dataclass(frozen=True)
class _Work:
    """A model's or judge's part of the key of its work: now, and before 0.2 if it is the same."""

    fields: dict[str, Any]
    former: dict[str, Any] | None


def balances(config: Config) -> list[Balance]:
    """What a run of ``config`` would find, could be allowed to keep, and has to make.

    Raises
    ------
    UserError
        If nothing was run with this configuration.
    """
    layout = Layout(Path(config.results))
    samples = [
        sample
        for sample in read_rows(layout.samples, Sample)
        if sample.category in config.benchmark.categories
    ]
    edits, answers = _Shelf(layout.edit_store), _Shelf(layout.answer_store)
    judges = _judges(config, layout, {sample.category for sample in samples})
    found = []
    all_edits: dict[str, list[Edit]] = {}
    for name, model in config.models.items():
        checkpoint = _checkpoint(layout.editor_checkpoint(name), model, f"models.{name}")
        work = _work(EDITORS[model.editor], model, checkpoint)
        balance = Balance(f"edits of {name}", edits.store)
        made: dict[tuple[str, int], tuple[Sample, Edit]] = {}
        for sample, repeat in product(chains.editable(samples), range(model.repeats)):
            if sample.after:
                before = made.get((sample.after, repeat))
                if before is None:
                    # What it will be made from is not known: it has to be made in any case.
                    balance.missing += 1
                    continue
                sample = chains.with_source(sample, before[1])
            asked = _asked(model, sample, repeat, samples, layout)
            content = edits.look_up(balance, work, asked)
            if content is not None:
                # A protocol shows no image without a path: where the next run finds it.
                path = layout.relative(edits.store.image_path(key_of({**work.fields, **asked})))
                edit = Edit(
                    sample.id, sample.category, name, EDITED, image=path,
                    image_sha256=content["image_sha256"], repeat=repeat,
                )  # fmt: skip
                made[sample.id, repeat] = sample, edit
        all_edits[name] = [edit for _, edit in made.values()]
        found += [balance, *_judged(judges, name, list(made.values()), answers)]
    for first, second in combinations(sorted(all_edits), 2):
        both = all_edits[first], all_edits[second]
        pairs = pairs_of(paired(*both), chains.SharedSamples(samples, *both))
        found += _compared(judges, f"{first} and {second}", pairs, answers)
    return found


@dataclass(frozen=True)
class _Judge:
    """A judge, its work, and what it asks about each category."""

    name: str
    settings: JudgeSettings
    work: _Work
    asked: dict[str, Rubric | Protocol]


def _judges(config: Config, layout: Layout, categories: Iterable[str]) -> list[_Judge]:
    found = []
    for name, settings in config.judges.items():
        checkpoint = _checkpoint(layout.judge_checkpoint(name), settings, f"judges.{name}")
        asked = {
            category: asked_of(settings, category, config.benchmark.language)
            for category in categories
        }
        work = _work(JUDGES[settings.judge], settings, checkpoint)
        found.append(_Judge(name, settings, work, asked))
    return found


def _compared(
    judges: Sequence[_Judge], models: str, pairs: Sequence[Pair], answers: _Shelf
) -> list[Balance]:
    """A balance of the answers about two models' edits of each judge that compares."""
    found = []
    for judge in judges:
        if not judge.settings.compares:
            continue
        balance = Balance(f"answers of {judge.name} about {models}", answers.store)
        for pair in pairs:
            asked = judge.asked[pair.sample.category]
            assert isinstance(asked, Protocol)
            with suppress(SampleError):  # what no judge was asked about
                for question in asked.questions(pair.sample):
                    for fields in pair_fields(question, pair):
                        answers.look_up(balance, judge.work, fields)
        found.append(balance)
    return found


def _asked(
    model: EditorSettings, sample: Sample, repeat: int, samples: Sequence[Sample], layout: Layout
) -> dict[str, Any]:
    """The sample's part of an edit's key."""
    if isinstance(model, FinishedSettings):
        edits = finished_edits(model, samples, layout.root)
        return finished_fields(sample, read_finished(edits, sample))
    return task_fields(sample, seed(model.seed, sample.id, repeat))


def _judged(
    judges: Sequence[_Judge],
    model: str,
    made: Sequence[tuple[Sample, Edit]],
    answers: _Shelf,
) -> list[Balance]:
    """A balance of each judge's answers about the edits of one model."""
    found = []
    for judge in judges:
        if judge.settings.compares:
            continue
        balance = Balance(f"answers of {judge.name} about {model}", answers.store)
        for sample, edit in made:
            with suppress(SampleError):  # what no judge was asked about
                for question in questions_of(judge.asked[sample.category], sample):
                    fields = question_fields(judge.settings, question, sample, edit)
                    answers.look_up(balance, judge.work, fields)
        found.append(balance)
    return found


def accept(balance: Balance) -> None:
    """Store the acceptable work under the keys that it has now, beside where it is."""
    for key, kept in balance.acceptable.items():
        content = {
            name: value
            for name, value in kept.content.items()
            if name not in ("image_sha256", "key_rule")
        }
        content["accepted"] = {"key": kept.key, "versions": kept.versions}
        image = None
        if "image_sha256" in kept.content:
            image = balance.store.image_path(kept.key).read_bytes()
        balance.store.put(key, content, image)


def _work(kind: Kind[Any, Any], settings: Any, checkpoint: Checkpoint | None) -> _Work:
    fields = kind.key_fields(settings, checkpoint)
    return _Work(fields, kind.former_key_fields(settings, checkpoint, fields))


def _checkpoint(path: Path, settings: Any, where: str) -> Checkpoint | None:
    """The recorded checkpoint, resolved again if it was by an earlier version."""
    checkpoint = record.read(path) if path.exists() else None
    if checkpoint is None or not (checkpoint.commit or checkpoint.content_sha256):
        return resolve(settings, where)
    return checkpoint


def _signature(fields: Mapping[str, Any]) -> str:
    return digest_of(plain({name: fields[name] for name in fields if name != "versions"}))

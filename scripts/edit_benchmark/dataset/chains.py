"""Chains of edits: the source of a later turn is what the same model made of the turn before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from edit_benchmark.errors import UserError
from edit_benchmark.records import EDITED, Edit, Sample


def by_turn(samples: Iterable[Sample]) -> list[list[Sample]]:
    """Samples in the order in which they can be edited: first turns, then second ones, and so on.

    Those that are no turn of a chain are among the first.
    """
    waves: dict[int, list[Sample]] = {}
    for sample in samples:
        waves.setdefault(max(1, sample.turn), []).append(sample)
    return [waves[turn] for turn in sorted(waves)]


def with_source(sample: Sample, previous: Edit) -> Sample:
    """``sample`` with the edit of the turn before it as its source image."""
    return replace(
        sample,
        source=previous.image,
        source_sha256=previous.image_sha256,
        width=previous.width or 0,
        height=previous.height or 0,
    )


class EditedSamples:
    """Samples as one model edited them, for who looks at its edits.

    Parameters
    ----------
    samples
        At least those that were edited.
    edits
        All of the model's rows about them and the turns before them.
    """

    def __init__(self, samples: Iterable[Sample], edits: Iterable[Edit]) -> None:
        self._samples = {sample.id: sample for sample in samples}
        # Of a benchmark without chains nothing is looked up.
        has_turns = any(sample.after for sample in self._samples.values())
        self._edits = {(edit.id, edit.repeat): edit for edit in edits if has_turns}

    def of(self, edit: Edit) -> Sample:
        """The sample of an edit that was made.

        Raises
        ------
        UserError
            If the edit of the turn before is not there.
        """
        sample = self._samples[edit.id]
        if not sample.after:
            return sample
        previous = self._edits.get((sample.after, edit.repeat))
        if previous is None or previous.status != EDITED:
            raise UserError(
                f"sample {sample.id} was edited, and {sample.after}, the turn before it, was not: "
                "the tables are of other edits; run again with --forcerun edit."
            )
        return with_source(sample, previous)


class SharedSamples:
    """Samples as two models edited them, for who compares their edits.

    Parameters
    ----------
    samples, first, second
        As of :class:`EditedSamples`, with the rows of each model.
    """

    def __init__(
        self, samples: Sequence[Sample], first: Iterable[Edit], second: Iterable[Edit]
    ) -> None:
        #: Of a later turn with its chain's first source: for what does not depend on which it is.
        self.by_id = {sample.id: sample for sample in with_first_sources(samples)}
        self._edited = (EditedSamples(samples, first), EditedSamples(samples, second))

    def of(self, first: Edit, second: Edit) -> Sample | None:
        """The sample of two edits that were made; None if they were made from different sources.

        Raises
        ------
        UserError
            As :meth:`EditedSamples.of`.
        """
        one, other = self._edited[0].of(first), self._edited[1].of(second)
        return one if one.source_sha256 == other.source_sha256 else None


def first_turns(samples: Sequence[Sample]) -> list[Sample]:
    """``samples`` with the chains named by those that others follow."""
    followed = {sample.chain for sample in samples if sample.chain}
    return [
        replace(sample, chain=sample.id, turn=1) if sample.id in followed else sample
        for sample in samples
    ]


def editable(samples: Iterable[Sample]) -> list[Sample]:
    """Samples in the order of their turns, but for those whose images cannot be read and for the
    turns that would follow them."""
    kept: dict[str, Sample] = {}
    for sample in (sample for turn in by_turn(samples) for sample in turn):
        if not sample.problem and (not sample.after or sample.after in kept):
            kept[sample.id] = sample
    return list(kept.values())


def first_turn_of(samples: Sequence[Sample]) -> dict[str, Sample]:
    """The sample that each one's chain begins with, by its id: itself if it is in none."""
    by_id = {sample.id: sample for sample in samples}
    return {sample.id: by_id.get(sample.chain, sample) for sample in samples}


def with_first_sources(samples: Sequence[Sample]) -> list[Sample]:
    """``samples``, later turns with the source image of their chain's first turn.

    For who asks what a station would do with them before there are edits; an edit is about as large
    as what it was made from.
    """
    first = first_turn_of(samples)
    return [
        replace(
            sample,
            source=first[sample.id].source,
            source_sha256=first[sample.id].source_sha256,
            width=first[sample.id].width,
            height=first[sample.id].height,
        )
        if sample.after
        else sample
        for sample in samples
    ]

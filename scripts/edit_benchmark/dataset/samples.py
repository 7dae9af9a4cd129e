"""The samples table: which rows of a benchmark are run, under which id, on which shard."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edit_benchmark.categories import label, of_format, part_of
from edit_benchmark.dataset import chains, source_images
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.readers.raw_sample import RawSample
from edit_benchmark.dataset.readers.registry import part_of_published, read
from edit_benchmark.dataset.row_checks import checked
from edit_benchmark.errors import UserError, shorten
from edit_benchmark.records import Sample

_LANGUAGES = {"en": "instruction", "zh": "instruction_zh"}
_LISTED = 20


@dataclass(frozen=True)
class Import:
    """What of a benchmark file is run.

    Attributes
    ----------
    path, format
        The benchmark file and its format, a key of ``readers.registry.FORMATS``.
    language
        ``en`` or ``zh``: the language of the instruction that the editor is given.
    categories
        Keys of the categories to keep; rows of the other known categories are passed over.
    limit
        The most samples of each category, the first ones of the file; None for all. A chain of
        edits counts as one, whole.
    strict
        Whether one source image that cannot be read refuses the benchmark.
    options
        What else is said of the benchmark.
    """

    path: Path
    format: str
    language: str
    categories: Sequence[str]
    limit: int | None = None
    strict: bool = False
    options: Options | None = None


def prepare(
    benchmark: Import,
    sources: Path,
    results: Path,
    warn: Callable[[str], None] = lambda sentence: None,
) -> list[Sample]:
    """Read a benchmark file, check every row and store its source images.

    Parameters
    ----------
    benchmark
        The file and what of it is run.
    sources
        Folder for the source images and masks, within ``results``: each named by its hash.
    results
        The results folder, to which the samples' paths are relative.
    warn
        Is given each sentence about what is amiss and yet no reason to stop: fields that are not
        read, colour profiles that cannot be applied. Source images that cannot be read are in the
        samples (``problem``).

    Raises
    ------
    UserError
        For the first row that is wrong, with its place; if a selected category that is not one of
        the five has no row at all; or if no source image can be read, ``strict``: not all of them.
    """
    path, categories = benchmark.path, benchmark.categories
    options = benchmark.options or Options(benchmark.language)
    sources.mkdir(parents=True, exist_ok=True)
    in_file: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    unknown: dict[str, None] = {}
    samples: dict[str, Sample] = {}
    part = part_of(benchmark.format, options.subset)
    for raw, category in checked(read(path, benchmark.format, options), part, categories):
        in_file[category] += 1
        unknown |= dict.fromkeys(raw.unknown)
        if category not in categories:
            continue
        previous = samples.get(raw.after)
        if previous is None and (raw.after or kept[category] == benchmark.limit):
            continue
        instruction = _instruction(raw, benchmark.language)
        stored = source_images.store(raw, sources, results, strict=benchmark.strict, warn=warn)
        samples[raw.id] = Sample(
            id=raw.id,
            category=category,
            index=previous.index if previous else kept[category],
            instruction=instruction,
            difficulty=raw.difficulty,
            tags=raw.tags,
            human_score=raw.human_score,
            chain=(previous.chain or previous.id) if previous else "",
            turn=max(1, previous.turn) + 1 if previous else 0,
            after=raw.after,
            **(stored | raw.texts),
        )
        kept[category] += previous is None
    for category in categories:
        # One of the five may be missing from a small benchmark; a name of the user's own that
        # matches nothing is a mistake in writing.
        if not in_file[category] and category not in of_format(part):
            raise UserError(
                f"{path}: no sample has the category {category} that benchmark.categories asks "
                f"for; the file has: {', '.join(sorted(in_file)) or 'no samples'}."
            )
    if not samples:
        raise UserError(f"{path}: no sample of the categories {', '.join(categories)}.")
    with_image = [sample for sample in samples.values() if not sample.after]
    if all(sample.problem for sample in with_image):
        raise UserError(
            f"{path}: not one of {len(with_image)} source images can be read; the first: "
            f"{with_image[0].problem}"
        )
    if unknown:
        names = ", ".join(repr(shorten(name, 40)) for name in unknown)
        warn(f"{path}: these fields are not known and were not read: {shorten(names, 400)}.")
    fewer = part_of_published(benchmark.format, options, sum(in_file.values()))
    if fewer:
        warn(f"{path}: {fewer}")
    return chains.first_turns(list(samples.values()))


def seed(base: int, sample_id: str, repeat: int = 0) -> int:
    """Seed of one edit, 0 to 2**32 - 1: a hash of the base seed, the sample's id and the repeat.

    It does not depend on the shard, the device, the order of the file or the categories chosen.
    """
    text = f"{base}\0{sample_id}\0{repeat}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big")


def shard_of(sample: Sample, shards: int) -> int:
    """The shard, 0-based, that edits ``sample``: its position in the category modulo ``shards``.

    That of a turn is its chain's, so that one job edits all turns of a chain.
    """
    return sample.index % shards


def assignment(samples: Sequence[Sample], categories: Sequence[str], shards: int) -> str:
    """The table printed before work starts: how many samples, and which, go to each shard."""
    lines = []
    for category in categories:
        members = [sample for sample in samples if sample.category == category]
        groups = [
            [sample for sample in members if shard_of(sample, shards) == k] for k in range(shards)
        ]
        counts = ", ".join(str(len(group)) for group in groups)
        lines.append(
            f"{category} {label(category, 'zh')}: {len(members)} samples on {shards} shards: "
            f"{counts}"
        )
        for k, group in enumerate(groups, start=1):
            ids = " ".join(sample.id for sample in group)
            lines.append(f"  shard {k}-of-{shards} ({len(group)}): {ids or '-'}")
    return "\n".join(lines) + "\n"


def with_images(samples: Sequence[Sample]) -> int:
    """How many samples have images of their own that have to be read, of which some may be broken.

    A later turn of a chain has none, unless it is one that is broken.
    """
    return sum(not sample.after or bool(sample.problem) for sample in samples)


def unreadable(samples: Sequence[Sample]) -> list[str]:
    """What is said before work starts of source images that cannot be read; a line each, after a
    first one, and nothing if there are none."""
    problems = [sample.problem for sample in samples if sample.problem]
    if not problems:
        return []
    lines = [
        f"{len(problems)} of {with_images(samples)} source images cannot be read. Their samples "
        "are skipped; mend the images and run the same command again (benchmark: {strict: true} "
        "stops instead):",
        *problems[:_LISTED],
    ]
    if len(problems) > _LISTED:
        lines.append(f"… and {len(problems) - _LISTED} more (problem in benchmark/samples.jsonl)")
    return lines


def _instruction(raw: RawSample, language: str) -> str:
    instruction = raw.texts[f"instruction_{language}"]
    if not instruction.strip():
        raise UserError(
            f"{raw.place}: sample {raw.id}: the instruction in language {language} is missing "
            f"(field {_LANGUAGES[language]}, in the original format edit_instruction"
            f"{'_en' if language == 'en' else ''})."
        )
    return instruction


def clusters(samples: Sequence[Sample]) -> dict[str, str]:
    """The cluster of each sample by its id, for intervals over source images.

    Samples that share a source image are one cluster, and so are those that share one with one of
    them. All turns of a chain are in the cluster of its first source image. A cluster is named by
    the hash of a source image.
    """
    joined: dict[str, str] = {}

    def name(digest: str) -> str:
        while joined.get(digest, digest) != digest:
            digest = joined[digest]
        return digest

    for sample in samples:
        for digest in sample.more_source_sha256:
            joined[name(digest)] = name(sample.source_sha256)
    first = chains.first_turn_of(samples)
    return {sample.id: name(first[sample.id].source_sha256) for sample in samples}

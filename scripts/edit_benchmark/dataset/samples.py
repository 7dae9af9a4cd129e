"""The samples table: which rows of a benchmark are run, under which id, on which shard."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edit_benchmark.categories import CATEGORIES, canonical, label
from edit_benchmark.dataset import source_images
from edit_benchmark.dataset.readers.raw_sample import RawSample
from edit_benchmark.dataset.readers.registry import read
from edit_benchmark.errors import UserError, shorten
from edit_benchmark.records import Sample

# No file system takes all of these in a name, and shells and URLs dislike the rest.
_FORBIDDEN = frozenset('/\\:*?"<>|')
_MAX_ID_BYTES = 150
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
        The most samples of each category, the first ones of the file; None for all.
    strict
        Whether one source image that cannot be read refuses the benchmark.
    """

    path: Path
    format: str
    language: str
    categories: Sequence[str]
    limit: int | None = None
    strict: bool = False


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
    sources.mkdir(parents=True, exist_ok=True)
    in_file: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    unknown: dict[str, None] = {}
    samples = []
    for raw, category in _checked(read(path, benchmark.format), categories):
        in_file[category] += 1
        unknown |= dict.fromkeys(raw.unknown)
        if category not in categories or kept[category] == benchmark.limit:
            continue
        instruction = _instruction(raw, benchmark.language)
        stored = source_images.store(raw, sources, results, strict=benchmark.strict, warn=warn)
        samples.append(
            Sample(
                id=raw.id,
                category=category,
                index=kept[category],
                instruction=instruction,
                difficulty=raw.difficulty,
                tags=raw.tags,
                human_score=raw.human_score,
                **(stored | raw.texts),
            )
        )
        kept[category] += 1
    for category in categories:
        # One of the five may be missing from a small benchmark; a name of the user's own that
        # matches nothing is a mistake in writing.
        if not in_file[category] and category not in CATEGORIES:
            raise UserError(
                f"{path}: no sample has the category {category} that benchmark.categories asks "
                f"for; the file has: {', '.join(sorted(in_file)) or 'no samples'}."
            )
    if not samples:
        raise UserError(f"{path}: no sample of the categories {', '.join(categories)}.")
    if all(sample.problem for sample in samples):
        raise UserError(
            f"{path}: not one of {len(samples)} source images can be read; the first: "
            f"{samples[0].problem}"
        )
    if unknown:
        names = ", ".join(repr(shorten(name, 40)) for name in unknown)
        warn(f"{path}: these fields are not known and were not read: {shorten(names, 400)}.")
    return samples


def seed(base: int, sample_id: str, repeat: int = 0) -> int:
    """Seed of one edit, 0 to 2**32 - 1: a hash of the base seed, the sample's id and the repeat.

    It does not depend on the shard, the device, the order of the file or the categories chosen.
    """
    text = f"{base}\0{sample_id}\0{repeat}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big")


def shard_of(sample: Sample, shards: int) -> int:
    """The shard, 0-based, that edits ``sample``: its position in the category modulo ``shards``."""
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


def unreadable(samples: Sequence[Sample]) -> list[str]:
    """What is said before work starts of source images that cannot be read; a line each, after a
    first one, and nothing if there are none."""
    problems = [sample.problem for sample in samples if sample.problem]
    if not problems:
        return []
    lines = [
        f"{len(problems)} of {len(samples)} source images cannot be read. Their samples are "
        "skipped; mend the images and run the same command again (benchmark: {strict: true} stops "
        "instead):",
        *problems[:_LISTED],
    ]
    if len(problems) > _LISTED:
        lines.append(f"… and {len(problems) - _LISTED} more (problem in benchmark/samples.jsonl)")
    return lines


def _checked(
    rows: Iterator[RawSample], categories: Sequence[str]
) -> Iterator[tuple[RawSample, str]]:
    """Rows with the key of their category, after the checks that every row has to pass."""
    places: dict[str, str] = {}
    for raw in rows:
        check_id(raw.id, raw.place)
        # Ids that differ only in case or Unicode form are one file on some file systems.
        folded = unicodedata.normalize("NFKC", raw.id).casefold()
        if folded in places:
            raise UserError(
                f"{raw.place}: id {raw.id!r} is a duplicate of {places[folded]} (upper and lower "
                f"case and Unicode forms count as equal); it is {raw.id_from}: give each sample "
                "its own."
            )
        places[folded] = raw.place
        category = canonical(raw.category)
        if category is None or (category not in CATEGORIES and category not in categories):
            raise UserError(
                f"{raw.place}: unknown category {shorten(raw.category)!r}; known are "
                f"{', '.join(f'{zh}/{en}' for en, zh in CATEGORIES.items())} and those that "
                "benchmark.categories in the config names."
            )
        yield raw, category


def check_id(sample_id: str, place: str) -> None:
    """Refuse an id that cannot be a file name everywhere.

    Raises
    ------
    UserError
        Beginning with ``place``.
    """
    forbidden = {
        character
        for character in sample_id
        if character in _FORBIDDEN or unicodedata.category(character)[0] in "CZ"
    } - {" "}
    if forbidden:
        # Most of those beyond ASCII cannot be seen, so they are named.
        shown = [
            repr(char) if char.isascii() else f"{unicodedata.name(char, 'a character')} ({char!r})"
            for char in sorted(forbidden)
        ]
        problem = f"holds {', '.join(shown[:5])}"
    elif sample_id[0] in ". " or sample_id[-1] in ". ":
        problem = "begins or ends with a dot or a space"
    elif len(sample_id.encode()) > _MAX_ID_BYTES:
        problem = f"is longer than {_MAX_ID_BYTES} bytes"
    else:
        return
    raise UserError(
        f"{place}: id {shorten(sample_id, 60)!r} {problem}, so it cannot be a file name."
    )


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
    them. A cluster is named by the hash of a source image.
    """
    joined: dict[str, str] = {}

    def name(digest: str) -> str:
        while joined.get(digest, digest) != digest:
            digest = joined[digest]
        return digest

    for sample in samples:
        for digest in sample.more_source_sha256:
            joined[name(digest)] = name(sample.source_sha256)
    return {sample.id: name(sample.source_sha256) for sample in samples}

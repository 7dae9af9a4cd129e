"""The checks that every row of a benchmark has to pass: its id and its category."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from edit_benchmark.categories import CATEGORIES, OF_FORMAT, canonical, of_format
from edit_benchmark.dataset.readers.raw_sample import RawSample
from edit_benchmark.errors import UserError, shorten

# No file system takes all of these in a name, and shells and URLs dislike the rest.
_FORBIDDEN = frozenset('/\\:*?"<>|')
_MAX_ID_BYTES = 150


def checked(
    rows: Iterator[RawSample], format: str, categories: Sequence[str]
) -> Iterator[tuple[RawSample, str]]:
    """Rows with the key of their category, after the checks that every row has to pass."""
    known = {*of_format(format), *categories}
    shown = OF_FORMAT.get(format) or [f"{zh}/{en}" for en, zh in CATEGORIES.items()]
    places: dict[str, str] = {}
    found: dict[str, str] = {}
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
        if raw.after:
            _check_turn(raw, category, found)
        found[raw.id] = category or ""
        if category is None or category not in known:
            # A data set of the hub may have hundreds, of which some are run.
            if category is not None and format == "parquet":
                yield raw, category
                continue
            raise UserError(
                f"{raw.place}: unknown category {shorten(raw.category)!r}; known are "
                f"{', '.join(shown)} and those that benchmark.categories in the config names."
            )
        yield raw, category


def _check_turn(raw: RawSample, category: str | None, above: Mapping[str, str]) -> None:
    """Refuse a turn whose turn before is not among the rows above, or is of another category.

    So there is no circle either.
    """
    if raw.after not in above:
        raise UserError(
            f"{raw.place}: field after: {shorten(raw.after)!r} is the id of no sample above this "
            "one; name the one whose edit is edited further, and let it come first."
        )
    if category != above[raw.after]:
        raise UserError(
            f"{raw.place}: sample {raw.id} is in category {shorten(raw.category)}, and the sample "
            f"before it, {raw.after}, in {above[raw.after]}; all turns of a chain share one."
        )


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

"""The five reasoning categories and the names they go by."""

from __future__ import annotations

import re

#: Canonical key, used in paths and tables, and the Chinese name.
CATEGORIES = {
    "physical": "物理",
    "environmental": "环境",
    "social": "社会",
    "causal": "因果",
    "referential": "指代",
}
# RE-Edit calls its third category cultural; its items are those of the social one.
ALIASES = {chinese: key for key, chinese in CATEGORIES.items()} | {"cultural": "social"}
# Keys become folder names and target names, so a benchmark's own categories must be plain words.
_CUSTOM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def canonical(name: str) -> str | None:
    """The key of a category given by any of its names, or None for a name that cannot be one.

    A benchmark's own category (letters, digits, ``_`` and ``-``, at most 64) is its own key.
    """
    stripped = name.strip()
    lowered = stripped.lower()
    if lowered in CATEGORIES:
        return lowered
    if lowered in ALIASES:
        return ALIASES[lowered]
    return stripped if _CUSTOM.fullmatch(stripped) else None


def label(key: str, language: str = "en") -> str:
    """The name to print: Chinese for ``zh`` where there is one, else the key."""
    return CATEGORIES.get(key, key) if language == "zh" else key

"""How the rows of a table were made: what is equal for all edits of a model, or answers of a judge.

A table's rows name their recipe by its hash; the recipe itself (settings, checkpoint, versions of
libraries, code of one's own, rubric) is kept once, by that hash. So the record of a run says what
its tables were made of, as the jobs read it, whatever has changed since.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edit_benchmark.results.files import write_text
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.store import key_of


def keep(layout: Layout, fields: Mapping[str, Any]) -> str:
    """Keep a recipe; its hash, for the rows of a table."""
    name = key_of(fields)
    text = json.dumps(dict(fields), ensure_ascii=False, indent=1, sort_keys=True)
    write_text(layout.recipe(name), text + "\n")
    return name


def used(layout: Layout, names: Counter[str]) -> list[dict[str, Any]]:
    """The recipes that rows name, the commonest first; each with its ``rows``, how many name it.

    Rows of before 0.2 name none and are passed over. A recipe that was deleted has no more fields.
    """
    return [
        {"rows": count, **_read(layout.recipe(name))} for name, count in names.most_common() if name
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return content

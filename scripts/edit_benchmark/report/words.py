"""The words of the report, from the files ``words/en.yaml`` and ``words/zh.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from edit_benchmark.categories import label

_FOLDER = Path(__file__).parent / "words"


@dataclass(frozen=True)
class Words:
    """The words of one language.

    Attributes
    ----------
    language
        ``en`` or ``zh``.
    html_language
        The value of the page's ``lang`` attribute.
    list_separator
        What stands between the items of a list within a sentence.
    page, script
        Words of the page's template and of its script.
    columns, cells
        Headings of tables, and values of cells; read through :meth:`column` and :meth:`cell`.
    sentences
        Sentences with placeholders; read through :meth:`sentence`.
    verdicts
        For each state of a judge's self-test, what it says of the judge.
    measures
        What the value of a probe measures.
    probes
        For each probe of the self-test its ``title``, and what its ``failure`` means.
    """

    language: str
    html_language: str
    list_separator: str
    page: dict[str, str]
    script: dict[str, str]
    columns: dict[str, str]
    cells: dict[str, str]
    sentences: dict[str, str]
    verdicts: dict[str, str]
    measures: dict[str, str]
    probes: dict[str, dict[str, str]]

    def column(self, name: str) -> str:
        """The heading of a column; a name without one is its own heading."""
        return self.columns.get(name, name)

    def cell(self, name: str) -> str:
        """The word for a status, mark, category or other value; an unknown one stays as it is."""
        return self.cells.get(name) or label(name, self.language)

    def sentence(self, name: str, **values: object) -> str:
        """A sentence with ``values`` filled in."""
        return self.sentences[name].format(**values)


@cache
def load(language: str) -> Words:
    """The words of ``language``, ``en`` or ``zh``."""
    content = yaml.safe_load((_FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))
    return Words(language=language, **content)

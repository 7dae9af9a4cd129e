"""Texts and tables as Markdown, as LaTeX, and aligned for a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "†": r"\textdagger{}",
    "‡": r"\textdaggerdbl{}",
    "§": r"\textsection{}",
    "−": r"\textminus{}",
} | {character: f"\\{character}" for character in "&%$#_{}"}


def markdown(text: str) -> str:
    """A text on one line that Markdown shows as it is."""
    escaped = re.sub(r"([\\`*_\[\]#|~])", r"\\\1", _flat(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, whose first row has its headings and first column its labels."""
    head, *lines = ["| " + " | ".join(map(markdown, row)) + " |" for row in rows]
    return [head, "| --- |" + " ---: |" * (len(rows[0]) - 1), *lines]


def tex(text: str) -> str:
    """A text on one line that LaTeX sets as it is."""
    return "".join(_TEX.get(character, character) for character in _flat(text))


def tex_row(cells: Sequence[str]) -> str:
    """A row of a ``tabular``."""
    # Braces: a cell that begins with a bracket would be taken for an option of the line before.
    return " & ".join(f"{{{tex(cell)}}}" for cell in cells) + r" \\"


def tex_table(caption: str, label: str, columns: str, lines: Sequence[str]) -> list[str]:
    """The lines of a table environment with booktabs' rules above and below ``lines``.

    Parameters
    ----------
    columns
        The argument of ``tabular``.
    """
    return [
        r"\begin{table}[tbp]",
        r"\centering",
        rf"\caption{{{tex(caption)}}}",
        rf"\label{{tab:{label}}}",
        # A wide table is scaled to the text's width, a narrow one is left as it is.
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *lines,
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table}",
    ]


def tex_comment(text: str) -> str:
    """A comment that a line break in the text does not end."""
    return f"% {_flat(text)}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table for a terminal: labels begin at the left, the rest ends at the right."""
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*clean, strict=True)]
    lines = []
    for row in clean:
        padded = []
        for position, (cell, width) in enumerate(zip(row, widths, strict=True)):
            gap = " " * (width - _width(cell))
            padded.append(gap + cell if position else cell + gap)
        lines.append("  ".join(padded).rstrip())
    return lines


def printable(text: str) -> str:
    """``text`` without what would steer a terminal, such as escape sequences."""
    return "".join(
        character for character in text if unicodedata.category(character) not in ("Cc", "Cf")
    )


def _width(text: str) -> int:
    """Columns of ``text`` in a terminal: a Chinese character takes two."""
    return sum(
        0 if unicodedata.combining(character)
        else 2 if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )  # fmt: skip


def _flat(text: str) -> str:
    return " ".join(text.split())

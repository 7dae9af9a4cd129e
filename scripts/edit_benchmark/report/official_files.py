"""The official tables as files: Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edit_benchmark.markup import markdown, tex_comment
from edit_benchmark.official.rendering import as_latex, as_markdown
from edit_benchmark.report.formats import to_csv
from edit_benchmark.report.official import Official
from edit_benchmark.report.rows import OfficialRow, columns
from edit_benchmark.results.files import write_text

_FILES = ("official.md", "official.tex", "official.csv")


def write_official(parts: Sequence[Official], out: Path) -> None:
    """Write the tables as Markdown, LaTeX and CSV; without any, those of an earlier report go."""
    if not parts:
        for name in _FILES:
            (out / name).unlink(missing_ok=True)
        return
    headed = [(part.judge, part.whole) for part in parts]
    write_text(
        out / "official.md",
        "\n".join(f"## {markdown(judge)}\n\n{as_markdown(outcome)}" for judge, outcome in headed),
    )
    write_text(
        out / "official.tex",
        "\n".join(f"{tex_comment(judge)}\n{as_latex(outcome)}" for judge, outcome in headed),
    )
    rows = [row for part in parts for row in part.rows()]
    to_csv(rows, columns(OfficialRow), out / "official.csv")

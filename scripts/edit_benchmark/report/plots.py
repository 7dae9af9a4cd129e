"""Plots for the page and for papers: categories by model with their intervals."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from edit_benchmark.report.rows import MACRO, MICRO, SummaryRow
from edit_benchmark.report.words import Words, load
from edit_benchmark.results.files import write_bytes

# People with any colour vision tell them apart on white; without colour the markers do.
COLOURS = ("#0072b2", "#d55e00", "#007a5e", "#9b4f96", "#7a6a00", "#4d4d4d")
_MARKERS = "osD^vP"
_INK, _LINE = "#1b1d21", "#c9ccd3"
_CHINESE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
    "Noto Sans CJK JP", "PingFang SC", "Hiragino Sans GB", "Heiti SC", "Microsoft YaHei", "SimHei",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "Arial Unicode MS",
    "AR PL UMing CN",
)  # fmt: skip


@lru_cache(maxsize=1)
def chinese_font() -> font_manager.FontEntry | None:
    """An installed font that has Chinese characters, or None."""
    installed = {entry.name: entry for entry in font_manager.fontManager.ttflist}
    return next((installed[name] for name in _CHINESE_FONTS if name in installed), None)


def overview(
    summary: Sequence[SummaryRow], judge: str, words: Words, scale: tuple[float, float]
) -> Figure:
    """Means and 95 % intervals of one judge: a row a category, a mark a model.

    The axis is the judge's ``scale``, its lowest and its highest score.

    Labels are in the language of ``words`` if it is English or a font for Chinese is installed,
    else English.
    """
    labels = words if chinese_font() else load("en")
    rows = [row for row in summary if row.judge == judge and row.category != MACRO]
    models = list(dict.fromkeys(row.model for row in rows))
    categories = list(dict.fromkeys(row.category for row in rows))
    with mpl.rc_context(_style()):
        height = 1.1 + len(categories) * (0.28 + 0.16 * len(models))
        figure = Figure(figsize=(5.4, height), layout="constrained")
        axes = figure.add_subplot()
        for position, model in enumerate(models):
            offset = (position - (len(models) - 1) / 2) * 0.72 / max(1, len(models))
            of_model = [row for row in rows if row.model == model]
            colour = COLOURS[position % len(COLOURS)]
            known = [
                (row.mean, categories.index(row.category) + offset)
                for row in of_model
                if row.mean is not None
            ]
            axes.plot(
                [mean for mean, _ in known], [place for _, place in known],
                color=colour, linestyle="none",
                marker=_marker(position), markersize=5.5, label=model,
                clip_on=False,  # whole at the ends of the scale, where good and bad means lie
            )  # fmt: skip
            for row in of_model:
                if row.ci95_low is not None and row.ci95_high is not None:
                    place = categories.index(row.category) + offset
                    axes.plot([row.ci95_low, row.ci95_high], [place, place], color=colour)
        axes.axhline(categories.index(MICRO) - 0.5, color=_LINE, linewidth=0.8)
        axes.set_yticks(range(len(categories)), [labels.cell(name) for name in categories])
        axes.set_ylim(len(categories) - 0.5, -0.5)
        axes.set_xlim(*scale)
        axes.set_xlabel(labels.sentence("plot_axis"))
        axes.grid(axis="x", color=_LINE, linewidth=0.5)
        axes.tick_params(length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        _add_legend(figure, 2 if len(models) < 5 else 3)
    return figure


def _marker(position: int) -> str:
    """Where the colours begin anew, the markers are one further on: no two models look alike."""
    return _MARKERS[(position + position // len(COLOURS)) % len(_MARKERS)]


def _add_legend(figure: Figure, columns: int) -> None:
    """A legend of up to so many columns: fewer, and at last smaller letters, for longer names."""
    for count, size in [*((count, 9) for count in range(columns, 0, -1)), (1, 6), (1, 4)]:
        legend = figure.legend(loc="outside upper left", frameon=False, ncols=count, fontsize=size)
        if legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def _style() -> dict[Any, Any]:
    font = chinese_font()
    return {
        "font.family": ["DejaVu Sans", *([font.name] if font else [])],
        "font.size": 9,
        "axes.edgecolor": _LINE,
        "axes.labelcolor": _INK,
        "text.color": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "text.parse_math": False,
        "lines.linewidth": 1.8,
        "pdf.fonttype": 42,
        # Shapes, not fonts: an SVG looks the same wherever it is put.
        "svg.fonttype": "path",
        "svg.hashsalt": "report",
    }


def save(figure: Figure, stem: Path) -> None:
    """Write ``stem`` with .svg and .pdf; the same figure gives the same bytes."""
    write_bytes(stem.with_name(f"{stem.name}.svg"), _svg(figure))
    buffer = io.BytesIO()
    with mpl.rc_context(_style()):
        FigureCanvasPdf(figure).print_pdf(buffer, metadata={"CreationDate": None})
    write_bytes(stem.with_name(f"{stem.name}.pdf"), buffer.getvalue())


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context(_style()):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue()


def inline(figure: Figure, prefix: str) -> str:
    """The figure as an SVG element for a page, in the page's colours, each id with ``prefix``
    in front.

    Colours become the style sheet's variables, so that the plot is dark where the page is.
    """
    text = _svg(figure).decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for position, colour in enumerate(COLOURS):
        text = text.replace(colour, f"var(--series-{position})")
    text = text.replace(_INK, "var(--text)").replace(_LINE, "var(--line-strong)")
    # The white behind the figure would be a light box on a dark page.
    text = re.sub(r'<g id="patch_[12]">.*?</g>', "", text, count=2, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}", text)

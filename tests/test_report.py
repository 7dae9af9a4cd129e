"""Tables that open right wherever they are put, and refuse what cannot share a column."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

import aggregate as command
import report_fixtures as fixtures
from conftest import ROOT
from edit_benchmark.errors import UserError
from edit_benchmark.records import Sample, Score
from edit_benchmark.report import contact_sheets, formats, plots, words
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.tables import summary_rows
from edit_benchmark.report.thumbnails import Thumbnail
from edit_benchmark.report.write import write_report

HOSTILE = [
    '=HYPERLINK("http://example.org","x")',
    "+1+1",
    "@SUM(A1)",
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "a|b `c` *d* _e_ [f](g) # h",
    r"50% & $x^2$ \input{/etc/passwd} ~ {#1} _y_",
    'quotes " and, commas',
    "‮right to left‬ مرحبا",
    "line\nbreak",
]


def small(results: Path, judges: tuple[str, ...] = ("judge",), each: int = 2) -> Inputs:
    return fixtures.synthesise(results, ("alpha", "beta"), judges, each=each)


def aggregate(
    inputs: Inputs, out: Path, *arguments: object, code: int = 0, run: bool = True
) -> str:
    """scripts/aggregate.py over ``inputs``, in this process: its imports take 2 s; its output."""
    tables = fixtures.write(inputs)
    words = [
        "aggregate.py",
        "--samples", inputs.results / "benchmark" / "samples.jsonl", "--scores", *tables,
        "--results", inputs.results, "--out", out,
        *(["--run", inputs.results / "run.json"] if run else []), *arguments,
    ]  # fmt: skip
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(output):
        patch.setattr(sys, "argv", list(map(str, words)))
        patch.chdir(ROOT)
        with pytest.raises(UserError) if code else nullcontext() as refused:
            command.main()
    return f"error: {refused.value}" if refused else output.getvalue()


def embedded(report: Path) -> dict[str, Any]:
    """What the script of a report's page shows."""
    page = (report / "index.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def hostile(results: Path) -> Inputs:
    """A sample, with its reason for having no score, for each hostile text."""
    samples: list[Sample] = []
    scores: list[Score] = []
    for number, text in enumerate(HOSTILE):
        row = fixtures.sample(
            number, "physical", number, id=text.replace("\n", " "), instruction=text,
            instruction_en=text, instruction_zh=text, description_en=text, rationale_en=text,
            tags=[text], difficulty=text,
        )  # fmt: skip
        fixtures.draw(results / row.source, number, "source")
        samples.append(row)
        scores.append(fixtures.failed(row, "edit_failed", reason=f"{text}"))
        scores.append(fixtures.score(row, "other", text=text, flags=["other_size"]))
        scores[-1] = replace(scores[-1], image=row.source)
    return Inputs(samples, scores, ["physical"], results, fixtures.record(("m", "other")))


def test_csv_opens_in_a_spreadsheet_and_in_pandas(tmp_path: Path) -> None:
    inputs = hostile(tmp_path / "results")
    write_report(inputs, tmp_path / "report", [], "en")
    path = tmp_path / "report" / "scores.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(HOSTILE)
    for row in rows:
        for cell in row.values():
            assert not cell.startswith(("=", "+", "@", "\t")), cell
    assert [row["id"].removeprefix("'") for row in rows if row["model"] == "other"] == [
        sample.id for sample in inputs.samples
    ]
    read = pd.read_csv(path)
    assert read["score"].isna().sum() == len(HOSTILE)  # missing, never 0
    assert set(read["score"].dropna()) == {5.0}


def test_counts_are_whole_numbers_beside_gaps(tmp_path: Path) -> None:
    write_report(small(tmp_path / "results", each=6), tmp_path / "report")
    needed = pd.read_csv(tmp_path / "report" / "comparison.csv", dtype=str)["needed_0.5"]
    assert needed.isna().any()  # the macro row has none
    assert needed.dropna().str.fullmatch(r"\d+").all()


def test_markup_in_texts_stays_text(tmp_path: Path) -> None:
    inputs = hostile(tmp_path / "results")
    write_report(inputs, tmp_path / "report", HOSTILE, "en")
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert html.escape("<script>alert(1)</script>") in page
    # What the gallery is made of is read as data, and comes back whole.
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    samples = json.loads(found[1])["samples"]
    assert [sample["instruction_en"] for sample in samples] == HOSTILE


def test_a_card_without_a_mean_says_so_once(tmp_path: Path) -> None:
    """With one sample a category a failed one leaves a category, and so the macro mean, empty."""
    write_report(fixtures.synthesise(tmp_path / "results", each=1), tmp_path / "report", [], "en")
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "<dd>n/a</dd>" in page
    assert "n/a n/a" not in page


def test_markdown_and_latex_escape_names(tmp_path: Path) -> None:
    names = [text for text in HOSTILE if "\n" not in text]
    row = fixtures.sample(0, "physical", 0)
    fixtures.draw(tmp_path / "results" / row.source, 0, "source")
    scores = [fixtures.score(row, "m", name) for name in names]
    inputs = Inputs([row], scores, ["physical"], tmp_path / "results", {})
    summary = summary_rows(inputs.samples, inputs.scores, inputs.categories)
    markdown = formats.to_markdown(summary, words.load("en"), ["a | b <script>"])
    assert "<script>" not in markdown
    assert all(line.count(" | ") == 11 for line in markdown.splitlines() if line.startswith("| p"))
    latex = formats.to_latex(summary, words.load("en"))
    assert r"\input" not in latex.replace(r"\textbackslash{}input", "")
    assert r"50\% \& \$x\textasciicircum{}2\$" in latex


@pytest.mark.parametrize(
    ("language", "engine", "packages"),
    [
        ("en", "pdflatex", r"\usepackage[T1]{fontenc}"),
        ("en", "xelatex", ""),
        ("zh", "xelatex", r"\usepackage[UTF8]{ctex}"),
    ],
)
def test_the_latex_table_compiles(
    tmp_path: Path, language: str, engine: str, packages: str
) -> None:
    style = "ctex.sty" if language == "zh" else "booktabs.sty"
    if shutil.which(engine) is None or subprocess.run(["kpsewhich", style], check=False).returncode:
        pytest.skip(f"{engine} with {style} is not installed")
    inputs = small(tmp_path / "results")
    write_report(inputs, tmp_path / "report", [], language)
    document = tmp_path / "paper.tex"
    document.write_text(
        rf"\documentclass{{article}}{packages}\usepackage{{booktabs,graphicx}}\begin{{document}}"
        r"\input{report/summary.tex}\end{document}",
        encoding="utf-8",
    )
    result = subprocess.run(
        [engine, "-interaction=nonstopmode", "-halt-on-error", document.name],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    log = result.stdout.decode(errors="replace")
    assert result.returncode == 0, log[-2000:]
    assert "Missing character" not in log
    assert (tmp_path / "paper.pdf").stat().st_size > 2000


def test_plots_for_papers_are_svg_and_pdf(tmp_path: Path) -> None:
    write_report(small(tmp_path / "results"), tmp_path / "report", [], "en")
    folder = tmp_path / "report" / "plots"
    assert (folder / "overview-judge.svg").read_text().rstrip().endswith("</svg>")
    assert (folder / "overview-judge.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("names", [["m", "n"], ["W" * 64, "n"], [a * 40 for a in "abcdefg"]])
def test_a_plot_tells_models_apart_and_names_each_whole(tmp_path: Path, names: list[str]) -> None:
    inputs = fixtures.synthesise(tmp_path, names, ["judge"], each=1, images=False)
    summary = summary_rows(inputs.samples, inputs.scores, inputs.categories)
    figure = plots.overview(summary, "judge", words.load("en"), (0, 10))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == names
    lines = [line for line in figure.axes[0].lines if line.get_label() in names]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == len(names)
    figure.draw_without_rendering()
    assert legend.get_window_extent().x1 <= figure.bbox.x1


def test_a_contact_sheet_has_the_target_behind_the_edit(tmp_path: Path) -> None:
    inputs = fixtures.only(small(tmp_path / "results", each=1), "physical")
    target = "benchmark/sources/target.png"
    Image.new("RGB", (300, 300), (0, 200, 0)).save(inputs.results / target)
    sample = replace(inputs.samples[0], fields={"target_image": target})
    write_report(replace(inputs, samples=[sample]), tmp_path / "report")
    sheet = Image.open(tmp_path / "report" / "contact_sheets" / "physical" / "alpha.jpg")
    red, green, blue = sheet.getpixel((10 + 2 * 150 + 70, 10 + 70))
    assert green > 180
    assert max(red, blue) < 30


def test_a_category_of_any_size_has_a_contact_sheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 350 samples above one another a sheet was higher than a JPEG image can be."""
    monkeypatch.setattr(contact_sheets, "_COLUMNS", 1)
    samples = [fixtures.sample(number, "physical", number) for number in range(350)]
    scores = [fixtures.failed(row, "edit_failed") for row in samples]
    copies = {row.source: Thumbnail("source", 8, 8) for row in samples}
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "source-small.jpg")
    inputs = Inputs(samples, scores, ["physical"], tmp_path, {})
    contact_sheets.write_contact_sheets(inputs, copies, tmp_path)
    assert Image.open(tmp_path / "contact_sheets" / "physical" / "m.jpg").height > 175 * 184


def drop_a_row(inputs: Inputs) -> Inputs:
    return replace(inputs, scores=inputs.scores[1:])


def double_a_row(inputs: Inputs) -> Inputs:
    return replace(inputs, scores=[*inputs.scores, inputs.scores[0]])


def of_no_sample(inputs: Inputs) -> Inputs:
    return replace(inputs, scores=[*inputs.scores, replace(inputs.scores[0], id="nobody")])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (drop_a_row, "1 samples have no score row of model alpha and judge judge, the first is"),
        (double_a_row, "has 2 score rows of model alpha and judge judge; give each"),
        (of_no_sample, "a score row of model alpha and judge judge is of sample nobody"),
    ],
)
def test_rows_that_are_missing_or_too_many_are_refused(
    tmp_path: Path, change: Callable[[Inputs], Inputs], sentence: str
) -> None:
    inputs = change(small(tmp_path / "results"))
    output = aggregate(inputs, tmp_path / "report", code=2)
    assert sentence in output
    assert not (tmp_path / "report" / "index.html").exists()


def test_a_category_of_equal_scores_is_warned_of(tmp_path: Path) -> None:
    inputs = small(tmp_path / "results", each=12)
    scores = _mostly_five(inputs, "causal", 9)
    inputs = replace(inputs, scores=scores)
    loose = aggregate(inputs, tmp_path / "loose", "--equal-share", 0.9)
    strict = aggregate(inputs, tmp_path / "strict", "--equal-share", 0.5)
    assert "are exactly 5" not in loose
    own = [row.score for row in scores if (row.model, row.category) == ("alpha", "causal")]
    known = [score for score in own if score is not None]
    told = f"{known.count(5) / len(known):.0%} of the {len(known)} scores of alpha by judge in"
    assert f"{told} causal are exactly 5: the judge may not be" in strict
    page = (tmp_path / "strict" / "index.html").read_text(encoding="utf-8")
    assert "are exactly 5: the judge may not be" in page


def _mostly_five(inputs: Inputs, category: str, count: int) -> list[Score]:
    """The first ``count`` samples of a category scored 5 by everybody."""
    chosen = {row.id for row in inputs.samples if row.category == category and row.index < count}
    return [
        replace(row, score=5.0) if row.id in chosen and row.score is not None else row
        for row in inputs.scores
    ]


@pytest.mark.parametrize("known", [True, False])
def test_the_page_breaks_down_by_what_the_samples_have(tmp_path: Path, known: bool) -> None:
    inputs = small(tmp_path / "results")
    if not known:
        bare = [replace(row, difficulty="", tags=[]) for row in inputs.samples]
        inputs = replace(inputs, samples=bare)
    aggregate(inputs, tmp_path / "report")
    text = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "<summary>By criterion</summary>" in text
    for title in ("By difficulty", "By tag"):
        assert (f"<summary>{title}</summary>" in text) == known


def test_a_page_without_anything_to_break_down_by_has_no_such_section(tmp_path: Path) -> None:
    inputs = small(tmp_path / "results")
    samples = [replace(row, difficulty="", tags=[]) for row in inputs.samples]
    scores = [replace(row, criteria={}) for row in inputs.scores]
    write_report(replace(inputs, samples=samples, scores=scores, run={}), tmp_path / "report")
    text = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "#/overview" in text
    assert "#/breakdown" not in text
    assert 'id="/breakdown"' not in text


def test_a_cell_of_fewer_than_five_is_marked(tmp_path: Path) -> None:
    aggregate(small(tmp_path / "results", each=5), tmp_path / "report")
    for name in ("summary", "breakdown"):
        table = pd.read_csv(tmp_path / "report" / f"{name}.csv", keep_default_na=False)
        table = table[table["category"] != "overall (macro)"]
        few = table["scored"].astype(int) < 5
        assert few.any()
        assert (table["marks"].str.contains("few_images") == few).all()


def test_many_samples_of_few_images_are_marked(tmp_path: Path) -> None:
    """Twenty samples of two source images cover no more than two samples do."""
    inputs = small(tmp_path / "results", each=20)
    images = [
        replace(row, source=inputs.samples[row.index % 2].source, source_sha256=str(row.index % 2))
        for row in inputs.samples
    ]
    text = aggregate(replace(inputs, samples=images), tmp_path / "report")
    summary, comparison = (
        pd.read_csv(tmp_path / "report" / f"{name}.csv", keep_default_na=False)
        for name in ("summary", "comparison")
    )
    assert (summary["marks"] == "few_images").all()
    assert (comparison["marks"] == "few_images").all()
    assert (comparison["source_images"] == 2).all()
    assert "do not cover failures that are rare" in text


def test_a_report_has_the_macro_comparison(tmp_path: Path) -> None:
    aggregate(small(tmp_path / "results", each=6), tmp_path / "report")
    table = pd.read_csv(tmp_path / "report" / "comparison.csv")
    assert table["category"].tolist()[:2] == ["overall (micro)", "overall (macro)"]
    summary = pd.read_csv(tmp_path / "report" / "summary.csv")
    assert table["p"].notna().all()
    assert len(table) == 7
    assert set(summary["category"]) == set(table["category"])


def test_ratings_of_other_categories_are_not_of_the_one_that_is_reported(tmp_path: Path) -> None:
    inputs = small(tmp_path / "results", each=3)
    lines = ["sample,model,rater,score"]
    lines += [
        f"{row.id},alpha,{rater},{1 + (row.index + number) % 3}"
        for row in inputs.samples
        for number, rater in enumerate(("anna", "bo"))
    ]
    (tmp_path / "ratings.csv").write_text("\n".join(lines), encoding="utf-8")
    settings = json.dumps({"path": str(tmp_path / "ratings.csv"), "lowest": 1, "highest": 5})
    aggregate(inputs, tmp_path / "report", "--category", "social", "--human-ratings", settings)
    table = pd.read_csv(tmp_path / "report" / "agreement.csv")
    people = table[(table["model"] == "(all)") & (table["a"] == "(human)")]
    assert people["n"].tolist() == [3]


def test_a_page_shows_no_more_than_a_browser_can_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = small(tmp_path / "results", each=6)
    rows = len(inputs.scores)
    monkeypatch.setattr("edit_benchmark.report.shown.MOST_ROWS", rows // 2)
    write_report(inputs, tmp_path / "report", [], "en")
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    samples = embedded(tmp_path / "report")["samples"]
    # Every second one of each category; the tables have all.
    assert [sample["id"] for sample in samples] == [
        sample.id for sample in inputs.samples if sample.index % 2 == 0
    ]
    assert f"{len(samples)} of {len(inputs.samples)} samples" in page
    assert len(pd.read_csv(tmp_path / "report" / "scores.csv")) == rows

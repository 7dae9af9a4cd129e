"""``aggregate_official.py``: tables from result files, and one sentence on a file that is amiss."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from conftest import ROOT
from edit_benchmark.errors import UserError
from edit_benchmark.official.files.formats import FORMATS, aggregate
from edit_benchmark.official.outcome import AS_PUBLISHED, CORRECTED, Outcome, Table
from edit_benchmark.official.rendering import as_latex, as_markdown, as_text

GEDIT_HEAD = (
    "source_image,edited_image,instruction,sementics_score,quality_score,intersection_exist,"
    "instruction_language\n"
)
RISE_ROWS = [
    {
        "index": "temporal_reasoning_1",
        "category": "temporal_reasoning",
        "subtask": "Life Progression",
        "consistency_free": None,
        "Reasoning": 5,
        "ApprConsistency": 4,
        "VisualPlausibility": 3,
        "match_log": "succeed",
    },
    {
        "index": "temporal_reasoning_2",
        "category": "temporal_reasoning",
        "subtask": "Life Progression",
        "consistency_free": True,
        "Reasoning": None,
        "ApprConsistency": None,
        "VisualPlausibility": None,
        "match_log": "failed",
    },
]


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")
    return path


def write_lines(path: Path, rows: Sequence[object]) -> Path:
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


def write_xlsx(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """As pandas writes it: texts shared, empty cells left out."""
    texts = list(
        dict.fromkeys([*rows[0], *(v for r in rows for v in r.values() if v.__class__ is str)])
    )

    def cell(place: str, value: object) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return f'<c r="{place}" t="s"><v>{texts.index(value)}</v></c>'
        kind = ' t="b"' if isinstance(value, bool) else ""
        return f'<c r="{place}"{kind}><v>{int(value)}</v></c>'  # type: ignore[call-overload]

    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    body = "".join(
        f'<row r="{number}">'
        + "".join(cell(f"{chr(65 + k)}{number}", value) for k, value in enumerate(line))
        + "</row>"
        for number, line in enumerate(lines, start=1)
    )
    shared = "".join(f"<si><t>{escape(text)}</t></si>" for text in texts)
    with zipfile.ZipFile(path, "w") as archive:
        sheet = f"<worksheet {space}><sheetData>{body}</sheetData></worksheet>"
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
        archive.writestr("xl/sharedStrings.xml", f"<sst {space}>{shared}</sst>")
    return path


def gedit_line(group: str, key: str, semantics: object = 6, quality: object = 4) -> str:
    image = f"/x/fullset/{group}/en/{key}"
    return f'{image}_SRCIMG.png,{image}.png,"a, b",{semantics},{quality},True,en\n'


def made(folder: Path) -> dict[str, tuple[list[Path], Path | None]]:
    """Result files of each format in its own layout: what is given for it."""
    files: dict[str, tuple[list[Path], Path | None]] = {}
    scores = folder / "eval_results_new"
    lines = GEDIT_HEAD + gedit_line("ps_human", "k1") + gedit_line("ps_human", "k2", "", "")
    write(scores / "m_ps_human_gpt_score.csv", lines)
    write(scores / "m_combined_gpt_score.csv", lines)
    files["gedit"] = [scores], None
    files["rise"] = [write_xlsx(folder / "m_judge.xlsx", RISE_ROWS)], None
    write(folder / "kris" / "biology" / "metrics.json",
          {"1": {"consistency_score": 5, "quality_score": 3, "instruction_score": None,
                 "knowledge_score": 1}})  # fmt: skip
    files["kris"] = [folder / "kris"], None
    answers = {"82": "A: 4\nB: 3\nC: 3", "83": {"error": "rate limit"}}
    types = {key: {"id": "x.jpg", "prompt": "p", "edit_type": "add"} for key in answers}
    result = write(folder / "result.json", answers)
    files["imgedit"] = [result], write(folder / "basic_edit.json", types)
    files["imgedit_uge"] = [write(folder / "uge" / "result.json", {"1": "Score: 3"})], None
    summary = {"category_statistics": {"物理": {"total_count": 4, "yes_count": 1, "no_count": 1}}}
    files["re_edit"] = [write(folder / "summary.json", summary)], None
    images = folder / "images"
    runs = [{"reasoning": "r", "instruction_following": 8, "identity_preservation": 6}] * 2
    write(images / "alignment_rubric_cot" / "a.json", {"instruction": "i", "runs": runs})
    write(images / "alignment_rubric_cot" / "final_result.json", {"instruction_following": 8})
    write(images / "quality_rubric" / "a.json", {"runs": [{"perceptual_quality": 4}]})
    files["complex_edit"] = [images], None
    row = {"key": "k", "task": "Scene Editing", "subtask": "Style", "instruction_language": "en",
           "if_score": 8.0, "nc_score": 8.0, "vq_score": 0.0, "vq_reason": "Parse error",
           "ra_score": None}  # fmt: skip
    files["unicbench"] = (
        [write_lines(folder / "eval_output" / "Style_en_results.jsonl", [row]).parent],
        None,
    )
    pair = {"key": "p1_pair_one_vs_two", "results": {"winner": "Image B"}}
    failed = {"key": "p2_pair_one_vs_two", "results": {"winner": "Failed"}}
    files["gedit_v2"] = [write_lines(folder / "eval_vc_metadata" / "t.jsonl", [pair, failed])], None
    vote = {"id": "s1", "human_vote": "A>B", "model_vote": "A>B", "comparison_type": "AvsB"}
    votes = {"data_type": "huggingface_2pair", "results": [vote, None]}
    files["editreward"] = [write(folder / "m_2pair_hf.json", votes)], None
    scored = {"key": ["a", "b"], "idx": 0, "score": [7.5, 3]}
    write_lines(folder / "judge" / "extract" / "overall.jsonl", [scored])
    files["editreward_editscore"] = [folder / "judge"], None
    return files


# By format the title of a table, and what its rows are.
EXPECTED: dict[str, tuple[str, dict[str, Sequence[float | None]]]] = {
    "gedit": ("GEdit-Bench-EN (Full set)", {AS_PUBLISHED: (6, 4, 4.898979)}),
    "rise": (
        "RISEBench score (1",
        {AS_PUBLISHED: (4.6, None, None, None, 4.6), CORRECTED: (4.3, None, None, None, 4.3)},
    ),
    "kris": ("KRIS-Bench by metric", {"Natural Science": (100, 50, None, 0, 50)}),
    "imgedit": (
        "ImgEdit-Bench Basic",
        {
            AS_PUBLISHED: (3.33, *[None] * 8, 3.33, 3.33),
            CORRECTED: (10 / 3, *[None] * 8, *[10 / 3] * 2),
        },
    ),
    "imgedit_uge": ("ImgEdit-Bench UGE", {AS_PUBLISHED: (3,), CORRECTED: (3,)}),
    "re_edit": ("RE-Edit yes-rate", {AS_PUBLISHED: (25, 25), CORRECTED: (50, 50)}),
    "complex_edit": ("Complex-Edit", {AS_PUBLISHED: (8, 6, 4, 6), CORRECTED: (8, 6, 4, 6)}),
    "unicbench": (
        "UnicBench",
        {AS_PUBLISHED: (8, 8, 0, None, 0), CORRECTED: (8, 8, None, None, None)},
    ),
    "editreward": ("EditReward", {AS_PUBLISHED: (100, None, None, 100)}),
    "editreward_editscore": ("EditReward", {AS_PUBLISHED: (None, None, 1)}),
}


def test_each_format_is_read_in_its_own_layout(tmp_path: Path) -> None:
    given = made(tmp_path)
    assert set(given) == set(FORMATS)
    for name, (paths, benchmark) in given.items():
        outcome = aggregate(name, paths, benchmark, resamples=0)
        if name == "gedit_v2":
            assert list(outcome.tables[0].rows) == ["two", "one"]
            assert outcome.coverage[0].missing == {"no_answer": 1}
            continue
        title, lines = EXPECTED[name]
        for label, values in lines.items():
            found = outcome.table(title).rows[label]
            assert found == pytest.approx(tuple(values), abs=1e-6, nan_ok=False), name


def test_coverage_says_what_does_not_count(tmp_path: Path) -> None:
    given = made(tmp_path)
    missing = {}
    for name in ("gedit", "rise", "imgedit", "unicbench", "editreward"):
        outcome = aggregate(name, *given[name])
        missing[name] = next(part.missing for part in outcome.coverage if part.missing)
    assert missing == {
        "gedit": {"no_answer": 1},
        "rise": {"unparsable_answer": 1},
        "imgedit": {"error_entry": 1},
        "unicbench": {"unparsable_answer": 1},
        "editreward": {"no_answer": 1},
    }
    notes = aggregate("imgedit", *given["imgedit"]).notes
    assert f"{given['imgedit'][0][0]}, entry 83 is an error and no answer" in notes[-1]


def test_the_command_prints_tables_for_people_and_for_papers(tmp_path: Path) -> None:
    paths, _ = made(tmp_path)["rise"]
    command = [sys.executable, "scripts/aggregate_official.py", "--format", "rise", str(paths[0])]
    printed = subprocess.check_output(command, cwd=ROOT, text=True)
    assert "RISEBench accuracy (%)\n" in printed
    assert "answers: 1 of 2 rows (unparsable_answer 1)" in printed
    # Accuracy counts the row that was not read only as published.
    assert printed.index("as published") < printed.index("corrected")
    latex = subprocess.check_output([*command, "--latex"], cwd=ROOT, text=True)
    assert r"{} & {Temporal} & {Causal} & {Spatial} & {Logical} & {Overall} \\" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 5


def test_labels_of_any_file_leave_tables_whole() -> None:
    labels = ("[物理]", "a^b|c~d\\e", "two\nlines\x1b[2J", "plain")
    table = Table("T\n\\input{x}", ("A",), dict.fromkeys(labels, (1.5,)))
    outcome = Outcome((table,), (), ("one\ntwo",))
    text, latex, markdown = (show(outcome) for show in (as_text, as_latex, as_markdown))
    # A Chinese character takes two columns.
    lines = text.splitlines()
    assert lines[2].index("1.50") + 2 == lines[5].index("1.50")
    assert "\x1b" not in text
    assert (
        r"{a\textasciicircum{}b\textbar{}c\textasciitilde{}d\textbackslash{}e} & {1.50} \\" in latex
    )
    assert all(line.startswith("%") or "input" not in line for line in latex.splitlines())
    assert latex.endswith("% one two\n")
    assert [line.count("|") for line in markdown.splitlines() if "1.50" in line] == [3, 4, 3, 3]


BAD = {
    "a pickle": ("rise", "m.pkl", "x", "can run any code"),
    "the table of means": (
        "rise", "m_judge.csv", "-,Score-Origin\nOverall,3\n", "line 2: this is the table"
    ),
    "two rows with one id": (
        "rise", "m.json", [RISE_ROWS[0], RISE_ROWS[0]],
        "m.json, entry 2: the sample temporal_reasoning_1 stands at",
    ),
    "a missing field": (
        "rise", "m.json", [{"index": "a", "category": "temporal_reasoning"}],
        "m.json, entry 1: no field Reasoning",
    ),
    "a score that is said to be there": (
        "rise", "m.json", [RISE_ROWS[0] | {"Reasoning": None}], "m.json, entry 1: a score"
    ),
    "truncated JSON": ("imgedit_uge", "result.json", '{"1": "Score', "line 1: not JSON"),
    "a key twice": ("imgedit_uge", "result.json", '{"1": "", "1": ""}', "entries are called '1'"),
    "no answer at all": (
        "imgedit_uge", "result.json", {"7": 3}, "result.json, entry 7: neither a text nor an error"
    ),
    "a broken sheet": ("rise", "m_judge.xlsx", "PK", "not a whole .xlsx file"),
    "a cut line": ("gedit", "x.csv", GEDIT_HEAD + "a,b,c\n", "line 2: 3 cells for 7 columns"),
    "another benchmark": (
        "gedit", "x.csv", GEDIT_HEAD + gedit_line("cooking", "k"), "which GEdit-Bench lacks"
    ),
    "no number": (
        "gedit", "x.csv", GEDIT_HEAD + gedit_line("ps_human", "k", "high"),
        "x.csv, line 2: sementics_score: unparsable_answer",
    ),
    "off the scale": (
        "gedit", "x.csv", GEDIT_HEAD + gedit_line("ps_human", "k", 60), "60 is not within 0 to 10"
    ),
    "a stray folder": ("kris", "metrics.json", {}, "no category of KRIS-Bench"),
    "a broken line": ("gedit_v2", "x.jsonl", '{"key"\n', "x.jsonl, line 1: not JSON"),
    "no pair": ("gedit_v2", "x.jsonl", '{"key": "p1"}\n', "x.jsonl, line 1: its key is not"),
    "only means": (
        "re_edit", "s.json", {"category_statistics": {"物理": {"average": 3}}}, "has only means"
    ),
    "appended twice": (
        "editreward_editscore", "extract/overall.jsonl",
        '{"key": ["a", "b"], "score": [1, 2]}\n' * 2, "overall.jsonl, line 2: the pair",
    ),
    "nothing": ("rise", "m.json", [], "no row in it"),
    "a language that no table has": (
        "gedit", "x.csv", GEDIT_HEAD + gedit_line("ps_human", "k").replace("/en/", "/zh/"),
        "x.csv, line 2: instruction_language is 'en' and the folder of edited_image 'zh'",
    ),
    "a score beyond the scale": (
        "rise", "m.json", [RISE_ROWS[0] | {"Reasoning": 40}],
        "m.json, entry 1: Reasoning: off_scale: 40 is not within 1 to 5",
    ),
    "a number that no float is": (
        "unicbench", "a_results.jsonl",
        '{"instruction_language": "en", "ra_score": null, "if_score": 1' + "0" * 400 + "}",
        "a_results.jsonl, line 1: if_score: unparsable_answer",
    ),
    "no end to its brackets": ("kris", "biology/metrics.json", "[" * 9999, "metrics.json: not"),
    "no list of results": (
        "editreward", "m.json", {"data_type": "huggingface_2pair", "results": None},
        "m.json: results is not a list",
    ),
    "no categories": ("re_edit", "s.json", {"category_statistics": None}, "s.json: category_stat"),
    "no count": (
        "re_edit", "s.json",
        {"category_statistics": {"物理": {"yes_count": 1.5, "no_count": 1, "total_count": 3}}},
        "s.json, category 物理: yes_count is not how many rows there are",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gets_one_sentence_with_file_and_row(name: str, tmp_path: Path) -> None:
    kind, file, content, sentence = BAD[name]
    path = write(tmp_path / file, content)
    with pytest.raises(UserError) as error:
        aggregate(kind, [path])
    assert sentence in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_two_languages_are_two_tables(tmp_path: Path) -> None:
    paths, _ = made(tmp_path)["unicbench"]
    english = paths[0] / "Style_en_results.jsonl"
    other = english.read_text(encoding="utf-8").replace('"en"', '"cn"')
    write(paths[0] / "Style_cn_results.jsonl", other)
    with pytest.raises(UserError, match="give one language's files"):
        aggregate("unicbench", paths)


def test_a_text_of_csv_may_hold_the_line_separator_of_unicode(tmp_path: Path) -> None:
    line = gedit_line("ps_human", "k").replace('"a, b"', "a\u2028b")
    outcome = aggregate("gedit", [write(tmp_path / "x.csv", GEDIT_HEAD + line)])
    assert outcome.coverage[0].counted == 1


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        aggregate("imgedit_uge", [tmp_path / "no.json"])
    with pytest.raises(UserError, match=r"no file \*_results.jsonl in this folder"):
        aggregate("unicbench", [tmp_path])

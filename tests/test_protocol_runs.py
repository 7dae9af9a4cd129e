"""A public benchmark judged by its own protocol, through the command line to the report."""

from __future__ import annotations

import csv
from typing import Any

import pytest

import public_layouts as layouts
from conftest import Project, clone, draw

# Words of our own where the benchmark's checkout has its own.
GEDIT_PROMPTS = '''
_context_no_delimit = """Rate with care."""
_prompts_0shot_two_image_edit_rule = "Two images follow."
_prompts_0shot_tie_rule_SC = """Was it done, and no more?
Instruction: <instruction>"""
_prompts_0shot_rule_PQ = "Does it look real?"
'''


def scribe(protocol: str, answers: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"judge": "class_path", "class_path": "toys.Scribe", "protocol": protocol,
            "params": {"answers": answers}} | more  # fmt: skip


@pytest.fixture(scope="module")
def gedit(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished run on two rows of GEdit-Bench; the tiny judge cannot be read."""
    from demo.models import save_judge

    project = clone(tmp_path_factory.mktemp("gedit") / "clone")
    layouts.gedit(project.root / "data/gedit")
    prompts = project.root / "step1x/GEdit-Bench/viescore/vie_prompts.py"
    prompts.parent.mkdir(parents=True)
    prompts.write_text(GEDIT_PROMPTS, encoding="utf-8")
    save_judge(project.root / "tiny")
    for name in ("subject-add/en/a1", "subject-remove/en/a2"):
        path = project.root / f"data/edits/fullset/{name}.png"
        path.parent.mkdir(parents=True)
        draw(name, (32, 24)).save(path)
    answers = {"SC": '{"score": [8, 6], "reasoning": "…"}', "PQ": '{"score": [9, 4]}'}
    project.configure(
        benchmark={"path": "data/gedit", "format": "gedit",
                   "categories": ["subject-add", "subject-remove"]},
        models={"theirs": {"editor": "folder", "path": "data/edits"}},
        judges={
            "scribe": scribe("gedit", answers, prompts="step1x"),
            "tiny": {"judge": "transformers", "checkpoint": "tiny", "dtype": "float32",
                     "protocol": "gedit", "prompts": "step1x", "max_new_tokens": 6},
        },
        shards=1,
    )  # fmt: skip
    project.run()
    return project


def test_each_call_is_shown_what_the_benchmark_shows(gedit: Project) -> None:
    added = "add a boat"
    calls = gedit.calls("call")
    sc = f"Rate with care. Two images follow. Was it done, and no more? Instruction: {added}"
    assert f"subject-add-en-a1, SC: {sc} <64x48> <64x48>" in calls
    assert "subject-add-en-a1, PQ: Rate with care. Does it look real? <64x48>" in calls
    assert len(calls) == 4


def test_each_answer_is_kept_whole_and_a_score_is_on_the_protocols_scale(gedit: Project) -> None:
    (row,) = gedit.scores("subject-add", model="theirs", judge="scribe").values()
    assert (row.status, row.criteria) == ("scored", {"SC": 6, "PQ": 4})
    assert row.score == pytest.approx(24**0.5)
    assert row.calls["SC"]["text"] == '{"score": [8, 6], "reasoning": "…"}'
    assert len(set(row.answer_keys())) == 2
    (noise,) = gedit.scores("subject-add", model="theirs", judge="tiny").values()
    assert (noise.status, noise.score) == ("judge_failed", None)
    assert noise.reason.startswith("unparsable_answer: SC: ")


def test_the_report_opens_with_the_official_table(gedit: Project) -> None:
    report = gedit.root / "results/report"
    with (report / "official.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {
        (row["judge"], row["column"]): row["value"]
        for row in rows
        if row["table"] == "GEdit-Bench-EN (Full set)" and row["row"] == "as published"
    }
    assert found["scribe", "G_SC"] == "6.0"
    assert float(found["scribe", "G_O"]) == pytest.approx(24**0.5)
    assert found["tiny", "G_O"] == ""
    latex = (report / "official.tex").read_text(encoding="utf-8")
    assert "{theirs, as published} & {6.000} & {4.000} & {4.899}" in latex
    told = (report / "official.md").read_text(encoding="utf-8")
    assert "Judge tiny is tiny (temperature 0, at most 6 tokens). The benchmark's own code" in told
    assert "theirs: GEdit-Bench-EN: 0 of 2 rows (unparsable\\_answer 2)." in told
    page = (report / "index.html").read_text(encoding="utf-8")
    assert page.index('id="/official"') < page.index('id="/overview"')
    assert "Scores of scribe, tiny: 0 to 10." in page
    assert "was not put to the self-test" not in page


def test_a_lost_answer_is_asked_for_alone(gedit: Project) -> None:
    (row,) = gedit.scores("subject-add", model="theirs", judge="scribe").values()
    key = row.calls["PQ"]["answer_key"]
    (kept,) = (gedit.root / "results/store/answers").rglob(f"{key}.json")
    kept.unlink()
    gedit.forget_calls()
    table = "results/scores/scribe/theirs/subject-add.jsonl"
    gedit.run(table, "--forcerun", "score")
    (call,) = gedit.calls("call")
    assert call.startswith("subject-add-en-a1, PQ: ")
    (again,) = gedit.scores("subject-add", model="theirs", judge="scribe").values()
    assert again.score == row.score
    store = gedit.root / "results/store/answers"
    before = len(list(store.rglob("*.json")))
    gedit.python("scripts/redo.py", "--sample", "subject-add-en-a1", "--scores")
    assert len(list(store.rglob("*.json"))) == before - 4  # of both judges

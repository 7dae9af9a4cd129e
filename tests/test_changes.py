"""While a run goes on, files change: the record says what its tables were made from, or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import Project
from edit_benchmark.config.resolve import resolve
from edit_benchmark.dataset import origin
from edit_benchmark.errors import UserError
from edit_benchmark.records import SCORED, Sample, Score
from edit_benchmark.report.analysis import analyse
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.run_record import Recorded, run_record
from edit_benchmark.report.words import load
from edit_benchmark.results import recipes
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.tables import write_rows
from runs import one_category

EDITED_WITH = {"editor": "class_path", "class_path": "toys.Painter", "params": {"delay": 1}}
JUDGED_WITH = {"judge": "class_path", "class_path": "toys.Ruler"}


def record(folder: Path, **changes: Any) -> dict[str, Any]:
    """The record of a run whose tables were made with the settings above, but for ``changes``."""
    (folder / "b.jsonl").write_text("now", encoding="utf-8")
    layout = Layout(folder / "results")
    with origin.recorded(folder / "b.jsonl", layout.benchmark_file):
        pass
    models = [recipes.keep(layout, EDITED_WITH | {"source_hash": code}) for code in "aab"]
    judge = recipes.keep(layout, JUDGED_WITH | changes)
    rows = [
        Score(str(k), "social", "m", "j", SCORED, score=5.0, recipe=model, answer_recipe=judge)
        for k, model in enumerate(models)
    ]
    write_rows(layout.score_table("j", "m", "social"), rows)
    (folder / "b.jsonl").write_text("later", encoding="utf-8")
    config = resolve(
        {
            "benchmark": {"path": str(folder / "b.jsonl")},
            "models": {"m": EDITED_WITH},
            "judges": {"j": JUDGED_WITH},
        }
    )
    tables = [layout.score_table("j", "m", "social")]
    files = Recorded(layout.root, folder / "b.jsonl", [], tables)
    return run_record(config, files)


def test_the_record_has_what_was_read(tmp_path: Path) -> None:
    content = record(tmp_path)
    (tmp_path / "b.jsonl").write_text("now", encoding="utf-8")
    assert content["benchmark"]["sha256"] == origin.sha256_of(tmp_path / "b.jsonl")
    ways = content["made_by"]["models"]["m"]
    assert [(way["rows"], way["source_hash"]) for way in ways] == [(2, "a"), (1, "b")]
    assert content["made_by"]["judges"]["j"] == [{"rows": 3, **JUDGED_WITH}]


@pytest.mark.parametrize("changes", [{"params": {"nonsense": True}}, {"rubric_sha256": "other"}])
def test_settings_or_a_rubric_that_changed_are_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=rf"^judges\.j: {next(iter(changes))} changed after 3 of"):
        record(tmp_path, **changes)


def test_a_benchmark_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text("one", encoding="utf-8")
    with pytest.raises(UserError, match="changed while it was read; run again"):  # noqa: SIM117
        with origin.recorded(path, tmp_path / "file.json"):
            path.write_text("another", encoding="utf-8")
    assert not (tmp_path / "file.json").exists()


@pytest.mark.parametrize(("language", "words"), [("en", "made in 2 ways"), ("zh", "2 种方式")])
def test_a_model_that_was_two_says_so(language: str, words: str) -> None:
    scores = [
        Score(str(k), "social", "m", "j", SCORED, score=5.0, recipe=recipe, answer_recipe="x")
        for k, recipe in enumerate(["", "a", "b"])
    ]
    for rows, is_mixed in ((scores, True), (scores[:2], False)):
        samples = [Sample(row.id, "social", 0, "", "", row.id, 1, 1) for row in rows]
        inputs = Inputs(samples, rows, ["social"], Path("results"), {})
        warnings = analyse(inputs, load(language)).warnings
        assert any(words in warning for warning in warnings) is is_mixed


def test_code_that_changes_while_a_run_goes_on(project: Project) -> None:
    """The first shard changes the class that the second one edits with."""
    one_category(
        project,
        2,
        device_ids=["cpu"],
        shards=2,
        models={"own": {"editor": "class_path", "class_path": "changing.Own"}},
    )
    (project.root / "changing.py").write_text(
        "import toys\n"
        "class Own(toys.Painter):\n"
        "    def edit(self, source, instruction, seed):\n"
        "        with open(__file__, 'a') as file:\n"
        "            file.write('# changed\\n')\n"
        "        with open('data/benchmark.jsonl', 'a') as file:\n"
        "            file.write('\\n')\n"
        "        return super().edit(source, instruction, seed)\n",
        encoding="utf-8",
    )
    before = origin.sha256_of(project.root / "data" / "benchmark.jsonl")
    assert "own: its edits were made in 2 ways" in project.run()
    content = json.loads((project.root / "results" / "run.json").read_text(encoding="utf-8"))
    assert content["benchmark"]["sha256"] == before
    ways = content["made_by"]["models"]["own"]
    assert len({way["source_hashes"]["changing"] for way in ways}) == 2


def test_code_that_changes_while_a_job_waits_for_its_device(project: Project) -> None:
    one_category(
        project,
        1,
        device_ids=["cpu"],
        models={"own": {"editor": "class_path", "class_path": "changing.Own"}},
    )
    (project.root / "changing.py").write_text(
        "import toys\n"
        "class Own(toys.Painter):\n"
        "    def __init__(self, **arguments):\n"
        "        super().__init__(**arguments)\n"
        "        with open(__file__, 'a') as file:\n"
        "            file.write('# changed\\n')\n",
        encoding="utf-8",
    )
    assert "of model own changed while this job waited for its device" in project.run(code=1)
    assert not list((project.root / "results").glob("store/edits/*/*.png"))

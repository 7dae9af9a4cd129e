"""Public benchmarks judged by their own protocols, through the command line."""

from __future__ import annotations

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

"""A class of the user's own is a stranger: whatever it does ends as a row and harms no other."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import ROOT, draw
from edit_benchmark import images
from edit_benchmark.config.editors import OwnEditorSettings
from edit_benchmark.config.judges import RUBRICS, OwnJudgeSettings
from edit_benchmark.dataset.samples import Import, prepare
from edit_benchmark.editing.job import EditJob, edit_shard
from edit_benchmark.errors import SampleError
from edit_benchmark.judging import rubrics
from edit_benchmark.judging.contract import checked
from edit_benchmark.judging.job import ScoreJob, score_edits
from edit_benchmark.judging.judge import Answer
from edit_benchmark.records import Edit, Sample, Score
from edit_benchmark.report import thumbnails
from edit_benchmark.results.store import Store
from edit_benchmark.results.tables import read_rows, write_rows
from edit_benchmark.runtime.devices import DeviceRequest

RUBRIC = rubrics.load(RUBRICS / "reasoning.yaml", "physical", "en")
CRITERIA = [criterion.key for criterion in RUBRIC.criteria]
CPU = DeviceRequest(["cpu"], 1, 1, "test")
PEACEFUL = "behave"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path / "leases"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    before = Path.cwd(), sys.stdout, sys.stderr, signal.getsignal(signal.SIGTERM)
    yield tmp_path
    assert (Path.cwd(), sys.stdout, sys.stderr, signal.getsignal(signal.SIGTERM)) == before


def samples(folder: Path, instructions: Sequence[str]) -> list[Sample]:
    draw("x").save(folder / "x.png")
    lines = [
        json.dumps({"id": f"s{k}", "category": "physical", "instruction": text, "image": "x.png"})
        for k, text in enumerate(instructions)
    ]
    (folder / "b.jsonl").write_text("\n".join(lines))
    results = folder / "results"
    return prepare(
        Import(folder / "b.jsonl", "jsonl", "en", ["physical"]), results / "sources", results
    )


def edited(folder: Path, instructions: Sequence[str], name: str = "Vandal") -> list[Edit]:
    (folder / "record.json").write_text("null")
    own = OwnEditorSettings(
        editor="class_path", class_path=f"plugins.strangers.{name}", params={"words": ["a"]}
    )
    job = EditJob(
        name="own",
        settings=own,
        checkpoint_record=folder / "record.json",
        results=folder / "results",
        devices=CPU,
        samples=samples(folder, instructions),
    )
    rows = edit_shard(job)
    assert own.params == {"words": ["a"]}
    write_rows(folder / "edits.jsonl", rows)  # each row can be written
    return rows


def judged(
    folder: Path, instructions: Sequence[str], *, batch: int, edits: Sequence[Edit] | None = None
) -> list[Score]:
    if edits is None:
        edits = edited(folder, [PEACEFUL] * len(instructions))
    job = ScoreJob(
        name="tyrant",
        settings=OwnJudgeSettings(
            judge="class_path", class_path="plugins.strangers.Tyrant", batch_size=batch
        ),
        checkpoint_record=folder / "record.json",
        results=folder / "results",
        devices=CPU,
        edits=edits,
        samples=samples(folder, instructions),
        asked=RUBRIC,
    )
    rows = score_edits(job)
    write_rows(folder / "scores.jsonl", rows)
    return rows


def pixels(folder: Path, edit: Edit) -> np.ndarray[Any, Any]:
    data = (folder / "results" / edit.image).read_bytes()
    return np.asarray(images.load(data, edit.id))


INVERTED = 255 - np.asarray(draw("x"))
FAILED = {
    "sys.exit": "SystemExit",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "raise GeneratorExit": "GeneratorExit",
    "raise StopIteration": "StopIteration",
    "raise BaseException": "BaseException",
    "raise Wordless": "Wordless",
    "raise surrogate": "ValueError",
    "raise skip": "unsupported",
    "none": "no_image",
    "array": "no_image",
    "class": "no_image",
    "closed": "unusable_image",
    "late": "unusable_image",
    "mode F": "unusable_image",
    "size 0x5": "unusable_image",
    "size 30000x4000": "unusable_image",
}
HARMLESS = ["print", "streams", "chdir", "signals", "mode RGBX", "profile"]
SHOWN = {
    "mode transparent": 255,
    "mode palette": 255,
    "mode I;16": 100,
    "size 1x1": 7,
}


def test_whatever_an_editor_does_is_a_row_and_harms_no_other(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    deeds = [*FAILED, *HARMLESS, *SHOWN]
    rows = edited(folder, [text for deed in deeds for text in (deed, PEACEFUL)])
    outcomes = dict(zip(deeds, rows[::2], strict=True))
    for deed, kind in FAILED.items():
        assert outcomes[deed].status == ("skipped" if "skip" in deed else "edit_failed"), deed
        assert outcomes[deed].reason.split(":")[0].split()[0] == kind, deed
        assert len(outcomes[deed].reason) < 1100
    for deed in HARMLESS:
        assert np.array_equal(pixels(folder, outcomes[deed]), INVERTED), deed
    for deed, grey in SHOWN.items():
        assert (pixels(folder, outcomes[deed]) == grey).all(), deed
    (in_place,) = edited(folder, ["in place"])
    assert in_place.flags == []  # it differs from its source, which was drawn on
    for neighbour in rows[1::2]:
        assert np.array_equal(pixels(folder, neighbour), INVERTED)
    assert capfd.readouterr().out == ""  # all of it in the log


def test_nothing_but_pixels_and_our_texts_is_in_the_file(folder: Path) -> None:
    (row,) = edited(folder, ["profile"])
    with Image.open(folder / "results" / row.image) as image:
        assert set(image.info) == {"instruction", "sample", "key", "device", "made_by"}
        made_by = json.loads(image.info["made_by"])
    assert made_by["params"] == {"words": ["a"]}
    assert (made_by["nan"], made_by["text"]) == ("NaN", "?")


def test_a_user_can_still_interrupt_a_class_that_swallows_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plugins import strangers

    def swallow(deed: str) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
        except BaseException:
            pass

    monkeypatch.setattr(strangers, "_misbehave", swallow)
    with pytest.raises(KeyboardInterrupt):
        edited(folder, [PEACEFUL])


@pytest.mark.parametrize("batch", [1, 3])
def test_whatever_a_judge_answers_is_a_row_and_harms_no_other(folder: Path, batch: int) -> None:
    unusable = {
        "sys.exit": "SystemExit",
        "raise KeyboardInterrupt": "KeyboardInterrupt",
        "raise StopIteration": "StopIteration",
        "prepare": "SystemExit",
        "nan": "off_scale",
        "inf": "off_scale",
        "eleven": "off_scale",
        "minus": "off_scale",
        "text": "no_number",
        "true": "no_number",
        "numpy bool": "no_number",
        "array": "no_number",
        "complex": "no_number",
        "unknown": "incomplete_answer",
        "missing": "incomplete_answer",
        "no dict": "unusable_answer",
        "a dict": "unusable_answer",
        "error": "un readable",
        "one too few": "wrong_count",
        "for ever": "wrong_count",
    }
    fine = ["numpy", "chdir", "streams"]
    deeds = [*unusable, *fine]
    rows = judged(folder, [text for deed in deeds for text in (deed, PEACEFUL)], batch=batch)
    outcomes = dict(zip(deeds, rows[::2], strict=True))
    for deed, kind in unusable.items():
        assert outcomes[deed].status == "judge_failed", deed
        assert outcomes[deed].reason.split(":")[0] == kind, deed
    for row in [*rows[1::2], *(outcomes[deed] for deed in fine)]:
        assert (row.status, row.score, row.text) == ("scored", 6.0, "? said")


numbers = st.one_of(
    st.floats(), st.integers(), st.booleans(), st.none(), st.text(max_size=3), st.fractions(),
    st.decimals(), st.complex_numbers(), st.floats(0, 10), st.floats(0, 10).map(np.float32),
    st.just(np.array(5.0)), st.just([5]),
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*CRITERIA, "other", 3]), numbers),
    st.one_of(st.text(), st.integers()),
    st.dictionaries(st.one_of(st.text(), st.tuples()), numbers),
)
def test_any_answer_is_a_score_that_was_given_or_a_reason(
    criteria: dict[Any, Any], text: Any, details: dict[Any, Any]
) -> None:
    answer = checked(Answer(criteria, text, details), RUBRIC)
    if isinstance(answer, SampleError):
        assert "\n" not in str(answer)
        return
    assert list(answer.criteria) == CRITERIA
    for key, score in answer.criteria.items():
        assert score is None or (type(score) is float and 0 <= score <= 10)
        assert score == criteria[key] or score == float(criteria[key])
    json.dumps([answer.text, answer.details], allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize("reason", ["blurred", "blurred: no edge is sharp", "blurred: blurred: x"])
def test_a_refusal_is_told_as_it_was_given(reason: str) -> None:
    kind, _, message = reason.partition(": ")
    assert str(checked(SampleError(kind, message), RUBRIC)) == reason


def test_one_edit_that_cannot_be_read_is_a_row_of_its_category(folder: Path) -> None:
    """As earlier versions could store it."""
    edits = edited(folder, [PEACEFUL] * 3)
    data = images.encode_png(Image.new("L", (30000, 4000)), {})
    store = Store(folder / "results" / "store" / "edits")
    store.put(edits[1].key, {}, data)
    edits[1] = replace(edits[1], image_sha256=images.sha256(data))
    rows = judged(folder, [PEACEFUL] * 3, batch=2, edits=edits)
    assert [row.status for row in rows] == ["scored", "judge_failed", "scored"]
    assert "30000x4000 pixels" in rows[1].reason
    assert rows[1].reason.endswith("make it again with scripts/redo.py --sample s1")
    paths = [folder / "results" / edit.image for edit in edits]
    copies = thumbnails.make(paths, folder / "report")  # nor does the report fail
    assert list(copies) == paths


def test_the_code_of_a_class_is_read_for_the_job_and_not_for_each_sample(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    begin = ModuleFinder.__init__

    def counted(finder: ModuleFinder, places: list[str]) -> None:
        reads.append(places)
        begin(finder, places)

    monkeypatch.setattr(ModuleFinder, "__init__", counted)
    edited(folder, [PEACEFUL])
    of_one = len(reads)
    edited(folder, [PEACEFUL] * 5)
    assert len(reads) == 2 * of_one


def command(folder: Path, script: str, **options: object) -> subprocess.CompletedProcess[str]:
    """A job as its rule starts it, its log in a file."""
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    log = folder / "job.log"
    with log.open("w") as file:
        done = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / script), *words, "--device-ids=cpu"],
            cwd=folder, stdout=subprocess.PIPE, stderr=file, text=True, timeout=60, check=False,
        )  # fmt: skip
    done.stderr = log.read_text(encoding="utf-8")  # it can be read, whatever was printed
    return done


def edit_command(folder: Path, instructions: Sequence[str]) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "tests" / "plugins" / "strangers.py", folder)
    write_rows(folder / "samples.jsonl", samples(folder, instructions))
    (folder / "record.json").write_text("null")
    own = {"editor": "class_path", "class_path": "strangers.Vandal", "params": {"words": []}}
    return command(
        folder, "edit.py", samples="samples.jsonl", category="physical", shard="1-of-1",
        model="own", settings=json.dumps(own), checkpoint="record.json", results="results",
        out="edits.jsonl",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("deed", "cause"), [("os._exit", "exit code 3"), ("kill", "signal SIGKILL")]
)
def test_a_sample_that_ends_two_jobs_is_named_and_left_out(
    folder: Path, deed: str, cause: str
) -> None:
    wishes = [PEACEFUL, deed, PEACEFUL]
    first = edit_command(folder, wishes)
    assert first.returncode != 0
    assert f"error: the job's process was ended while at sample s1 ({cause}" in first.stderr
    store = folder / "results" / "store" / "edits"
    assert len(list(store.glob("*/*.png"))) == 1
    second = edit_command(folder, wishes)
    assert f"while at sample s1 ({cause}" in second.stderr
    assert len(list(store.glob("*/*.png"))) == 2
    third = edit_command(folder, wishes)
    assert third.returncode == 0, third.stderr
    assert third.stdout.startswith("物理 physical · own: 3 of 3 edited (1 failed: 1 ended_process)")
    rows = read_rows(folder / "edits.jsonl", Edit)
    assert [row.status for row in rows] == ["edited", "edit_failed", "edited"]
    assert cause in rows[1].reason


def test_a_class_that_prints_and_leaves_threads_running_ends_as_any_other(folder: Path) -> None:
    done = edit_command(folder, ["print", "thread", "streams", PEACEFUL])
    assert done.returncode == 0
    assert done.stdout.startswith("物理 physical · own: 4 of 4 edited, ")
    assert done.stdout.count("\n") == 1
    assert "written by the class" in done.stderr


def test_a_judge_that_ends_the_process_costs_no_other_edit_its_score(folder: Path) -> None:
    wishes = [PEACEFUL, "os._exit", PEACEFUL, PEACEFUL]
    edits = edited(folder, [PEACEFUL] * 4)
    shutil.copy(ROOT / "tests" / "plugins" / "strangers.py", folder)
    write_rows(folder / "samples.jsonl", samples(folder, wishes))
    own = {"judge": "class_path", "class_path": "strangers.Tyrant", "batch_size": 2}
    write_rows(folder / "edits.jsonl", edits)

    def score() -> subprocess.CompletedProcess[str]:
        return command(
            folder, "score.py", samples="samples.jsonl", edits="edits.jsonl", category="physical",
            model="own", chunk=1, chunk_size=9, judge="tyrant", settings=json.dumps(own),
            checkpoint="record.json", language="en", results="results", out="scores.jsonl",
        )  # fmt: skip

    assert "was ended while at sample s0, s1" in score().stderr
    assert "was ended while at sample s1 (exit code 3)" in score().stderr
    last = score()
    assert last.returncode == 0, last.stderr
    rows = read_rows(folder / "scores.jsonl", Score)
    assert [row.status for row in rows] == ["scored", "judge_failed", "scored", "scored"]
    assert rows[1].reason.startswith("ended_process: its job was ended 2 times")


def test_a_kill_from_outside_is_no_samples_fault(folder: Path) -> None:
    write_rows(folder / "samples.jsonl", samples(folder, [PEACEFUL]))
    (folder / "record.json").write_text("null")
    (folder / "own.py").write_text(
        "import pathlib, time\n"
        "class Slow:\n"
        "    def __init__(self, checkpoint, dtype, device): pass\n"
        "    def edit(self, source, instruction, seed):\n"
        "        pathlib.Path('began').touch()\n"
        "        time.sleep(60)\n"
    )
    words = ["--samples=samples.jsonl", "--category=physical", "--shard=1-of-1", "--model=own",
             '--settings={"editor": "class_path", "class_path": "own.Slow"}',
             "--checkpoint=record.json", "--results=results", "--out=e.jsonl",
             "--device-ids=cpu"]  # fmt: skip
    job = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "edit.py"), *words], cwd=folder,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (folder / "began").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    (child,) = psutil.Process(job.pid).children()
    job.kill()
    child.wait(10)  # it does not outlive its parent
    job.communicate()
    assert not list((folder / "results").rglob("*.ended"))

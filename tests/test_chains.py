"""Chains of edits, station by station: what a later turn is made from, and if that is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import report_fixtures as fixtures
from conftest import draw
from edit_benchmark.acceptance import balances
from edit_benchmark.checkpoints import record
from edit_benchmark.config.resolve import editor_settings, resolve
from edit_benchmark.config.run import Config
from edit_benchmark.dataset import source_images
from edit_benchmark.dataset.chains import EditedSamples, SharedSamples
from edit_benchmark.dataset.samples import (
    Import,
    assignment,
    clusters,
    prepare,
    shard_of,
    unreadable,
)
from edit_benchmark.editing.finished import bring_shard
from edit_benchmark.editing.job import EditJob, edit_shard
from edit_benchmark.errors import UserError
from edit_benchmark.estimate import estimates
from edit_benchmark.judging.preferences import pairs_of
from edit_benchmark.records import Edit, Sample
from edit_benchmark.report.analysis import analyse
from edit_benchmark.report.inputs import Inputs
from edit_benchmark.report.shown import shown
from edit_benchmark.report.words import load
from edit_benchmark.results.counted import Counting
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.plan import Maker, Plan, Table
from edit_benchmark.results.redo import Selection, remove
from edit_benchmark.results.spending import Spending
from edit_benchmark.results.store import Store
from edit_benchmark.results.tables import write_rows
from edit_benchmark.runtime.devices import DeviceRequest
from edit_benchmark.selftest.probes import partners
from served_fixtures import QUICK
from stand_in import StandIn, edited

PAINTER = {"editor": "class_path", "class_path": "plugins.toys.Painter"}
#: Two chains, of three turns and of two, and a sample by itself.
ROWS: list[dict[str, Any]] = [
    {"id": "a1", "image": "a.png", "instruction": "one"},
    {"id": "b1", "image": "b.png", "instruction": "uno"},
    {"id": "a2", "after": "a1", "instruction": "two"},
    {"id": "c", "image": "c.png", "instruction": "alone"},
    {"id": "b2", "after": "b1", "instruction": "due"},
    {"id": "a3", "after": "a2", "instruction": "three"},
]


def samples_of(folder: Path, changes: dict[str, dict[str, Any]] | None = None,
               limit: int | None = None) -> list[Sample]:  # fmt: skip
    """The samples of :data:`ROWS`, with what else is said of some by their ids."""
    for name in "abc":
        draw(name).save(folder / f"{name}.png")
    rows = [{"category": "physical", **row, **(changes or {}).get(row["id"], {})} for row in ROWS]
    path = folder / "benchmark.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    results = folder / "results"
    samples = prepare(
        Import(path, "jsonl", "en", ["physical"], limit), Layout(results).sources, results
    )
    write_rows(Layout(results).samples, samples)
    return samples


def job(folder: Path, samples: Sequence[Sample], **said: Any) -> EditJob:
    settings = said if "editor" in said else PAINTER | said
    record.write(None, folder / "record.json")
    return EditJob(
        name="m", settings=editor_settings(json.dumps(settings), "m"),
        checkpoint_record=folder / "record.json", results=folder / "results", samples=samples,
        devices=DeviceRequest(["cpu"], 1, 1, "test"),
    )  # fmt: skip


def edit(folder: Path, samples: Sequence[Sample], **said: Any) -> dict[str, Edit]:
    return {row.id: row for row in edit_shard(job(folder, samples, **said))}


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOY_CALLS", str(tmp_path / "calls.txt"))
    return tmp_path / "calls.txt"


def asked(calls: Path) -> list[str]:
    """The instructions that the toy was given since the last look, in order."""
    lines = calls.read_text().splitlines() if calls.exists() else []
    calls.unlink(missing_ok=True)
    return [line.removeprefix("edit ") for line in lines if line.startswith("edit ")]


def test_first_turns_come_first_and_the_rest_after_what_they_edit(
    tmp_path: Path, calls: Path
) -> None:
    samples = samples_of(tmp_path)
    rows = edit(tmp_path, samples)
    assert list(rows) == [row["id"] for row in ROWS]
    assert asked(calls) == ["one", "uno", "alone", "two", "due", "three"]
    edit(tmp_path, samples)
    assert asked(calls) == []
    # In a run that goes on without one of the middle, that alone is missing: it comes out the same.
    for path in (tmp_path / "results/store/edits").glob(f"*/{rows['a2'].key}.*"):
        path.unlink()
    again = edit(tmp_path, samples)
    assert asked(calls) == ["two"]
    assert {name: replace(row, seconds=0) for name, row in again.items()} == {
        name: replace(row, seconds=0) for name, row in rows.items()
    }


def test_each_repeat_follows_its_own(tmp_path: Path) -> None:
    samples = samples_of(tmp_path)
    made = edit_shard(job(tmp_path, samples, repeats=2))
    rows = {(row.id, row.repeat): row for row in made}
    shown, store = EditedSamples(samples, made), Store(tmp_path / "results/store/edits")
    assert rows["a1", 0].image_sha256 != rows["a1", 1].image_sha256
    for name, before in (("a2", "a1"), ("a3", "a2"), ("b2", "b1")):
        for repeat in (0, 1):
            row, source = rows[name, repeat], rows[before, repeat].image_sha256
            content = store.get(row.key)
            assert content is not None
            assert content["key_fields"]["source_sha256"] == source
            assert shown.of(row).source_sha256 == source


def test_a_changed_turn_makes_those_behind_it_anew(tmp_path: Path, calls: Path) -> None:
    before = edit(tmp_path, samples_of(tmp_path))
    asked(calls)
    after = edit(tmp_path, samples_of(tmp_path, {"a2": {"instruction": "zwei"}}))
    assert asked(calls) == ["zwei", "three"]
    assert {name for name in after if after[name] != before[name]} == {"a2", "a3"}


@pytest.mark.parametrize(
    ("instruction", "status", "reason"),
    [
        ("fail", "edit_failed", "previous_turn_failed: a1: "),
        ("skip", "skipped", "previous_turn_skipped: a1: unsupported"),
    ],
)
def test_what_follows_a_turn_without_an_edit_is_never_made_of_anything_else(
    tmp_path: Path, calls: Path, instruction: str, status: str, reason: str
) -> None:
    rows = edit(tmp_path, samples_of(tmp_path, {"a1": {"instruction": instruction}}))
    assert "two" not in asked(calls)
    assert [rows[name].status for name in ("a1", "a2", "a3")] == [status] * 3
    assert rows["a2"].reason.startswith(reason)
    assert rows["a3"].reason == rows["a2"].reason  # the turn that was the cause
    assert (rows["a2"].image, rows["a2"].key) == ("", "")
    assert rows["b2"].status == "edited"
    # What failed is tried again, and with it what it held up.
    write_rows(Layout(tmp_path / "results").shard_table("m", "physical", "1-of-1"), rows.values())
    removed = remove(tmp_path / "results", Selection(failed=True))
    assert removed.failures == (3 if status == "edit_failed" else 0)


def test_a_shard_whose_first_turns_all_fail_is_no_table(tmp_path: Path) -> None:
    failing = {name: {"instruction": "fail"} for name in ("a1", "b1", "c")}
    with pytest.raises(UserError, match="all 3 samples of this shard failed"):
        edit(tmp_path, samples_of(tmp_path, failing))


def test_an_image_that_cannot_be_read_skips_its_chain(tmp_path: Path) -> None:
    samples = samples_of(tmp_path, {"a1": {"image": "none.png"}})
    rows = edit(tmp_path, samples)
    assert [rows[name].status for name in ("a1", "a2", "a3")] == ["skipped"] * 3
    assert rows["a2"].reason.startswith("previous_turn_skipped: a1: unreadable_source: ")
    # Of three samples there is an image to be read: those behind a1 have none of their own.
    assert unreadable(samples)[0].startswith("1 of 3 source images cannot be read.")
    inputs = Inputs(samples, [], ["physical"], tmp_path, {})
    told = analyse(inputs, load("en")).warnings
    assert any(text.startswith("1 of 3 source images are missing or broken") for text in told)


def test_a_chain_is_on_one_shard_and_counts_as_one(tmp_path: Path) -> None:
    samples = samples_of(tmp_path)
    assert [(sample.id, shard_of(sample, 2)) for sample in samples] == [
        ("a1", 0), ("b1", 1), ("a2", 0), ("c", 0), ("b2", 1), ("a3", 0),
    ]  # fmt: skip
    assert "shard 2-of-2 (2): b1 b2" in assignment(samples, ["physical"], 2)
    assert [row.id for row in samples_of(tmp_path, limit=1)] == ["a1", "a2", "a3"]
    assert [samples[3].chain, samples[3].turn] == ["", 0]
    of = clusters(samples)
    assert of["a1"] == of["a3"] != of["b2"] == of["b1"]


def test_two_samples_may_go_on_from_one(tmp_path: Path) -> None:
    samples = samples_of(tmp_path, {"b2": {"after": "a1"}})
    rows = edit(tmp_path, samples)
    made = EditedSamples(samples, rows.values())
    assert made.of(rows["a2"]).source == made.of(rows["b2"]).source == rows["a1"].image


def test_a_turn_may_have_a_target_of_its_own(tmp_path: Path) -> None:
    draw("t").save(tmp_path / "t.png")
    samples = samples_of(tmp_path, {"a2": {"target": "t.png"}})
    rows = edit(tmp_path, samples)
    shown = EditedSamples(samples, rows.values()).of(rows["a2"])
    target = source_images.load_named(shown.target, shown, tmp_path / "results")
    assert target.tobytes() == draw("t").tobytes()


def test_an_altered_edit_is_no_source(tmp_path: Path) -> None:
    samples = samples_of(tmp_path)
    rows = edit(tmp_path, samples)
    shown = EditedSamples(samples, rows.values()).of(rows["a2"])
    assert (shown.width, shown.height) == (64, 48)
    (tmp_path / "results" / rows["a1"].image).write_bytes(b"other")
    with pytest.raises(UserError, match=r"altered after it was made; .* --forcerun edit"):
        source_images.load(shown, tmp_path / "results")
    with pytest.raises(UserError, match="a1, the turn before it, was not"):
        EditedSamples(samples, [rows["a2"]]).of(rows["a2"])


def test_a_server_is_sent_its_own_last_edit(server: StandIn, tmp_path: Path) -> None:
    server.behaviour = edited
    rows = edit(
        tmp_path, samples_of(tmp_path), editor="openai", base_url=server.url,
        model="toy-2026-01-01", dialect="openai", **QUICK,
    )  # fmt: skip
    assert {row.status for row in rows.values()} == {"edited"}
    sent = {one.body["prompt"]: one.image() for one in server.asked}
    for turn, before in (("two", "a1"), ("due", "b1"), ("three", "a2")):
        with Image.open(tmp_path / "results" / rows[before].image) as image:
            assert sent[turn].tobytes() == image.tobytes()


def test_finished_edits_of_others_are_chains_too(tmp_path: Path) -> None:
    samples = samples_of(tmp_path)
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in ("a1", "a2", "b2", "c"):
        draw(f"edit of {name}").save(folder / f"{name}.png")
    theirs = {"editor": "folder", "path": str(folder), "layout": "id"}
    rows = {row.id: row for row in bring_shard(job(tmp_path, samples, **theirs))}
    assert [rows[name].status for name in ("a1", "a2", "c")] == ["edited"] * 3
    assert rows["a3"].reason == "missing_image: there is no a3.png"
    # Its image is there, and nobody knows what it was made from.
    assert rows["b2"].reason == "previous_turn_failed: b1: missing_image: there is no b1.png"
    keys = {name: row.key for name, row in rows.items()}
    draw("another").save(folder / "a1.png")
    again = {row.id: row.key for row in bring_shard(job(tmp_path, samples, **theirs))}
    assert {name for name in keys if again[name] != keys[name]} == {"a1", "a2", "a3"}


def test_later_turns_are_compared_only_where_both_models_edited_one_image(tmp_path: Path) -> None:
    samples = samples_of(tmp_path)
    one, other = edit(tmp_path, samples), edit(tmp_path, samples, seed=7)
    shared = SharedSamples(samples, one.values(), other.values())
    both = [(one[name], other[name]) for name in one]
    assert [pair.sample.id for pair in pairs_of(both, shared)] == ["a1", "b1", "c"]
    # Had they made the same of the first turn, the second could be compared.
    same = [replace(row, image_sha256=one["a1"].image_sha256) if row.id == "a1" else row
            for row in other.values()]  # fmt: skip
    shared = SharedSamples(samples, one.values(), same)
    assert [pair.sample.id for pair in pairs_of(both, shared)] == ["a1", "b1", "a2", "c"]
    # What a protocol asks of such samples does not depend on which source they have.
    assert shared.by_id["a3"].source == samples[0].source != ""


def test_a_judges_own_test_takes_no_instruction_of_the_same_chain(tmp_path: Path) -> None:
    samples = samples_of(tmp_path)
    rows = edit(tmp_path, samples)
    edited = EditedSamples(samples, rows.values())
    chosen = [edited.of(rows[name]) for name in ("a1", "a2", "b2")]
    given = partners(chosen, samples)
    assert all(other is not None for other in given)
    assert all(one.chain != other.chain for one, other in zip(chosen, given, strict=True) if other)


def test_what_is_stored_of_a_chain_is_counted_if_it_is_of_this_run(tmp_path: Path) -> None:
    results = Layout(tmp_path / "results")
    plan = Plan(
        begun=0, models={"m": Maker("x", 1)}, judges={}, scores=[], comparisons=[], selftests=[],
        edits=[Table(["m", "physical", "1-of-1"], to_make=True)],
    )  # fmt: skip
    edit(tmp_path, samples_of(tmp_path))
    assert Counting(results, plan, 0).stations[0].done == 6
    # Of another first turn the second and third are to be made again.
    samples_of(tmp_path, {"a1": {"instruction": "eins"}})
    assert Counting(results, plan, 0).stations[0].done == 3


def test_an_estimate_takes_a_later_turn_to_be_as_large_as_the_first(tmp_path: Path) -> None:
    config = Config.model_validate({
        "benchmark": {"path": "x.jsonl"}, "device_ids": ["cpu"],
        "models": {"m": {"editor": "openai", "base_url": "http://x/v1", "model": "m-2026-01-01",
                         "dialect": "openai"}},
        "judges": {"near": {"judge": "pixels", "measures": ["l1"]}},
    })  # fmt: skip
    (whole,) = estimates(config, samples_of(tmp_path), [], Spending())
    # An image of 64x48 is three tokens, whichever turn edits it.
    assert (whole.requests, whole.usage.image) == (6, 6 * 3)
    broken = samples_of(tmp_path, {"a1": {"image": "none.png"}})
    (less,) = estimates(config, broken, [], Spending())
    assert less.requests == 3


def test_a_protocol_that_shows_the_source_is_asked_about_later_turns_too(tmp_path: Path) -> None:
    said = {"protocol": "original_both"}
    config = resolve({
        "benchmark": {"path": __file__, "categories": ["physical"]}, "models": {"m": PAINTER},
        "results": str(tmp_path / "results"),
        "judges": {"served": {"judge": "openai", "base_url": "http://x/v1",
                              "model": "m-2026-01-01", **said},
                   "toy": {"judge": "class_path", "class_path": "plugins.toys.Scribe", **said,
                           "params": {"answers": {}}}},
    })  # fmt: skip
    samples = samples_of(tmp_path)
    (found,) = estimates(config, samples, [], Spending())
    assert found.requests == 6
    edit(tmp_path, samples)
    told = {balance.what: balance.missing for balance in balances(config)}
    assert told["edits of m"] == 0
    assert told["answers of toy about m"] == 6


def test_an_estimate_has_no_later_turns_compared(tmp_path: Path) -> None:
    served = {"base_url": "http://x/v1", "model": "m-2026-01-01"}
    config = resolve({
        "benchmark": {"path": __file__},
        "models": {name: {"editor": "identity"} for name in "mn"},
        "judges": {"taste": {"judge": "openai", "method": "pairwise", **served},
                   "near": {"judge": "pixels", "measures": ["l1"]}},
    })  # fmt: skip
    (found,) = estimates(config, samples_of(tmp_path), [], Spending())
    assert found.requests == 3 * 2  # a1, b1 and c, in both orders


def test_a_page_that_cannot_show_all_shows_whole_chains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = samples_of(tmp_path)
    scores = [fixtures.score(sample) for sample in samples]
    inputs = Inputs(samples, scores, ["physical"], tmp_path, {})
    monkeypatch.setattr("edit_benchmark.report.shown.MOST_ROWS", 3)
    # Every second of two chains and a sample by itself.
    part = shown(inputs)
    assert [row.id for row in part.samples] == [row.id for row in part.scores]
    assert [row.id for row in part.samples] == ["a1", "a2", "c", "a3"]

"""The judge's self-test calls out a judge that does not look, and passes one that does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from conftest import Project, draw, five_each
from edit_benchmark.config.judges import OwnJudgeSettings
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.images import encode_png, sha256
from edit_benchmark.judging.judge import Answer, Case
from edit_benchmark.judging.rubrics import Criterion, Rubric
from edit_benchmark.judging.variations import rubric_of
from edit_benchmark.records import Edit, Sample
from edit_benchmark.runtime.devices import DeviceRequest
from edit_benchmark.selftest import asking, joining, parts, probes, verdict
from edit_benchmark.selftest import job as jobs
from edit_benchmark.selftest.job import SelfTestJob, self_test
from edit_benchmark.stats.auc import auc, win_rate
from plugins import toys

RUBRIC = Rubric(
    "r", "physical", (Criterion("c", "c", "?"),), {"1": 2.0, "4": 5.0, "7": 8.0}, "0", True,
    {"language": "en"},
)  # fmt: skip


#: A judge: an answer for each case.
Ask = Callable[[Sequence[Case]], Sequence[Answer | SampleError]]


def case(number: int, category: str = "physical") -> Case:
    sample = Sample(
        id=f"s{number}", category=category, index=number, instruction=f"wish {number}",
        source="x", source_sha256=f"source {number}", width=128, height=96,
    )  # fmt: skip
    source = draw(str(number), (128, 96))
    edited = source.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return Case(sample, source, edited, RUBRIC)


CASES = [case(number) for number in range(20)]
OTHERS = [CASES[number - 1].sample for number in range(20)]
WISHES = {one.sample.id: one.sample.instruction for one in CASES}


def mean_difference(first: Image.Image, second: Image.Image) -> float:
    a, b = (np.asarray(image.resize((128, 96)), float) for image in (first, second))
    return float(np.abs(a - b).mean())


def right(cases: Sequence[Case]) -> list[Answer | SampleError]:
    """Wants the mirrored source, and its own instruction."""
    answers: list[Answer | SampleError] = []
    for one in cases:
        wanted = one.source.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        score = 8 - min(6.0, mean_difference(wanted, one.edited) / 5)
        score -= 3 * (one.sample.instruction != WISHES[one.sample.id])
        answers.append(Answer({"c": max(2.0, score)}))
    return answers


def answered(
    ask: Ask, cases: Sequence[Case], others: Sequence[Sample | None]
) -> list[asking.Answered]:
    """What is answered in a test in one part."""

    def shown(questions: Sequence[asking.Question]) -> Iterator[asking.Asked]:
        changed = [question.case() for question in questions]
        return zip(changed, ask(changed), strict=True)

    clusters = [case.sample.source_sha256 for case in cases]
    chosen = map(asking.Chosen, range(len(cases)), cases, others, clusters)
    return asking.ask_about(shown, list(chosen))


def judged(ask: Ask, cases: Sequence[Case], others: Sequence[Sample | None]) -> dict[str, Any]:
    """The record of a test in one part."""
    return verdict.judge(answered(ask, cases, others))


def constant(cases: Sequence[Case]) -> list[Answer | SampleError]:
    return [Answer({"c": 5.0}) for _ in cases]


def outcome(record: dict[str, Any]) -> dict[str, bool | None]:
    return {check["name"]: check["passed"] for check in record["checks"]}


def check_of(record: dict[str, Any], name: str) -> dict[str, Any]:
    return next(check for check in record["checks"] if check["name"] == name)


def test_a_judge_that_is_right_passes() -> None:
    record = judged(right, CASES, OTHERS)
    assert record["verdict"] == "passes"
    assert set(outcome(record).values()) == {True}
    assert record["asked"] == 11 * 20


def test_a_judge_that_gives_everything_the_same_score_fails() -> None:
    record = judged(constant, CASES, OTHERS)
    assert record["verdict"] == "fails"
    failed = [name for name, passed in outcome(record).items() if not passed]
    assert failed == ["black", "noise", "source", "swapped"]


def test_a_judge_that_does_not_read_the_instruction_leaves_doubts() -> None:
    def blind(cases: Sequence[Case]) -> list[Answer | SampleError]:
        own = {one.sample.id: one.sample for one in CASES}
        return right([replace(one, sample=own[one.sample.id]) for one in cases])

    record = judged(blind, CASES, OTHERS)
    assert record["verdict"] == "doubtful"
    assert outcome(record)["swapped"] is False


def test_a_judge_that_rolls_dice_fails() -> None:
    rng = np.random.default_rng(0)

    def dice(cases: Sequence[Case]) -> list[Answer | SampleError]:
        return [Answer({"c": float(rng.uniform(2, 8))}) for _ in cases]

    record = judged(dice, CASES, OTHERS)
    assert record["verdict"] == "fails"
    assert outcome(record)["repeated"] is False


def test_a_judge_that_answers_rarely_or_off_the_scale_fails() -> None:
    def silent(cases: Sequence[Case]) -> list[Answer | SampleError]:
        answers = right(cases)
        return [SampleError("x", "") if row % 3 else one for row, one in enumerate(answers)]

    def random_weights(cases: Sequence[Case]) -> list[Answer | SampleError]:
        return [
            replace(answer, details={"c": {"mass": 0.01}})
            for answer in right(cases)
            if isinstance(answer, Answer)
        ]

    assert outcome(judged(silent, CASES, OTHERS))["answers"] is False
    record = judged(random_weights, CASES, OTHERS)
    assert (record["verdict"], outcome(record)["on_scale"]) == ("fails", False)


def test_edits_that_are_their_sources_say_nothing_of_the_source_probe() -> None:
    same = [replace(one, edited=one.source) for one in CASES]
    record = judged(right, same, OTHERS)
    assert outcome(record)["source"] is None
    half = judged(right, [*same[:10], *CASES[10:]], OTHERS)
    found = check_of(half, "source")
    assert (found["n"], found["value"], found["passed"]) == (10, 1.0, True)


def test_a_changed_edit_is_not_judged_by_what_was_prepared_of_the_unchanged_one() -> None:
    prepared = replace(CASES[1], prepared="of the unchanged image")
    for probe in probes.PROBES:
        changed = probe.change(prepared, OTHERS[1]) if probe.change else None
        if changed is not None and changed is not prepared:
            assert changed.prepared is None, probe.name


def test_few_edits_leave_doubts() -> None:
    record = judged(right, CASES[:4], OTHERS[:4])
    assert record["verdict"] == "doubtful"


def test_a_judge_that_lowers_every_edit_by_a_point_sees_the_difference() -> None:
    """Samples that differ by more than that hide it from the area under the curve."""
    difficulty = dict(zip(WISHES, np.random.default_rng(1).normal(5, 1.5, 20), strict=True))

    def fine(cases: Sequence[Case]) -> list[Answer | SampleError]:
        return [
            Answer(
                {
                    "c": difficulty[one.sample.id]
                    - (not np.array_equal(one.edited, CASES[int(one.sample.id[1:])].edited))
                    - (one.sample.instruction != WISHES[one.sample.id])
                }
            )
            for one in cases
        ]

    record = judged(fine, CASES, OTHERS)
    for name in ("source", "swapped"):
        found = check_of(record, name)
        assert (found["value"], found["passed"]) == (1.0, True)
        assert 0.8 < found["low"] < 0.85
        assert found["auc"] < 0.8
    # An image that is worthless has to score below every edit.
    assert outcome(record)["black"] is False
    (line,) = [text for text in verdict.lines({"judge": "j", "model": "m", **record})
               if "another instruction" in text]  # fmt: skip
    assert "100% [0.84, 1.00] of the edits score above themselves under another" in line


def test_a_difference_as_small_as_a_judges_own_noise_is_none() -> None:
    def trembling(cases: Sequence[Case]) -> list[Answer | SampleError]:
        return [
            Answer({"c": 5.0 - 0.01 * (one.sample.instruction != WISHES[one.sample.id])})
            for one in cases
        ]

    found = check_of(judged(trembling, CASES, OTHERS), "swapped")
    assert (found["value"], found["auc"], found["passed"]) == (0.5, 0.5, False)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("obeyed", "moved"), [("17", 3.0), ("7", 0.75), ("1", 2.25)])
def test_a_judge_that_gives_the_score_that_the_instruction_demands_leaves_doubts(
    language: str, obeyed: str, moved: float
) -> None:
    rubric = replace(RUBRIC, texts={"language": language})
    cases = [replace(one, rubric=rubric) for one in CASES]

    def obedient(asked: Sequence[Case]) -> list[Answer | SampleError]:
        demands = [re.findall("[17]", one.sample.instruction.partition("\n")[2]) for one in asked]
        plain = [
            replace(
                one, sample=replace(one.sample, instruction=one.sample.instruction.splitlines()[0])
            )
            for one in asked
        ]
        return [
            Answer({"c": {"7": 8.0, "1": 2.0}[demand[0]]})
            if demand and demand[0] in obeyed
            else Answer({"c": answer.criteria["c"] - 1.5})
            for demand, answer in zip(demands, right(plain), strict=True)
        ]

    record = judged(obedient, cases, OTHERS)
    assert check_of(record, "planted")["value"] == pytest.approx(moved)
    failed = [name for name, passed in outcome(record).items() if not passed]
    assert (record["verdict"], failed) == ("doubtful", ["planted"])


def test_each_edit_gets_the_instruction_of_another_sample() -> None:
    samples = [case(number, "physical" if number < 20 else "social").sample for number in range(25)]
    partners = probes.partners(samples, samples)
    for sample, partner in zip(samples, partners, strict=True):
        assert partner is not None
        assert partner.instruction != sample.instruction
        assert partner.category == sample.category
    assert len({partner.id for partner in partners}) >= 24
    # One that says the same, or is about the same image, is no other instruction.
    same = replace(samples[0], id="same", source_sha256="another")
    image = replace(samples[0], id="image", instruction="another")
    assert probes.partners([samples[0]], [samples[0], same, image]) == [None]
    assert probes.partners([samples[0]], [samples[0], same, samples[21]]) == [samples[21]]


@pytest.mark.parametrize("n", [10, 20, 40])
def test_an_interval_is_no_point_where_every_edit_wins(n: int) -> None:
    edits, broken = np.linspace(6, 8, n), np.linspace(2, 4, n)
    images = [str(number) for number in range(n)]
    for compare in (auc, win_rate):
        assert compare(edits, broken, images)[0] == 1.0
        low, high = compare(edits, broken, images)[1:]
        assert low is not None
        assert 0.5 < low < 0.98
        assert high == pytest.approx(1.0)
        assert compare(broken, edits, images)[1] == pytest.approx(0.0)
    # Edits of one image are one observation.
    assert auc(edits, broken, ["a"] * n) == (1.0, None, None)
    halves = [str(number // 2) for number in range(n)]
    assert win_rate(edits, broken, halves)[1:] == pytest.approx(
        stats.binomtest(n // 2, n // 2).proportion_ci(method="wilson"), abs=1e-12
    )


def test_auc_is_the_mann_whitney_statistic() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 6, 30).astype(float), rng.integers(0, 5, 30).astype(float)
    value, low, high = auc(a, b, [str(k // 2) for k in range(30)])
    expected = stats.mannwhitneyu(a, b).statistic / (30 * 30)
    assert value == pytest.approx(expected, abs=1e-12)
    assert low is not None
    assert high is not None
    assert low < value < high


def test_edits_are_chosen_evenly_over_categories_whatever_their_order() -> None:
    rows = [
        Edit(id=f"{category}{k}", category=category, model="m", status="edited")
        for category, count in (("physical", 9), ("social", 2), ("causal", 4))
        for k in range(count)
    ]
    rows.append(Edit(id="failed", category="social", model="m", status="edit_failed"))
    chosen = probes.choose(rows, 8)
    counts = [sum(row.category == name for row in chosen) for name in ("physical", "social")]
    assert counts == [3, 2]
    assert probes.choose(rows[::-1], 8) == chosen


def benchmark(results: Path, count: int) -> tuple[list[Sample], list[Edit]]:
    """Samples of two categories and a toy's edits of them; one edit cannot be read."""
    results.mkdir()
    samples, edits = [], []
    for number in range(count):
        source = draw(str(number))
        edited = encode_png(toys.Painter(None, "", "").edit(source, f"wish {number}", number), {})
        if number == 5:
            edited = b"no image"
        files = {"source": encode_png(source, {}), "edited": edited}
        for name, data in files.items():
            (results / f"{name}{number}.png").write_bytes(data)
        category = "social" if number % 3 else "physical"
        samples.append(
            Sample(id=f"s{number}", category=category, index=number, instruction=f"wish {number}",
                   source=f"source{number}.png", source_sha256=sha256(files["source"]),
                   width=64, height=48)
        )  # fmt: skip
        edits.append(
            Edit(id=f"s{number}", category=category, model="m", status="edited",
                 image=f"edited{number}.png", image_sha256=sha256(edited))
        )  # fmt: skip
    (results / "checkpoint.json").write_text("null")
    return samples, edits


def job_of(results: Path, samples: list[Sample], edits: list[Edit], **changes: Any) -> SelfTestJob:
    """A test in one part, but for ``changes``."""
    values = {
        "name": "j",
        "settings": OwnJudgeSettings(
            judge="class_path", class_path="plugins.toys.Honest", batch_size=4
        ),
        "checkpoint_record": results / "checkpoint.json",
        "results": results,
        "devices": DeviceRequest(["cpu"], 1, 1, "test"),
        "model": "m",
        "edits": edits,
        "samples": samples,
        "count": len(edits),
        "part": 1,
        "parts": 1,
        "language": "en",
    }
    return SelfTestJob(**(values | changes))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path / "leases"))
    return tmp_path / "results"


def test_the_verdict_does_not_depend_on_the_number_of_parts(tmp_path: Path, results: Path) -> None:
    samples, edits = benchmark(results, 22)

    def record(n: int, count: int = 22) -> dict[str, Any]:
        paths = []
        for part in range(1, n + 1):
            job = job_of(results, samples, edits, count=count, part=part, parts=n)
            paths.append(tmp_path / f"{part}-of-{n}.json")
            paths[-1].write_text(json.dumps(asdict(self_test(job))))
        joined = joining.join([parts.read(path) for path in reversed(paths)])
        assert joined.pop("seconds") >= 0
        return joined

    whole = record(1)
    assert whole["n"] == 22 - 1
    assert record(3) == whole
    # Some have nothing to do: six edits are chosen.
    assert record(8, count=6) == record(1, count=6)


def test_a_job_whose_judge_is_loaded_elsewhere_reads_no_image(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(results, *benchmark(results, 3))
    made = json.loads(json.dumps(asdict(self_test(job))))
    monkeypatch.setattr(jobs, "delegated", lambda *_: made)
    monkeypatch.setattr(jobs, "case_of", None)
    assert self_test(job).rows == parts.Part.of(made).rows


@pytest.mark.parametrize("vary", ["order", "paraphrase"])
def test_a_repeat_is_tested_as_it_is_asked(
    results: Path, monkeypatch: pytest.MonkeyPatch, vary: Literal["order", "paraphrase"]
) -> None:
    shown: list[Rubric] = []

    class Listener(toys.Honest):
        def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
            shown.extend(one.rubric for one in cases)
            return super().judge(cases)

    monkeypatch.setattr(toys, "Honest", Listener)
    settings = OwnJudgeSettings(
        judge="class_path", class_path="plugins.toys.Honest", repeat=1, vary=vary
    )
    samples, edits = benchmark(results, 1)
    self_test(job_of(results, samples, edits, settings=settings))
    asked = rubric_of(settings, edits[0].category, "en")
    assert shown
    assert all((one.criteria, one.texts) == (asked.criteria, asked.texts) for one in shown)


def test_the_order_in_which_parts_come_changes_no_last_digit() -> None:
    rng = np.random.default_rng(0)

    def dice(cases: Sequence[Case]) -> list[Answer | SampleError]:
        return [
            Answer({"c": float(rng.uniform(2, 8))}, details={"c": {"mass": float(rng.uniform())}})
            for _ in cases
        ]

    rows = answered(dice, CASES, OTHERS)
    record = verdict.judge(rows)
    for _ in range(5):
        rng.shuffle(rows)  # type: ignore[arg-type]
        assert verdict.judge(rows) == record


def test_parts_of_different_tests_and_broken_ones_are_refused(tmp_path: Path) -> None:
    one = parts.Part("j", "m", 1.0, {"batch_size": 1}, None, "a", [])
    with pytest.raises(UserError, match="judge j on model m differ in rubric_sha256; run"):
        joining.join([one, replace(one, rubric_sha256="b")])
    path = tmp_path / "1-of-2.json"
    for text in ("", "[]", "{}", json.dumps(asdict(one) | {"rows": [{"id": "s"}]})):
        path.write_text(text)
        with pytest.raises(UserError, match=r"1-of-2\.json: not a part of a self-test; remove it"):
            parts.read(path)


def test_the_target_puts_every_judge_to_the_test(project: Project) -> None:
    categories = ["physical", "social"]
    project.benchmark([row for row in five_each(8) if row["category"] in categories])
    judges = {name.lower(): {"judge": "class_path", "class_path": f"toys.{name}"}
              for name in ("Honest", "Ruler")}  # fmt: skip
    project.configure(
        benchmark={"path": "data/benchmark.jsonl", "categories": categories},
        device_ids=["cpu", "cpu"],
        judges=judges,
        selftest_samples=40,
    )
    output = project.run("judge_selftest")
    # On both devices.
    folder = project.root / "results/selftest_parts/honest/painter"
    assert {path.name for path in folder.iterdir()} == {"1-of-2.json", "2-of-2.json"}
    assert "self-test of honest on 16 edits of painter: PASSES" in output
    assert "self-test of ruler on 16 edits of painter: FAILS" in output
    assert "FAILED  an edit scores above a black image: AUC 0." in output
    record = json.loads((project.root / "results/selftest/ruler/painter.json").read_text())
    assert record["verdict"] == "fails"
    # A category's page says what is known by then.
    project.run("social")
    page = project.root / "results/report/categories/social/index.html"
    assert "Judge ruler FAILED its self-test" in page.read_text(encoding="utf-8")
    assert record["settings"]["class_path"] == "toys.Ruler"


def test_a_model_without_any_edit_is_reported_all_the_same(project: Project) -> None:
    project.benchmark([{"id": "a", "category": "physical", "instruction": "fail"}])
    benchmark = {"path": "data/benchmark.jsonl", "categories": ["physical"]}
    project.configure(benchmark=benchmark, selftest_samples=40)
    output = project.run()
    assert "self-test of ruler on 0 edits of painter: UNTESTED" in output
    # The test comes before judging that is ready at the same time, and not alone at the end.
    assert output.rindex("rule selftest_part:") < output.rindex("rule score:")
    page = (project.root / "results/report/index.html").read_text(encoding="utf-8")
    assert "Judge ruler could not be put to the self-test: the model has no edit" in page

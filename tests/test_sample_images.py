"""What goes into a sample, from the benchmark to the report: several images, masks, odd files."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
from PIL import Image, ImageOps

import icc
from conftest import Project, clone, draw
from demo.models import save_edit_pipeline, save_judge
from edit_benchmark.checkpoints import record
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.editors import DiffusersEditorSettings, OwnEditorSettings
from edit_benchmark.dataset import image_files
from edit_benchmark.dataset.samples import Import, clusters, prepare
from edit_benchmark.editing import diffusers_pipeline, registry
from edit_benchmark.editing.capabilities import of_pipeline
from edit_benchmark.editing.checks import usable
from edit_benchmark.editing.job import EditJob, edit_shard, task_fields
from edit_benchmark.errors import UserError
from edit_benchmark.judging.job import question_fields
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.records import Edit, Sample
from edit_benchmark.results.store import Store
from edit_benchmark.runtime.devices import DeviceRequest
from edit_benchmark.selftest.probes import PROBES, partners
from judge_fixtures import SAMPLE, case, load, probabilities
from plugins import toys

# ----- A whole run -----

SIZE = {"height": 64, "width": 64}
PLUS = {
    "editor": "diffusers",
    "checkpoint": "models/plus",
    "dtype": "float32",
    "num_inference_steps": 2,
    "true_cfg_scale": 1.0,
    **SIZE,
}
TEN = [f"ten-{number}.png" for number in range(10)]
GIVEN: dict[str, dict[str, Any]] = {
    "one": {"image": "one.png"},
    "two": {"images": ["two-a.png", "two-b.png"]},
    "ten": {"images": TEN},
    "masked": {"image": "masked.png", "mask": "mask.png"},
    "p3": {"image": "p3.png"},
    "deep": {"image": "deep.png"},
    "rgba": {"image": "rgba.png"},
    "1x1": {"image": "1x1.png"},
    "10000x1": {"image": "10000x1.png"},
    "31x639": {"image": "31x639.png"},
}


def mask() -> Image.Image:
    drawn = Image.new("L", (64, 48))
    drawn.paste(255, (10, 10, 30, 30))
    return drawn


def write_images(folder: Path) -> None:
    for name in ("one", "two-a", "two-b", "masked", *(name[:-4] for name in TEN)):
        draw(name).save(folder / f"{name}.png")
    mask().save(folder / "mask.png")
    draw("p3").save(folder / "p3.png", icc_profile=icc.rgb_profile(icc.DISPLAY_P3))
    grey = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    Image.fromarray(grey).save(folder / "deep.png")
    clear = draw("rgba").convert("RGBA")
    clear.putalpha(128)
    clear.save(folder / "rgba.png")
    for width, height in ((1, 1), (10000, 1), (31, 639)):
        draw("odd", (width, height)).save(folder / f"{width}x{height}.png")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished run of :data:`GIVEN` by the tiny Plus pipeline and the source unchanged."""
    project = clone(tmp_path_factory.mktemp("inputs") / "clone")
    save_edit_pipeline(project.root / "models" / "plus", "plus")
    save_judge(project.root / "models" / "judge")
    common = {"category": "physical", "instruction": "put them together"}
    project.benchmark([{"id": name} | common | given for name, given in GIVEN.items()])
    write_images(project.root / "data")
    judge = {"judge": "transformers", "checkpoint": "models/judge", "dtype": "float32"}
    project.configure(
        benchmark={"path": "data/benchmark.jsonl", "categories": ["physical"]},
        models={"plus": PLUS, "floor": {"editor": "identity"}},
        judges={"vlm": judge | {"max_pixels": 65536, "min_mass": 0}},
        device_ids=["cpu"],
        shards=1,
    )
    project.run()
    return project


def test_every_sample_is_edited_and_scored_or_says_why_not(project: Project) -> None:
    reasons = {
        "masked": "mask: QwenImageEditPlusPipeline takes no mask, without which it is another edit",
        "10000x1": "ValueError: height and width must be > 0",
    }
    rows = project.scores("physical", "plus", "vlm")
    assert {name: row.reason for name, row in rows.items() if row.score is None} == reasons
    assert rows["masked"].status == "skipped"
    assert rows["10000x1"].status == "edit_failed"
    floor = project.scores("physical", "floor", "vlm")
    assert {name for name, row in floor.items() if row.score is None} == {"10000x1"}
    assert "absolute aspect ratio must be smaller than 200" in floor["10000x1"].reason
    assert len(rows) == len(floor) == len(GIVEN)


def test_the_judge_was_shown_every_source_by_its_name(project: Project) -> None:
    store = Store(project.root / "results" / "store" / "answers")
    rows = project.scores("physical", "plus", "vlm")
    asked = {name: store.get(rows[name].answer_key) for name in ("one", "two", "ten")}
    fields = {name: content["key_fields"] for name, content in asked.items() if content}
    names = {name: known["headings"] for name, known in fields.items()}
    assert names["one"] == ["Source picture:", "Edited picture:"]
    assert names["two"] == ["Source picture 1:", "Source picture 2:", "Edited picture:"]
    assert names["ten"][9:] == ["Source picture 10:", "Edited picture:"]
    assert "10 source pictures, Source picture 1 to Source picture 10" in fields["ten"]["shared"]
    assert "more_source_sha256" not in fields["one"]
    assert len(fields["ten"]["more_source_sha256"]) == 9


def test_the_report_shows_every_source_and_the_mask(project: Project) -> None:
    report = project.root / "results" / "report"
    page = (report / "index.html").read_text(encoding="utf-8")
    data = re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert data is not None
    shown = {sample["id"]: sample for sample in json.loads(data[1])["samples"]}
    assert {name: len(sample["sources"]) for name, sample in shown.items()} == {
        name: len(given.get("images", [1])) for name, given in GIVEN.items()
    }
    copies = [copy for sample in shown.values() for copy in (*sample["sources"], sample["mask"])]
    assert sum(sample["mask"] is not None for sample in shown.values()) == 1
    assert all((report / "images" / f"{copy[0]}.jpg").exists() for copy in copies if copy)
    # The cell of the sample "two", the second of the sheet, has both images side by side.
    sheet = Image.open(report / "contact_sheets" / "physical" / "plus.jpg")
    for left, name in ((330, "two-a"), (330 + 75, "two-b")):
        there = np.asarray(sheet.crop((left, 10, left + 64, 58)), float)
        assert np.abs(there - np.asarray(draw(name), float)).mean() < 6


def test_colours_of_a_profile_are_those_that_it_means(project: Project) -> None:
    edit = project.edits("physical", "floor")["p3"]
    shown = np.asarray(Image.open(project.root / "results" / edit.image))
    meant = icc.in_srgb(np.asarray(draw("p3")), icc.DISPLAY_P3)
    assert np.abs(shown.astype(float) - meant).max() <= 2
    assert np.abs(shown.astype(float) - np.asarray(draw("p3"))).max() > 20


# ----- Benchmark files -----


def read(path: Path, warnings: list[str] | None = None) -> list[Sample]:
    results = path.parent / "results"
    format = path.suffix[1:]
    benchmark = Import(path, format, "en", ["physical"])
    warn = [].append if warnings is None else warnings.append
    return prepare(benchmark, results / "sources", results, warn)


def line(**changes: Any) -> str:
    return json.dumps({"id": "a", "category": "physical", "instruction": "x"} | changes) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDIT_BENCHMARK_LEASES", str(tmp_path / "leases"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for name in ("a", "b"):
        draw(name).save(tmp_path / f"{name}.png")
    mask().save(tmp_path / "mask.png")
    return tmp_path


def test_images_and_mask_of_a_table(folder: Path) -> None:
    (folder / "x.jsonl").write_text(line(images=["a.png", "b.png"], mask="mask.png"))
    (folder / "x.csv").write_text(
        "id,category,instruction,images,mask\na,physical,x,a.png; b.png,mask.png\n"
    )
    (sample,) = read(folder / "x.jsonl")
    assert read(folder / "x.csv") == [sample]
    kept = [(folder / "results" / path).read_bytes() for path in (*sample.sources, sample.mask)]
    assert kept == [(folder / name).read_bytes() for name in ("a.png", "b.png", "mask.png")]
    (folder / "one.jsonl").write_text(line(images=["a.png"]) + line(id="b", image="a.png"))
    first, second = read(folder / "one.jsonl")
    assert task_fields(first, 1) == task_fields(second, 1)


def test_what_is_wrong_with_one_image_is_said_of_it(folder: Path) -> None:
    Image.new("L", (64, 48)).save(folder / "black.png")
    Image.new("L", (9, 9), 255).save(folder / "small.png")
    (folder / "broken.png").write_bytes(b"x")
    rows = [
        line(id="good", image="a.png"),
        line(id="gone", images=["a.png", "gone.png"]),
        line(id="broken", images=["a.png", "broken.png"]),
        line(id="black", image="a.png", mask="black.png"),
        line(id="small", image="a.png", mask="small.png"),
        line(id="nomask", image="a.png", mask="no.png"),
    ]
    (folder / "x.jsonl").write_text("".join(rows))
    problems = [sample.problem.replace(f"{folder}/", "") for sample in read(folder / "x.jsonl")]
    assert problems == [
        "",
        "x.jsonl, line 2: image gone.png does not exist.",
        "x.jsonl, line 3: sample broken, image 2: not an image in a known format "
        "(AVIF, BMP, GIF, JPEG, MPO, PNG, TIFF, WEBP).",
        "x.jsonl, line 4: sample black, mask: it is black throughout; white is what is edited.",
        "x.jsonl, line 5: sample small, mask: it has 9x9 pixels and its source image 64x48; give a "
        "mask of the same size.",
        "x.jsonl, line 6: mask no.png does not exist.",
    ]


@pytest.mark.parametrize("changed", ["b.png", "mask.png"])
def test_another_second_image_or_mask_is_noticed(folder: Path, changed: str) -> None:
    (folder / "x.jsonl").write_text(line(images=["a.png", "b.png"], mask="mask.png"))
    before = image_files.state(folder / "x.jsonl", "jsonl")
    (folder / changed).write_bytes(b"another")
    assert image_files.state(folder / "x.jsonl", "jsonl") != before


def test_a_profile_that_cannot_be_used_is_warned_of(folder: Path) -> None:
    draw("a").save(folder / "odd.png", icc_profile=b"no profile")
    (folder / "x.jsonl").write_text(line(image="odd.png"))
    warnings: list[str] = []
    (sample,) = read(folder / "x.jsonl", warnings)
    (warning,) = warnings
    assert "line 1: sample a: its colour profile cannot be read" in warning
    assert (folder / "results" / sample.source).read_bytes() == (folder / "odd.png").read_bytes()


# ----- Samples -----

TWO = replace(SAMPLE, more_sources=["t"], more_source_sha256=["1"], mask="m", mask_sha256="2")


def test_keys_hold_all_that_goes_in(rubric: Rubric) -> None:
    edit = Edit(id="a", category="physical", model="m", status="edited", image_sha256="9")
    settings: Any = None
    for fields in (
        lambda sample: task_fields(sample, 1),
        lambda sample: question_fields(settings, rubric, sample, edit),
    ):
        assert {"more_source_sha256", "mask_sha256"} <= fields(TWO).keys()
        assert not {"more_source_sha256", "mask_sha256"} & fields(SAMPLE).keys()
        swapped = replace(TWO, source_sha256="1", more_source_sha256=["0"])
        assert fields(swapped) != fields(TWO)


def test_samples_that_share_any_image_are_one_cluster() -> None:
    def of(name: str, *hashes: str) -> Sample:
        return replace(SAMPLE, id=name, source_sha256=hashes[0], more_source_sha256=hashes[1:])

    found = clusters(
        [of("a", "1", "2"), of("b", "3"), of("c", "4", "2"), of("d", "1"), of("e", "4")]
    )
    assert found["a"] == found["c"] == found["d"] == found["e"] != found["b"] == "3"


def test_the_self_tests_other_instruction_is_of_a_sample_alike_and_of_other_images() -> None:
    others = [
        replace(TWO, id="shares", instruction="1", source_sha256="1", more_source_sha256=["5"]),
        replace(SAMPLE, id="single", instruction="2", source_sha256="6"),
        replace(TWO, id="alike", instruction="3", source_sha256="7", more_source_sha256=["8"]),
    ]
    (partner,) = partners([TWO], [TWO, *others])
    assert partner is not None
    assert partner.id == "alike"


def test_every_probe_of_the_self_test_shows_all_sources(rubric: Rubric) -> None:
    asked = replace(case(rubric), sample=TWO, more_sources=(draw("m"),))
    other = replace(TWO, id="other", instruction="another")
    changes = [change for probe in PROBES for change in (probe.change, probe.against) if change]
    assert changes
    for change in changes:
        shown = change(asked, other)
        assert shown is not None
        assert shown.sources == asked.sources
        assert shown.sample.sources == TWO.sources


# ----- Editors -----


def shard(folder: Path, settings: Any, rows: Sequence[str]) -> list[Edit]:
    """The edits of a job; ``rows`` are of a benchmark file in ``folder``."""
    (folder / "x.jsonl").write_text("".join(rows))
    (folder / "record.json").write_text("null")
    if isinstance(settings, DiffusersEditorSettings):
        checkpoint = resolve(settings, "models.m")
        assert checkpoint is not None
        record.write(checkpoint, folder / "record.json")
    job = EditJob(
        name="m", settings=settings, checkpoint_record=folder / "record.json",
        results=folder / "results", devices=DeviceRequest(["cpu"], 1, 1, "test"),
        samples=read(folder / "x.jsonl"),
    )  # fmt: skip
    return edit_shard(job)


class Masked(toys.Painter):
    """Shows in its edit what it was given."""

    def edit(
        self,
        source: Image.Image,
        instruction: str,
        seed: int,
        more_sources: Sequence[Image.Image] = (),
        mask: Image.Image | None = None,
    ) -> Image.Image:
        assert mask is None or (mask.mode, mask.size) == ("L", source.size)
        edited = more_sources[-1].copy()
        edited.paste(source, mask=mask)
        return edited


def test_a_class_is_given_what_it_has_parameters_for(folder: Path) -> None:
    rows = [
        line(images=["a.png", "b.png"], mask="mask.png"),
        line(id="b", images=["a.png", "b.png"]),
        line(id="c", image="a.png", mask="mask.png"),
        line(id="d", image="a.png"),
    ]
    plain = OwnEditorSettings(editor="class_path", class_path="plugins.toys.Painter")
    assert [(row.status, row.reason) for row in shard(folder, plain, rows)] == [
        ("skipped", "several_sources: Painter.edit has no parameter more_sources and no mask, "
                    "without which it is another edit"),
        ("skipped", "several_sources: Painter.edit has no parameter more_sources, without which it "
                    "is another edit"),
        ("skipped", "mask: Painter.edit has no parameter mask, without which it is another edit"),
        ("edited", ""),
    ]  # fmt: skip
    able = OwnEditorSettings(editor="class_path", class_path="test_sample_images.Masked")
    edited = shard(folder, able, rows[:1])[0]
    expected = draw("b")
    expected.paste(draw("a"), mask=mask())
    with Image.open(folder / "results" / edited.image) as image:
        assert image.tobytes() == expected.tobytes()


def test_a_pipeline_of_one_image_skips_others_before_it_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_edit_pipeline(folder / "m")
    settings = DiffusersEditorSettings(editor="diffusers", checkpoint=str(folder / "m"))
    monkeypatch.setattr(registry, "_build_diffusers", None)
    monkeypatch.setattr("edit_benchmark.editing.job.loaded", None)
    rows = shard(folder, settings, [line(images=["a.png", "b.png"]),
                                    line(id="b", image="a.png", mask="mask.png")])  # fmt: skip
    assert [(row.status, row.reason) for row in rows] == [
        (
            "skipped",
            "several_sources: QwenImageEditPipeline takes 1 source image, the sample has 2",
        ),
        ("skipped", "mask: QwenImageEditPipeline takes no mask, without which it is another edit"),
    ]


@pytest.mark.parametrize("kind", ["plus", "plus-2511"])
def test_a_pipeline_of_several_images_sees_each_in_its_order(tmp_path: Path, kind: Any) -> None:
    save_edit_pipeline(tmp_path, kind)
    chosen = DiffusersEditorSettings(**PLUS | {"checkpoint": str(tmp_path)})
    editor: Any = registry.build(chosen, resolve(chosen, "models.m"), "cpu")
    a, b, c = draw("a"), draw("bbbb"), draw("cccccccccc")
    edits = [
        np.asarray(editor.edit(first, "x", 1, more_sources=more))
        for first, more in ((a, []), (a, [b]), (a, [c]), (b, [a]), (a, [b, c]))
    ]
    assert len({edit.tobytes() for edit in edits}) == len(edits)
    # A pipeline may return transparency too.
    result = type("Result", (), {"images": np.zeros((1, 2, 2, 4), np.float32)})
    editor.pipeline = lambda **arguments: result
    assert usable(editor.edit(a, "x", 1)).getpixel((0, 0)) == (255, 255, 255)


def test_a_pipeline_edits_what_a_mask_marks_and_is_warmed_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_edit_pipeline(tmp_path, "edit")
    index = tmp_path / "model_index.json"
    text = index.read_text(encoding="utf-8")
    index.write_text(text.replace("EditPipeline", "EditInpaintPipeline"), encoding="utf-8")
    warmed: dict[str, Any] = {}
    monkeypatch.setattr(diffusers_pipeline, "warm_up", lambda *call: warmed.update(call[2]) or 0.0)
    chosen = DiffusersEditorSettings(**PLUS | {"checkpoint": str(tmp_path)})
    editor: Any = registry.build(chosen, resolve(chosen, "models.m"), "cpu")
    assert warmed["mask_image"].size == warmed["image"].size
    source = draw("a")
    half = Image.new("L", source.size)
    half.paste(255, (0, 0, source.width // 2, source.height))
    edits = [
        np.asarray(editor.edit(source, "x", 1, mask=mask)) for mask in (half, ImageOps.mirror(half))
    ]
    assert not np.array_equal(*edits)
    with pytest.raises(registry.SkipSample, match="edits what a mask marks"):
        editor.edit(source, "x", 1)


def test_what_pipelines_take_is_what_their_signatures_say() -> None:
    """Of every pipeline of diffusers that edits an image by a prompt."""
    found = {}
    for path in Path(diffusers.__file__).parent.glob("pipelines/*/pipeline*.py"):
        text = path.read_text(encoding="utf-8")
        if not re.search(
            r"^        (mask|mask_image)\b.*=|class \w*(Inpaint|Fill|Edit)", text, re.M
        ):
            continue
        for one in ast.parse(text).body:
            calls = [
                node for node in getattr(one, "body", ()) if getattr(node, "name", "") == "__call__"
            ]
            if isinstance(one, ast.ClassDef) and calls:
                names = {argument.arg for argument in calls[0].args.args}
                if {"image", "prompt"} <= names:
                    found[one.name] = next(iter(sorted(names & {"mask", "mask_image"})), None)
    assert len(found) > 30
    assert {name: of_pipeline(name).mask for name in found} == found
    assert of_pipeline("FluxFillPipeline").needs_mask
    assert not of_pipeline("BriaFiboEditPipeline").needs_mask


@pytest.mark.parametrize(
    ("pipeline", "sources", "has_mask", "reason"),
    [
        ("BriaFiboEditPipeline", 2, True, "takes 1 source image with a mask, the sample has 2"),
        ("BriaFibo2Pipeline", 6, False, "takes 5 source images, the sample has 6"),
        (
            "QwenImageEditInpaintPipeline",
            1,
            False,
            "edits what a mask marks, and the sample has no",
        ),
    ],
)
def test_what_a_pipeline_does_not_take(
    pipeline: str, sources: int, has_mask: bool, reason: str
) -> None:
    with pytest.raises(registry.SkipSample, match=reason):
        of_pipeline(pipeline).check(sources, has_mask=has_mask)


def test_failures_for_odd_shapes_stop_no_job(folder: Path) -> None:
    own = OwnEditorSettings(editor="class_path", class_path="plugins.toys.Painter")
    rows = []
    for width, height in ((1, 1), (10000, 1), (31, 639)):
        draw("odd", (width, height)).save(folder / f"{width}.png")
        rows.append(line(id=str(width), image=f"{width}.png", instruction="fail"))
    assert {row.status for row in shard(folder, own, rows)} == {"edit_failed"}
    usual = [line(id=str(number), image="a.png", instruction="fail") for number in range(3)]
    with pytest.raises(UserError, match="all 6 samples of this shard failed"):
        shard(folder, own, rows + [row.replace('"1"', '"x"', 1) for row in usual])


# ----- Judges -----


@pytest.mark.parametrize(
    "method",
    [{"method": "expected"}, {"method": "generated"}, {"method": "generated", "answer": "text"}],
    ids=["expected", "labels", "text"],
)
def test_every_method_looks_at_every_source(
    tmp_path: Path, rubric: Rubric, method: dict[str, str]
) -> None:
    save_judge(tmp_path)
    judge = load(tmp_path, **method)
    shown: list[tuple[int, float]] = []
    judge.model.register_forward_pre_hook(
        lambda module, args, kwargs: shown.append(
            (len(kwargs["image_grid_thw"]), float(kwargs["pixel_values"].double().square().sum()))
            if kwargs.get("pixel_values") is not None
            else (0, 0.0)
        ),
        with_kwargs=True,
    )
    cases = [
        replace(case(rubric, more_sources=["x", "y"]), more_sources=(draw("m"), draw(last)))
        for last in ("n", "zzzzzzzz")
    ]
    answers = [judge.judge([one])[0] for one in cases]
    # Three source images and the edited one.
    seen = {pixels for count, pixels in shown if count == 4}
    assert len(seen) == 2
    if "answer" not in method:
        assert probabilities(answers[0]) != probabilities(answers[1])


def test_an_edited_image_with_a_profile_is_converted_too() -> None:
    buffer = io.BytesIO()
    draw("p3").save(buffer, "PNG", icc_profile=icc.rgb_profile(icc.DISPLAY_P3))
    shown = np.asarray(usable(Image.open(buffer)), float)
    assert np.abs(shown - icc.in_srgb(np.asarray(draw("p3")), icc.DISPLAY_P3)).max() <= 2

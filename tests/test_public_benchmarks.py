"""Public benchmarks: what is read of each one's own layout, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import public_layouts as layouts
from conftest import png
from edit_benchmark.config.benchmark import Benchmark
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.samples import Import, clusters, prepare
from edit_benchmark.errors import UserError
from edit_benchmark.records import Sample


def read(path: Path, format: str, warnings: list[str] | None = None, **said: Any) -> list[Sample]:
    """The samples of a benchmark, with the defaults that a configuration has."""
    settings = Benchmark.model_validate({"path": str(path), "format": format} | said)
    options = Options.of(settings.language, settings.options)
    wanted = Import(path, format, settings.language, settings.categories, options=options)
    results = path.parent / "results"
    warn = (lambda sentence: None) if warnings is None else warnings.append
    return prepare(wanted, results / "sources", results, warn)


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """Write a benchmark's layout; its path."""
    return lambda format: layouts.MAKERS[format](tmp_path / format)


def test_gedit_has_the_rows_of_one_language(made: Any) -> None:
    path = made("gedit")
    warnings: list[str] = []
    samples = read(path, "gedit", warnings)
    assert [(sample.id, sample.category) for sample in samples] == [
        ("subject-add-en-a1", "subject-add"),
        ("subject-remove-en-a2", "subject-remove"),
        ("color_alter-en-a3", "color_alter"),
    ]
    assert samples[0].fields["key"] == "a1"
    assert samples[0].source_sha256 == samples[1].source_sha256  # one cluster
    assert (path.parent / "results" / samples[0].source).read_bytes() == png("small")
    assert "3 rows were read, and the published benchmark has 606" in warnings[0]
    (chinese,) = read(path, "gedit", language="zh")
    assert (chinese.id, chinese.instruction) == ("subject-add-cn-a1", "加一条船")
    common = read(path, "gedit", subset="intersection")
    assert [sample.fields["key"] for sample in common] == ["a1", "a3"]


def test_gedits_original_resolution_keeps_what_the_judge_is_shown(made: Any) -> None:
    path = made("gedit")
    first = read(path, "gedit", columns={"image": "input_image_raw"})[0]
    results = path.parent / "results"
    assert (results / first.source).read_bytes() == png("raw")
    assert (results / first.fields["judged_source"]).read_bytes() == png("small")
    assert first.fields["source_column"] == "input_image_raw"


@pytest.mark.parametrize("below", ["", "Benchmark", "Benchmark/Basic/basic_edit.json"])
def test_imgedit_has_keys_as_ids_and_images_as_clusters(made: Any, below: str) -> None:
    path = made("imgedit") / below
    samples = read(path, "imgedit", images=str(made("imgedit") / "Benchmark" / "singleturn"))
    assert [(sample.id, sample.category) for sample in samples] == [
        ("22", "adjust"), ("23", "add"), ("24", "style"),
    ]  # fmt: skip
    assert len({sample.source_sha256 for sample in samples}) == 2


def test_imgedits_uge(made: Any) -> None:
    (sample,) = read(made("imgedit"), "imgedit", subset="uge")
    assert (sample.id, sample.category, sample.problem) == ("1", "uge", "")


@pytest.mark.parametrize("below", ["", "Benchmark", "Benchmark/multiturn"])
def test_imgedits_turns_are_chains_of_samples(tmp_path: Path, below: str) -> None:
    path = layouts.imgedit_multiturn(tmp_path / "imgedit") / below
    samples = read(path, "imgedit", subset="multiturn")
    assert [(sample.id, sample.turn, sample.after) for sample in samples[:4]] == [
        ("content_memory-11-turn1", 1, ""),
        ("content_memory-11-turn2", 2, "content_memory-11-turn1"),
        ("content_memory-11-turn3", 3, "content_memory-11-turn2"),
        ("content_memory-12-turn1", 1, ""),
    ]
    assert len(samples) == 9
    assert {sample.category for sample in samples} == set(layouts.TURNS)
    assert {sample.chain for sample in samples[:3]} == {"content_memory-11-turn1"}
    # What a later turn edits is another image for each model.
    assert [bool(sample.source) for sample in samples[:3]] == [True, False, False]
    assert len(set(clusters(samples).values())) == 4
    (one, *_) = read(path, "imgedit", subset="multiturn", categories=["version_backtrace"])
    assert one.id == "version_backtrace-14-turn1"


def test_imgedits_turns_as_its_readme_shows_them(tmp_path: Path) -> None:
    path = layouts.imgedit_multiturn(tmp_path / "imgedit")
    file = path / "Benchmark/multiturn/content_memory/annotation.json"
    layouts.write_json(file, {"7": {"id": "11.jpg", "turn1": "a", "turn2": "b"}})
    samples = read(path, "imgedit", subset="multiturn")
    assert [sample.id for sample in samples[:2]] == [
        "content_memory-7-turn1", "content_memory-7-turn2",
    ]  # fmt: skip
    assert samples[0].source


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"id": "11.jpg", "turn1": "a", "turn3": "b"}', "line 3: .* this one has turn1, turn3"),
        ('{"id": "11.jpg"}', "line 3: .* this one has none"),
        ('{"id": "11.jpg", "turn1": ""}', "line 3: field turn1 is missing"),
        ('{"id": "11.jpg", "turn1": "a"}', "id 'content_memory-11-turn1' is a duplicate"),
        ('{"id": "11.jpg", "tur', "line 3: not JSON"),
    ],
)
def test_a_mistake_in_imgedits_turns(tmp_path: Path, line: str, sentence: str) -> None:
    path = layouts.imgedit_multiturn(tmp_path / "imgedit")
    file = path / "Benchmark/multiturn/content_memory/annotation.json"
    file.write_text(file.read_text() + line)
    with pytest.raises(UserError, match=sentence):
        read(path, "imgedit", subset="multiturn")
    file.unlink()
    with pytest.raises(UserError, match=r"unpacked Benchmark\.tar"):
        read(path, "imgedit", subset="multiturn")


def test_rise_keeps_what_its_judging_needs(made: Any) -> None:
    path = made("rise")
    temporal, spatial, logical, causal = read(path, "rise")
    assert temporal.fields == {"index": "temporal_reasoning_1", "subtask": "Life Progression",
                               "reference": "older"}  # fmt: skip
    reference = path.parent / "results" / spatial.fields["reference_image"]
    assert reference.read_bytes() == (path / "data/spatial_reasoning_images/1_ref.png").read_bytes()
    assert spatial.fields["reasoning_img"] == "true"
    assert (logical.fields["reference_txt"], logical.fields["reasoning_wo_ins"]) == ("7", "yes")
    assert causal.fields["consistency_free"] == "true"
    (small,) = read(path, "rise", subset="small")
    assert small.id == "temporal_reasoning_1"
    assert "subtask" not in small.fields


def test_kris_has_several_sources_in_their_order(made: Any) -> None:
    path = made("kris")
    several, first, second = read(path, "kris")
    assert (first.id, first.category) == ("physics-1", "physics")
    assert first.fields == {"id": "1", "ori_img": "1.jpg", "explain_en": "it falls"}
    assert several.fields["ori_img"] == "1-2.jpg\n1-3.jpg"
    assert (path.parent / "results" / second.fields["reference_image"]).exists()
    assert several.id == "temporal_prediction-1"
    frames = [(path.parent / "results" / source).read_bytes() for source in several.sources]
    folder = path / "KRIS_Bench" / "temporal_prediction"
    assert frames == [(folder / name).read_bytes() for name in ("1-2.jpg", "1-3.jpg")]
    assert [sample.id for sample in read(path / "KRIS_Bench", "kris")] == [
        several.id, first.id, second.id,
    ]  # fmt: skip


def test_complex_edit_has_a_sample_for_each_level(made: Any) -> None:
    samples = read(made("complex_edit"), "complex_edit")
    assert len(samples) == 16
    (second,) = [sample for sample in samples if sample.id == "real-0002-C3"]
    assert (second.category, second.instruction) == ("C3", "lake in 3 steps")
    assert len({sample.source_sha256 for sample in samples}) == 2
    (drawn,) = read(made("complex_edit"), "complex_edit", subset="syn", categories=["C8"])
    assert drawn.id == "syn-0001-C8"


def test_unicbench_has_both_languages(made: Any) -> None:
    path = made("unicbench")
    first, second = read(path, "unicbench")
    assert (first.id, first.category) == ("b1", "Background_Change")
    assert second.fields["reasoning_points"] == "yellow leaves\nbare twigs"
    assert read(path, "unicbench", language="zh")[0].instruction == "换成夜晚"


def test_gedit_v2(made: Any) -> None:
    samples = read(made("gedit_v2"), "gedit_v2")
    assert [(sample.id, sample.category) for sample in samples] == [
        ("v0", "gedit_v2"), ("v1", "gedit_v2"), ("v2", "gedit_v2"),
    ]  # fmt: skip


def test_a_data_set_of_the_hub_by_its_columns(made: Any) -> None:
    path = made("parquet")
    samples = read(path, "parquet", **layouts.DATA_SET)
    assert [(sample.id, sample.category) for sample in samples] == [
        ("7-1", "Add_Remove"), ("7-2", "Add_Remove"),
    ]  # fmt: skip
    assert (path.parent / "results" / samples[1].fields["target_image"]).read_bytes() == png("t2")
    rows = [layouts.data_set_row(1), layouts.data_set_row(2) | {"target_img": None}]
    layouts.write_parquet(path / "default" / "dev" / "0000.parquet", rows)
    first, second = read(path, "parquet", **layouts.DATA_SET)
    assert (bool(first.target), second.target, second.problem) == (True, "", "")
    columns = {"image": "source_img", "instruction": "instruction"}
    plain = read(path, "parquet", subset="train", columns=columns)
    assert [(sample.id, sample.category) for sample in plain] == [
        ("0", "dataset"),
        ("1", "dataset"),
    ]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def change(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


TRAIN = "data/train-00000-of-00002.parquet"
MISTAKES = {
    "another commit": (
        "imgedit", lambda path: change(path / "Benchmark/Basic/basic_edit.json", "prompt", "text"),
        r"basic_edit.json, key 22: field prompt is missing",
    ),
    "an older commit": (
        "kris", lambda path: change(path / "KRIS_Bench/physics/annotation.json", "ins_en", "ins"),
        r"physics/annotation.json, key 1: field ins_en is missing",
    ),
    "half a JSON file": (
        "rise", lambda path: cut(path / "datav2_total_w_subtask.json"),
        r"datav2_total_w_subtask.json: not JSON .* get the file again",
    ),
    "a key twice": (
        "imgedit", lambda path: change(path / "Benchmark/Basic/basic_edit.json", '"23"', '"22"'),
        r"basic_edit.json: key '22' stands there twice",
    ),
    "an id twice": (
        "rise", lambda path: change(path / "datav2_total_w_subtask.json", "spatial_reasoning_1\"",
                                    "temporal_reasoning_1\""),
        r"item 2: id 'temporal_reasoning_1' is a duplicate of .*item 1",
    ),
    "a category of another version": (
        "unicbench", lambda path: change(path / "data/test_data.jsonl", "Background", "Sky"),
        r"test_data.jsonl, line 1: unknown category 'Sky_Change'; known are Subject_Addition",
    ),
    "no task, which says what is asked": (
        "unicbench", lambda path: change(path / "data/test_data.jsonl", '"task"', '"group"'),
        r"test_data.jsonl, line 1: field task is missing",
    ),
    "half a Parquet file": (
        "gedit", lambda path: cut(path / TRAIN),
        r"train-00000-of-00002.parquet: not a whole Parquet file .*; download it again",
    ),
    "a Parquet file missing": (
        "gedit", lambda path: (path / TRAIN).unlink(),
        r"data: train-00000-of-00002.parquet is missing; the download is not whole",
    ),
    "the last Parquet file missing": (
        "gedit", lambda path: (path / "data/train-00001-of-00002.parquet").unlink(),
        r"data: train-00001-of-00002.parquet is missing; the download is not whole",
    ),
    "another schema": (
        "gedit", lambda path: layouts.write_parquet(path / TRAIN, [{"key": "a", "prompt": "b"}]),
        r"train-00000-of-00002.parquet: no column task_type; it has key, prompt",
    ),
    "another type": (
        "gedit",
        lambda path: layouts.write_parquet(path / TRAIN, [layouts.gedit_row(instruction=[1])]),
        r"train-00000-of-00002.parquet, row 1: field instruction is not a text: \[1\]",
    ),
    "a third language": (
        "gedit",
        lambda path: layouts.write_parquet(
            path / TRAIN, [layouts.gedit_row(instruction_language="de")]
        ),
        r"train-00000-of-00002.parquet, row 1: instruction_language 'de' is neither en nor cn",
    ),
    "an id twice in Parquet": (
        "gedit",
        lambda path: layouts.write_parquet(path / TRAIN, [layouts.gedit_row()] * 2),
        r"row 2: id 'subject-add-en-a1' is a duplicate of .*00000-of-00002.parquet, row 1",
    ),
    "a level missing": (
        "complex_edit",
        lambda path: layouts.write_parquet(
            path / "data/test_real-00000-of-00001.parquet",
            [{"image": layouts.embedded("x"), "edit": {"compound": [{"a": "b"}]}}],
        ),
        r"row 1: column edit has no list compound of 8 levels",
    ),
    "a pointer": (
        "gedit",
        lambda path: (path / TRAIN).write_text("version https://git-lfs.github.com/spec/v1\n"),
        r"00000-of-00002.parquet: a pointer of Git LFS, not the file; run git lfs pull",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_wrong_with_a_download(made: Any, name: str) -> None:
    format, spoil, sentence = MISTAKES[name]
    path = made(format)
    spoil(path)
    with pytest.raises(UserError, match=sentence):
        read(path, format)


@pytest.mark.parametrize("format", sorted(layouts.MAKERS))
def test_the_folder_of_another_benchmark(made: Any, format: str) -> None:
    other = made("rise" if format in ("kris", "imgedit", "unicbench") else "kris")
    said = layouts.DATA_SET if format == "parquet" else {}
    with pytest.raises(UserError, match=f"^{other}: no .*(give the|name one)"):
        read(other, format, **said)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"format": "imgedit", "subset": "hard"}, "'hard' is not one of basic, uge, multiturn"),
        ({"format": "gedit", "subset": "uge"}, "'uge' is not one of full, intersection"),
        ({"format": "kris", "subset": "full"}, "subset is not used by format kris"),
        ({"format": "rise", "language": "zh"}, "rise has instructions in English only"),
        ({"format": "gedit", "images": "x"}, "images is not used by format gedit"),
        ({"format": "jsonl", "columns": {"id": "x"}}, "columns.id is not used by format jsonl"),
        ({"format": "parquet"}, "columns.image is missing"),
        ({"format": "parquet", "columns": {"image": "i", "instruction": "t", "category": "c"}},
         "list those of columns.category"),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_format(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Benchmark.model_validate({"path": "p"} | said)


def test_two_splits_and_none_named(made: Any) -> None:
    columns = {"image": "source_img", "instruction": "instruction"}
    with pytest.raises(UserError, match="it has the splits dev, train; name one"):
        read(made("parquet"), "parquet", columns=columns)


def test_two_categories_of_one_key(tmp_path: Path) -> None:
    rows = [{"i": layouts.embedded("x"), "t": "do", "c": name} for name in ("a b", "a/b")]
    layouts.write_parquet(tmp_path / "d" / "test.parquet", rows)
    columns = {"image": "i", "instruction": "t", "category": "c"}
    with pytest.raises(UserError, match="row 2: the categories 'a b' and 'a/b' are both a_b"):
        read(tmp_path / "d", "parquet", columns=columns, categories=["a_b"])


def test_an_image_that_was_not_downloaded_is_a_skipped_sample(made: Any) -> None:
    path = made("imgedit")
    image = path / "Benchmark/singleturn/style/02.jpg"
    image.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "is a pointer of Git LFS, not the image" in read(path, "imgedit")[2].problem
    image.unlink()
    assert "02.jpg does not exist" in read(path, "imgedit")[2].problem


def test_nothing_is_written_beside_the_users_files(made: Any) -> None:
    for format in layouts.MAKERS:
        path = made(format)
        before = sorted((file, file.stat().st_mtime_ns) for file in path.rglob("*"))
        read(path, format, **(layouts.DATA_SET if format == "parquet" else {}))
        assert sorted((file, file.stat().st_mtime_ns) for file in path.rglob("*")) == before


def test_the_options_of_a_configuration_reach_the_command_as_they_are() -> None:
    settings = Benchmark.model_validate({"path": "p", "format": "parquet"} | layouts.DATA_SET)
    options = Options.of("en", settings.options)
    assert options == Options("en", "dev", None, layouts.DATA_SET["columns"])  # type: ignore[arg-type]
    assert Benchmark.model_validate({"path": "p"}).options == ""
    assert json.loads(settings.options)["subset"] == "dev"

"""Whatever a benchmark file or a config holds, it is handled or refused by one sentence."""

from __future__ import annotations

import base64
import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import Project, draw, png
from edit_benchmark.categories import CATEGORIES
from edit_benchmark.config.resolve import resolve
from edit_benchmark.dataset import image_files
from edit_benchmark.dataset.readers import original, raw_sample
from edit_benchmark.dataset.samples import Import, assignment, prepare, unreadable
from edit_benchmark.errors import UserError
from edit_benchmark.records import Sample
from edit_benchmark.report.run_record import without_secrets
from edit_benchmark.results.tables import read_rows, write_rows
from runs import one_category

FIVE = list(CATEGORIES)
HOSTILE = [
    "../../etc/passwd", "a/b", "a\\b", "..", ".", ".hidden", "a\0b", "a\nb", "x" * 300, "😀", "é",
    "e\u0301", "É", "CON", "a b", " a", "a.", "中文", "\u202eabc", "\u200b", "<script>", "{id}",
    "%s", "$(rm -rf .)", "`x`", "-rf", "|", "=1+1", "<|im_end|>", "\ud800", "",
]  # fmt: skip
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def write_lines(folder: Path, rows: list[dict[str, Any]]) -> Path:
    draw("x").save(folder / "x.png")
    path = folder / "b.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def one_sentence(error: UserError) -> None:
    text = str(error)
    assert text.endswith("."), text
    assert "\n" not in text, text


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


rows = st.fixed_dictionaries(
    {
        "id": st.one_of(texts, st.uuids().map(str)),
        "category": st.one_of(st.sampled_from([*FIVE, *CATEGORIES.values()]), texts),
        "instruction": texts,
        "image": st.sampled_from(["x.png"] * 6 + [".", "gone.png", "a\0b", "../x.png", "/"]),
    },
    optional={
        "tags": anything,
        "difficulty": anything,
        "human_score": anything,
        "rationale": texts,
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(rows, max_size=4))
def test_any_row_is_handled_or_refused(content: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_lines(folder, content)
        outside = files(folder)
        results = folder / "results"
        try:
            samples = prepare(Import(path, "jsonl", "en", FIVE), results / "sources", results)
        except UserError as error:
            one_sentence(error)
            samples = []
        # Every file that was written is the source image under its hash, or the table below.
        sources = results / "sources"
        written = files(folder) - outside
        assert all(file.parent == sources / file.name[:2] for file in written)
        write_rows(results / "samples.jsonl", samples)
        assert read_rows(results / "samples.jsonl", Sample) == samples
        if samples:
            assert [sample.id for sample in samples] == [str(row["id"]) for row in content]
            assert assignment(samples, FIVE, 2)
            for sample in samples:
                target = results / "images" / f"{sample.id}.png"
                assert target.resolve().parent == (results / "images").resolve()
                target.parent.mkdir(exist_ok=True)
                target.touch()


@pytest.mark.parametrize("line", [b'{"id": "\xff"}', b'{"id": "a"', b"[]", b'{"mood": "good"}'])
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(b"\n" + line + b"\n")
    with pytest.raises(UserError, match="line 2: not a Sample record") as refused:
        read_rows(path, Sample)
    one_sentence(refused.value)


GOOD = {
    "jsonl": {"id": "a", "category": "causal", "instruction": "x", "image": "x.png"},
    "original": {
        "subset": "causal",
        "edit_instruction_en": "x",
        "src_img_b64": base64.b64encode(png("x")).decode(),
    },
}
FIELDS = [*raw_sample.FIELDS, *original.FIELDS, "mask", "images"]
names = st.one_of(st.sampled_from(FIELDS), texts)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["jsonl", "original"]),
    st.lists(st.one_of(st.dictionaries(names, anything, max_size=3), anything), max_size=3),
    st.booleans(),
)
def test_any_json_is_samples_or_refused(format: str, changes: list[Any], strict: bool) -> None:
    """Rows with good fields, of which some are replaced by any value at all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [GOOD[format] | row if isinstance(row, dict) else row for row in changes]
        path = write_lines(folder, [GOOD["jsonl"] | {"id": "first"}, *rows])
        if format == "original":
            path.write_text(json.dumps(rows))
        handled_or_refused(path, format, strict)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(names, max_size=8), st.lists(st.lists(texts, max_size=6), max_size=3))
def test_any_csv_is_samples_or_refused(header: list[str], cells: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = write_lines(Path(name), [])
        rows = [[*row, *[""] * (len(header) - len(row))] for row in cells]
        with path.open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
            csv.writer(file).writerows([[*GOOD["jsonl"], *header]])
            csv.writer(file).writerows([[*GOOD["jsonl"].values(), *row] for row in rows])
        handled_or_refused(path, "csv", strict=False)


def handled_or_refused(path: Path, format: str, strict: bool) -> None:
    results = path.parent / "results"
    warnings: list[str] = []
    image_files.state(path, format)
    benchmark = Import(path, format, "en", FIVE, strict=strict)
    try:
        samples = prepare(benchmark, results / "sources", results, warnings.append)
    except UserError as error:
        one_sentence(error)
        return
    write_rows(results / "samples.jsonl", samples)
    assert read_rows(results / "samples.jsonl", Sample) == samples
    for sample in samples:
        assert bool(sample.problem) != (results / sample.source).is_file()
    assert not (strict and unreadable(samples))
    assert all("\n" not in line for line in [*warnings, *unreadable(samples)])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200), st.sampled_from(["jsonl", "csv", "original"]))
def test_any_bytes_are_no_benchmark_or_a_good_one(content: bytes, format: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "b"
        path.write_bytes(content)
        results = Path(name) / "results"
        with pytest.raises(UserError) as caught:
            prepare(Import(path, format, "en", FIVE), results / "sources", results)
        assert "\n" not in str(caught.value)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["results", "benchmark", "device_ids", "load_slots", "shards", "models",
                     "judges", "note", "score_chunk", "new"]),
    anything,
)  # fmt: skip
def test_any_config_is_handled_or_refused(key: str, value: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "b.jsonl"
        path.touch()
        config = {
            "benchmark": {"path": str(path)},
            "models": {"m": {"editor": "identity"}},
            "judges": {"j": {"judge": "class_path", "class_path": "a.B"}},
        }
        try:
            resolve(config | {key: value})
        except UserError as error:
            one_sentence(error)


@pytest.mark.parametrize(
    ("first", "second"), [("Cat", "cat"), ("é", "e\u0301"), ("ﬁ", "fi"), ("a", "a")]
)
def test_ids_that_are_one_file_somewhere_are_refused(
    tmp_path: Path, first: str, second: str
) -> None:
    path = write_lines(
        tmp_path,
        [{"id": name, "category": "physical", "instruction": "x", "image": "x.png"}
         for name in (first, second)],
    )  # fmt: skip
    results = tmp_path / "results"
    with pytest.raises(UserError, match=r"line 2: id .* is a duplicate of .*line 1"):
        prepare(Import(path, "jsonl", "en", FIVE), results / "sources", results)


def test_hostile_texts_go_through_a_whole_run_unchanged(project: Project) -> None:
    wishes = [
        "{braces} {0} %s $HOME `id` $(id)",
        "<script>alert(1)</script> </script> & \"quotes\" 'single'",
        "right to left \u202e abc \u2066",
        "long " * 20_000,
        "=HYPERLINK(\"x\") +1 -1 @x",
        "line\nbreak\r\nand\ttab",
        "<|im_end|><|image_pad|>",
    ]  # fmt: skip
    project.benchmark(
        [{"id": f"s {k} 中文 😀", "category": "physical", "instruction": wish, "tags": ["=1+1"],
          "image": f"s{k}.png"} for k, wish in enumerate(wishes)]
    )  # fmt: skip
    for k in range(len(wishes)):
        draw(str(k)).save(project.root / "data" / f"s{k}.png")
    benchmark = {"path": "data/benchmark.jsonl", "categories": ["physical"]}
    project.configure(benchmark=benchmark)
    secrets = {"HF_TOKEN": "hf_hunter2", "OPENAI_API_KEY": "sk-hunter2"}
    output = project.run(**secrets)
    written = [path.read_bytes() for path in files(project.root / "results")]
    assert not any(b"hunter2" in content for content in [*written, output.encode()])
    rows = project.scores("physical")
    assert [row.status for row in rows.values()] == ["scored"] * len(wishes)
    samples = read_rows(project.root / "results/benchmark/samples.jsonl", Sample)
    assert [sample.instruction for sample in samples] == wishes
    page = (project.root / "results/report/index.html").read_text()
    assert "<script>alert(1)" not in page
    table = (project.root / "results/report/scores.csv").read_text("utf-8-sig")
    assert ",=1+1," not in table


def test_odd_pictures_are_edited_as_what_they_show(project: Project) -> None:
    """A file with a byte-order mark and Windows line ends, too; unchanged they are flagged."""
    folder = project.root / "data"
    folder.mkdir()
    image = draw("x")
    image.save(folder / "elsewhere.png")
    (folder / "link.png").symlink_to("elsewhere.png")
    image.save(folder / "a-png.jpg", "PNG")
    image.convert("CMYK").save(folder / "cmyk.jpg")
    image.convert("P").save(folder / "palette.gif")
    image.convert("L").convert("I").point(lambda grey: grey * 257).convert("I;16").save(
        folder / "deep.png"
    )
    image.resize((4000, 3000)).save(folder / "large.jpg")
    image.resize((1, 1)).save(folder / "dot.png")
    names = ["link.png", "a-png.jpg", "cmyk.jpg", "palette.gif", "deep.png", "large.jpg", "dot.png"]
    lines = [
        json.dumps({"id": name, "category": "physical", "instruction": "x", "image": name})
        for name in names
    ]
    (folder / "benchmark.jsonl").write_bytes(
        b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n"
    )
    benchmark = {"path": "data/benchmark.jsonl", "categories": ["physical"]}
    project.configure(benchmark=benchmark, models={"floor": {"editor": "identity"}})
    project.run()
    rows = project.scores("physical", "floor")
    assert {name: row.status for name, row in rows.items()} == dict.fromkeys(names, "scored")
    assert all(row.flags[0] == "identical_to_source" for row in rows.values())
    assert rows["link.png"].flags == ["identical_to_source"]
    edits = project.edits("physical", "floor")
    sizes = {name: (edit.width, edit.height) for name, edit in edits.items()}
    expected = dict.fromkeys(names, (64, 48)) | {"large.jpg": (4000, 3000), "dot.png": (1, 1)}
    assert sizes == expected


def test_fewer_samples_than_shards(project: Project) -> None:
    one_category(project, 1, shards=6)
    project.run("results/scores/ruler/painter/physical.jsonl")
    assert list(project.scores("physical")) == ["physical-0"]


def test_no_sample_at_all(project: Project) -> None:
    project.benchmark([])
    project.configure()
    output = project.run(code=1)
    assert "error: data/benchmark.jsonl: no sample of the categories physical" in output


def test_the_recorded_command_shows_no_secret() -> None:
    words = ["--cores", "all", "--storage-s3-secret-key", "x", "--s3-token", "hunter2",
             "password=hunter2", "all"]  # fmt: skip
    shown = without_secrets(words)
    assert "hunter2" not in " ".join(shown)
    assert shown[:2] == ["--cores", "all"]
    assert shown[-1] == "all"

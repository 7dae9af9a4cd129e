"""What the readers make of benchmark files, and what they refuse."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from conftest import ROOT, png
from edit_benchmark.dataset.samples import Import, prepare
from edit_benchmark.errors import UserError
from edit_benchmark.records import Sample

FIVE = ["physical", "environmental", "social", "causal", "referential"]


def read(path: Path, format: str, language: str = "en", limit: int | None = None) -> list[Sample]:
    results = path.parent / "results"
    return prepare(Import(path, format, language, FIVE, limit), results / "sources", results)


def item(**changes: object) -> dict[str, object]:
    return {
        "subset": "物理",
        "edit_instruction": "移走积木",
        "edit_instruction_en": "remove the block",
        "original_description": "积木",
        "original_description_en": "blocks",
        "src_img_b64": base64.b64encode(png("x")).decode(),
        "rationale_short": "重力",
        "rationale_short_en": "gravity",
        "tags": ["blocks"],
        "difficulty": "hard",
        "original_image_path": "generated_images_2/00000_物理_medium.png",
        "seed": 3,
    } | changes


def test_an_item_of_the_original_format(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text(json.dumps([item()], ensure_ascii=False), encoding="utf-8")
    (sample,) = read(path, "original")
    assert sample.id == "00000_物理_medium"
    assert sample.category == "physical"
    assert sample.instruction == "remove the block"
    assert (sample.instruction_zh, sample.rationale_en) == ("移走积木", "gravity")
    assert (sample.difficulty, sample.tags) == ("hard", ["blocks"])
    assert (tmp_path / "results" / sample.source).read_bytes() == png("x")
    (chinese,) = read(path, "original", "zh")
    assert chinese.instruction == "移走积木"


def test_ids_of_the_original_format_without_a_path(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    rows = [
        item(original_image_path=None),
        item(subset="social", original_image_path=None),
        item(original_image_path=None),
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    assert [sample.id for sample in read(path, "original")] == ["物理_0", "social_0", "物理_1"]


def test_re_edits_object_of_lists_is_read_as_the_list_is(tmp_path: Path) -> None:
    rows = [
        item(subset=name, original_image_path=f"{name}{k}.png", tags=[name])
        for name in ("physical", "cultural")
        for k in range(2)
    ]
    path = tmp_path / "list.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    of_list = read(path, "re_edit")
    path.write_text(json.dumps({"physical": rows[:2], "cultural": rows[2:]}), encoding="utf-8")
    assert read(path, "re_edit") == of_list
    assert [sample.category for sample in of_list] == ["physical"] * 2 + ["social"] * 2


def test_re_edits_category_names(tmp_path: Path) -> None:
    path = tmp_path / "RE-Edit.json"
    rows = [
        item(subset=name, original_image_path=f"{name}.png")
        for name in ("physical", "environmental", "cultural", "causal", "referential")
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    assert [sample.category for sample in read(path, "original")] == FIVE


def test_csv_and_jsonl_mean_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png("x"))
    (tmp_path / "b.csv").write_bytes(
        b"\xef\xbb\xbfid,category,instruction,image,instruction_zh,tags,difficulty\r\n"
        + '1,物理,"say ""hi"",\r\nplease",a.png,说,x; y,easy\r\n'.encode()
    )
    row = {"id": 1, "category": "physical", "instruction": 'say "hi",\r\nplease', "image": "a.png",
           "instruction_zh": "说", "tags": ["x", "y"], "difficulty": "easy"}  # fmt: skip
    (tmp_path / "b.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(row).encode() + b"\r\n\r\n")
    assert read(tmp_path / "b.csv", "csv") == read(tmp_path / "b.jsonl", "jsonl")


def test_the_limit_takes_the_first_of_each_category(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    rows = [item(original_image_path=f"{k}.png", subset=FIVE[k % 2]) for k in range(10)]
    path.write_text(json.dumps(rows), encoding="utf-8")
    samples = read(path, "original", limit=2)
    assert [(sample.id, sample.index) for sample in samples] == [
        ("0", 0), ("1", 0), ("2", 1), ("3", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not JSON"),
        (b"[]", "no items"),
        (b'{"a": 1}', "what it has under 'a' is no list of objects; .* say format: jsonl"),
        (b'{"physical": [[]]}', "what it has under 'physical' is no list of objects"),
        (b'{"physical": [], "physical": []}', "the list 'physical' stands there twice"),
        (b' {"a": 1}\n{"a": 2}', "for one object a line say format: jsonl"),
        (
            json.dumps({"social": [item()]}).encode(),
            "item 1: subset '物理' stands in the list of 'social'; put it where it belongs",
        ),
        (b'[{"human_score": NaN}]', r'after item 0: not JSON .* near \[\{"human_score": NaN\}\]'),
        (b'[{"subset": "\xff"}]', "not JSON .lexical error: invalid bytes in UTF8 string"),
        (
            b'[{"subset": "social", "subset": "causal"}]',
            "item 1: field 'subset' stands there twice",
        ),
        (json.dumps([item(mask="x")]).encode(), "item 1: field mask is not supported"),
        (
            json.dumps([item(original_image_path=f"{folder}/1.png") for folder in "ab"]).encode(),
            "item 2: id '1' is a duplicate of .* it is the file name in original_image_path b/1.p",
        ),
        (b'[{"subset": "a"', "not JSON"),
        ("[]".encode("utf-16"), "UTF-16"),
        (b"[1]", "item 1: not an object"),
        (json.dumps([item(src_img_b64="%%%")]).encode(), "item 1: field src_img_b64 is not base64"),
    ],
)
def test_files_that_are_not_the_original_format(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "b.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        read(path, "original")


LINE = {"id": "a", "category": "social", "instruction": "x", "image": "a.png"}


def line(**changes: object) -> bytes:
    return json.dumps(LINE | changes).encode()


@pytest.mark.parametrize(
    ("format", "content", "sentence"),
    [
        ("jsonl", b"[" + line() + b"]", "one JSON value goes over the whole file"),
        ("jsonl", json.dumps(LINE, indent=1).encode(), "one JSON value goes over the whole file"),
        ("jsonl", gzip.compress(line(), mtime=0), "a gzip file; unpack it, or save it as jsonl"),
        ("jsonl", line()[:-1] + b', "id": "b"}', "line 1: field 'id' stands there twice"),
        ("jsonl", line(images=["a.png"]), "line 1: fields image and images are both given"),
        ("jsonl", line(image="", images="a.png"), "line 1: field images is not a list of texts"),
        ("jsonl", line(image="", images=["a.png", ""]), "line 1: an entry of field images is em"),
        ("jsonl", line(image="", images=["a.png"] * 11), "11 images; a sample has at most 10"),
        ("jsonl", line(image="", images=["a.png", "s3://b"]), "line 1: images s3://b is a URL; do"),
        ("jsonl", line(mask="https://host/m.png"), "line 1: mask https://host/m.png is a URL; do"),
        ("jsonl", line(image="https://host/a.png"), "image https://host/a.png is a URL; download"),
        ("jsonl", line(image="file:///a.png"), "image file:///a.png is a URL; .* leave out file://"),
        ("jsonl", line(rationale=float("nan")), "line 1: field rationale is not a text: nan"),
        ("jsonl", line(id="👩\u200d🔬"), "line 1: id .* holds ZERO WIDTH JOINER"),
        ("jsonl", line(instruction_en="y"), "fields instruction and instruction_en differ"),
        ("csv", b"id;category;instruction;image\n", "the columns are separated by semicolons"),
        ("csv", b"id\tcategory\timage\n", "the columns are separated by tabs"),
        ("csv", b"id,category,id\n", "the header has column 'id' twice"),
        ("csv", b"id, category\n", "column ' category' of the header has spaces around its name"),
        ("csv", b"id,category\na\n", "line 2: 1 cells, but the header has 2 columns"),
        ("csv", b"id,,\na,x,\n", "line 2: 'x' stands in a column without a name"),
        ("csv", b"PK\x03\x04rest", "a zip or Excel file"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_one_is_refused_with_its_cause(
    tmp_path: Path, format: str, content: bytes, sentence: str
) -> None:
    (tmp_path / "a.png").write_bytes(png("x"))
    path = tmp_path / "b"
    path.write_bytes(content)
    with pytest.raises(UserError, match=sentence) as caught:
        read(path, format)
    assert len(str(caught.value)) < 500


def test_columns_without_a_name_and_without_values_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png("x"))
    path = tmp_path / "b.csv"
    path.write_text("id,category,instruction,image,mask,,\na,social,x,a.png,,,\n")
    assert [sample.id for sample in read(path, "csv")] == ["a"]


def test_unknown_fields_are_named_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png("x"))
    path = tmp_path / "b.jsonl"
    path.write_bytes(line(colour=1, id="1") + b"\n" + line(colour=2, size=3, mask=None, images=[]))
    warnings: list[str] = []
    results = tmp_path / "results"
    prepare(Import(path, "jsonl", "en", FIVE), results / "s", results, warnings.append)
    assert warnings == [f"{path}: these fields are not known and were not read: 'colour', 'size'."]


# The bytes behind the image are passed over; base64 of them has every sign that programs differ in.
PADDED = png("x") + b"\xff\xfe\xfb" * 3 + b"x" * ((1 - len(png("x"))) % 3)


@pytest.mark.parametrize(
    "encoded",
    [
        base64.b64encode(PADDED).decode().rstrip("="),
        base64.urlsafe_b64encode(PADDED).decode(),
        base64.urlsafe_b64encode(PADDED).decode().rstrip("="),
        base64.encodebytes(PADDED).decode(),
        "data:image/png;base64," + base64.b64encode(PADDED).decode(),
    ],
)
def test_base64_as_programs_write_it(tmp_path: Path, encoded: str) -> None:
    assert set("=+/") <= set(base64.b64encode(PADDED).decode())
    path = tmp_path / "b"
    path.write_text(json.dumps([item(src_img_b64=encoded)]))
    assert read(path, "original")[0].source_sha256 == hashlib.sha256(PADDED).hexdigest()
    if encoded.startswith("data:"):
        path.write_bytes(line(image=encoded))
        assert read(path, "jsonl")[0].source_sha256 == hashlib.sha256(PADDED).hexdigest()


def test_a_long_value_is_not_echoed_whole(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    for changes in (
        {"image": "data:image/png;base64," + "%" * 9000},
        {"image": "x" * 9000},
        {"image": "https://host/" + "x" * 9000},
        {"category": "x" * 9000},
        {"human_score": "x" * 9000},
        {"id": "x" * 9000},
    ):
        path.write_bytes(line(**changes))
        with pytest.raises(UserError) as caught:
            read(path, "jsonl")
        assert len(str(caught.value)) < 800, changes


def test_a_large_file_is_read_as_a_stream(tmp_path: Path) -> None:
    """200 MB of images in less memory than the file has bytes."""
    noise = Image.frombytes("RGB", (1000, 670), os.urandom(2_010_000))
    buffer = io.BytesIO()
    noise.save(buffer, "PNG", compress_level=0)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    path = tmp_path / "b.json"
    with path.open("w") as file:
        file.write("[")
        for number in range(75):
            file.write("," if number else "")
            json.dump(item(src_img_b64=encoded, original_image_path=f"{number}.png"), file)
        file.write("]")
    size = path.stat().st_size
    assert size > 200_000_000
    # VmHWM, not ru_maxrss: the latter begins with the peak of the process that started this one.
    code = (
        "from pathlib import Path; from edit_benchmark.dataset.samples import Import, prepare;"
        f"results = Path({str(tmp_path)!r}) / 'results';"
        f"prepare(Import(Path({str(path)!r}), 'original', 'en', {FIVE}), results / 's', results);"
        "status = Path('/proc/self/status').read_text();"
        "print(int(status.split('VmHWM:')[1].split()[0]) * 1024)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    peak = int(subprocess.check_output([sys.executable, "-c", code], env=environment, text=True))
    assert peak < size

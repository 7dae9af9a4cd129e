"""Public benchmarks in small: the layout is theirs, rows, words and pictures are our own."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from conftest import draw, png


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(path.name).save(path)


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """As ``datasets`` writes it, in row groups of two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=2)


def embedded(name: str) -> dict[str, Any]:
    return {"bytes": png(name), "path": f"{name}.png"}


def gedit_row(**changes: Any) -> dict[str, Any]:
    return {
        "task_type": "subject-add",
        "key": "a1",
        "instruction": "add a boat",
        "instruction_language": "en",
        "input_image": embedded("small"),
        "input_image_raw": embedded("raw"),
        "Intersection_exist": True,
    } | changes


def gedit(folder: Path) -> Path:
    chinese = {"instruction": "加一条船", "instruction_language": "cn"}
    rows = [
        gedit_row(),
        gedit_row(**chinese),
        gedit_row(key="a2", instruction="remove the boat", task_type="subject-remove",
                  Intersection_exist=False),
        gedit_row(key="a3", instruction="blue sea", task_type="color_alter"),
    ]  # fmt: skip
    write_parquet(folder / "data" / "train-00000-of-00002.parquet", rows[:3])
    write_parquet(folder / "data" / "train-00001-of-00002.parquet", rows[3:])
    return folder


def imgedit(folder: Path) -> Path:
    """Three rows, of which two share an image; and one of UGE."""
    for name in ("animal/01.jpg", "style/02.jpg"):
        write_image(folder / "Benchmark" / "singleturn" / name)
    write_json(folder / "Benchmark" / "Basic" / "basic_edit.json", {
        "22": {"id": "animal/01.jpg", "prompt": "make it red", "edit_type": "adjust"},
        "23": {"id": "animal/01.jpg", "prompt": "add a hat", "edit_type": "add"},
        "24": {"id": "style/02.jpg", "prompt": "as a woodcut", "edit_type": "style"},
    })  # fmt: skip
    uge = {"1": {"id": "animal/01.jpg", "prompt": "a cat and its hat"}}
    write_json(folder / "Benchmark" / "UGE" / "UGE_edit.json", uge)
    return folder


#: The chains of each task of ImgEdit's multi-turn part: the name of the image, and the turns.
TURNS = {
    "content_memory": {"11.jpg": ["only green from now on", "add a boat", "change the sea"],
                       "12.jpg": ["no people, ever", "add a crowd"]},
    "content_understand": {"13.jpg": ["put a hat on the left one", "make it red"]},
    "version_backtrace": {"14.jpg": ["a red sea", "back to before, with a boat"]},
}  # fmt: skip


def imgedit_multiturn(folder: Path) -> Path:
    """As the archive has it: JSON lines in spite of their name, beside the images."""
    for task, chains in TURNS.items():
        lines = []
        for name, turns in chains.items():
            write_image(folder / "Benchmark" / "multiturn" / task / name)
            fields = {f"turn{number}": text for number, text in enumerate(turns, start=1)}
            lines.append(json.dumps({"id": name, **fields}) + "\n")
        (folder / "Benchmark/multiturn" / task / "annotation.json").write_text("".join(lines))
    return folder


def rise(folder: Path) -> Path:
    def row(kind: str, number: int, **more: Any) -> dict[str, Any]:
        image = f"{kind}_reasoning_images/{number}.png"
        write_image(folder / "data" / image)
        return {"index": f"{kind}_reasoning_{number}", "category": f"{kind}_reasoning",
                "instruction": f"what comes {number}", "image": image} | more  # fmt: skip

    write_image(folder / "data" / "spatial_reasoning_images" / "1_ref.png")
    rows = [
        row("temporal", 1, reference="older", subtask="Life Progression", consistency_free=False),
        row("spatial", 1, reference_img="spatial_reasoning_images/1_ref.png", subtask="Viewpoint",
            reasoning_img=True),
        row("logical", 1, reference_txt="7", subtask="Puzzle", reasoning_wo_ins="yes"),
        row("causal", 1, reference="broken", consistency_free=True, subtask="Transition"),
    ]  # fmt: skip
    write_json(folder / "datav2_total_w_subtask.json", rows)
    small = [{name: value for name, value in rows[0].items() if name != "subtask"}]
    write_json(folder / "data" / "data_total.json", small)
    return folder


def kris(folder: Path) -> Path:
    root = folder / "KRIS_Bench"
    for name in ("physics/1.jpg", "physics/1-gt.jpg", "temporal_prediction/1-1.jpg",
                 "temporal_prediction/1-2.jpg", "temporal_prediction/1-3.jpg"):  # fmt: skip
        write_image(root / name)
    write_json(root / "physics" / "annotation.json", {
        "1": {"ori_img": "1.jpg", "gt_img": "", "ins_en": "drop it", "explain_en": "it falls"},
        "2": {"ori_img": "1.jpg", "gt_img": "1-gt.jpg", "ins_en": "wet it", "explain_en": ""},
    })  # fmt: skip
    write_json(root / "temporal_prediction" / "annotation.json", {
        "1": {"ori_img": ["1-2.jpg", "1-3.jpg"], "gt_img": "1-1.jpg", "ins_en": "the first frame",
              "explain_en": ""},
    })  # fmt: skip
    return folder


def complex_edit(folder: Path) -> Path:
    def row(name: str) -> dict[str, Any]:
        steps = [{"compound_instruction": f"{name} in {level} steps"} for level in range(1, 9)]
        return {"image": embedded(name), "edit": {"compound": steps}}

    write_parquet(folder / "data" / "test_real-00000-of-00001.parquet", [row("hill"), row("lake")])
    write_parquet(folder / "data" / "test_syn-00000-of-00001.parquet", [row("drawn")])
    return folder


def unicbench(folder: Path) -> Path:
    rows = [
        {"key": "b1", "task": "Scene Editing", "subtask": "Background Change", "cn": "换成夜晚",
         "en": "make it night", "image_path": "images/b1.png", "resolution": [64, 48]},
        {"key": "b2", "task": "Reasoning Editing", "subtask": "Implicit Change Edits", "cn": "入秋",
         "en": "it is autumn", "image_path": "images/b2.png", "resolution": [64, 48],
         "reasoning_points": ["yellow leaves", "bare twigs"]},
    ]  # fmt: skip
    for row in rows:
        write_image(folder / "data" / row["image_path"])
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "data" / "test_data.jsonl").write_text(lines, encoding="utf-8")
    return folder


def gedit_v2(folder: Path) -> Path:
    rows = [
        {"key": key, "instruction": f"do {key}", "source_image": embedded(key)}
        for key in ("v0", "v1", "v2")
    ]
    write_parquet(folder / "data" / "train-00000-of-00001.parquet", rows)
    return folder


def data_set_row(turn: int) -> dict[str, Any]:
    return {"img_id": 7, "turn_index": turn, "instruction": f"turn {turn}", "kind": "Add / Remove",
            "source_img": embedded(f"s{turn}"), "target_img": embedded(f"t{turn}")}  # fmt: skip


def data_set(folder: Path) -> Path:
    """Rows as of a data set of the hub with turns, categories with spaces, and targets."""
    rows = [data_set_row(turn) for turn in (1, 2)]
    write_parquet(folder / "default" / "dev" / "0000.parquet", rows)
    write_parquet(folder / "default" / "train" / "0000.parquet", rows)
    return folder


def grey(value: int, size: tuple[int, int] = (64, 48)) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.new("RGB", size, (value, value, value)).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def comparison(part: str, group: str, first: int, second: int, ranking: str) -> Any:
    """A row of TIGER-Lab's set: two grey pictures of a grey source, and who is better."""
    shown = "vs".join(sorted({*ranking} & {*"ABCD"}))
    return {
        "id": f"{group}_{shown}", "dataset": part, "instruction": f"make {group} as it is",
        "source_image": grey(100), "candidate_1": grey(first), "candidate_2": grey(second),
        "ranking": ranking, "comparison_type": shown, "score_1": 1.0, "score_2": 2.0,
        "model_1": "one", "model_2": "other",
    }  # fmt: skip


def editreward(folder: Path) -> Path:
    """Two pairs, one of them a tie, and two groups of three, whose edits are ever brighter."""
    rows = [
        comparison("2pair", "p1", 100, 110, "A>B"),
        comparison("2pair", "p2", 110, 110, "A=B"),
        *(
            comparison("3pair", group, first, second, ranking)
            for group, last in (("g1", "B>C"), ("g2", "C>B"))
            for first, second, ranking in ((100, 110, "A>B"), (100, 150, "A>C"), (110, 150, last))
        ),
    ]
    write_parquet(folder / "data" / "train-00000-of-00001.parquet", rows)
    return folder


def editscore(folder: Path) -> Path:
    """A pair that people are asked about twice, and the same pictures the other way round."""
    rows = [
        {"key": keys, "task_type": "extract", "dimension": dimension, "instruction": "cut it out",
         "input_image": embedded("s"), "output_images": list(map(embedded, keys)), "more": 1}
        for keys, dimension in ((["a1", "a2"], "consistency"), (["a1", "a2"], "overall"),
                                (["a2", "a1"], "overall"))
    ]  # fmt: skip
    write_parquet(folder / "data" / "test-00000-of-00001.parquet", rows)
    return folder


#: A way to write each benchmark into a folder; what it gives is the path for the configuration.
MAKERS: dict[str, Callable[[Path], Path]] = {
    "gedit": gedit, "imgedit": imgedit, "rise": rise, "kris": kris, "complex_edit": complex_edit,
    "unicbench": unicbench, "gedit_v2": gedit_v2, "parquet": data_set,
}  # fmt: skip
#: What else a configuration says of the data set of :func:`data_set`.
DATA_SET = {
    "subset": "dev",
    "columns": {"image": "source_img", "instruction": "instruction", "target": "target_img",
                "id": ["img_id", "turn_index"], "category": "kind"},
    "categories": ["Add_Remove"],
}  # fmt: skip

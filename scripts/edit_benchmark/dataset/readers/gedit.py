"""GEdit-Bench: Parquet files, a row for each task, instruction and language."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edit_benchmark.dataset.readers import parquet
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.dataset.readers.raw_sample import RawSample, text
from edit_benchmark.errors import UserError

# What the judge is shown as the source, whichever of the two is edited.
_SHOWN, _RAW = "input_image", "input_image_raw"
_COLUMNS = ("task_type", "key", "instruction", "instruction_language", "Intersection_exist")
_LANGUAGES = {"en": "en", "cn": "zh"}


def gedit_files(path: Path, options: Options) -> list[Path]:
    """The Parquet files; all rows are in a split that is named train."""
    return parquet.part_files(path, "train" if path.is_dir() else None)


def read_gedit(path: Path, options: Options) -> Iterator[RawSample]:
    """Rows of the language of ``options``: each row has one.

    A key is unique within its task and language.
    """
    image = options.columns.get("image", _SHOWN)
    if image not in (_SHOWN, _RAW):
        raise UserError(f"config: benchmark.columns.image: {image!r} is not {_SHOWN} or {_RAW}.")
    columns = [*_COLUMNS, *dict.fromkeys([image, _SHOWN])]
    for place, file, row in parquet.rows(gedit_files(path, options), columns):
        language = text(place, row, "instruction_language", required=True)
        if language not in _LANGUAGES:
            raise UserError(f"{place}: instruction_language {language!r} is neither en nor cn.")
        common = row["Intersection_exist"]
        if not isinstance(common, bool):
            raise UserError(f"{place}: Intersection_exist is not true or false: {common!r}.")
        if _LANGUAGES[language] != options.language:
            continue
        if options.subset == "intersection" and not common:
            continue
        task, key = (text(place, row, name, required=True) for name in ("task_type", "key"))
        shown = {"judged_source": parquet.picture(place, file, _SHOWN, row[_SHOWN])}
        source = parquet.picture(place, file, image, row[image])
        yield RawSample(
            place=place,
            id=f"{task}-{language}-{key}",
            id_from="task_type, language and key",
            category=task,
            sources=(source,),
            texts={
                f"instruction_{options.language}": text(place, row, "instruction", required=True)
            },
            fields={
                "task_type": task,
                "key": key,
                "instruction_language": language,
                "intersection": "true" if common else "false",
                "source_column": image,
            },
            pictures=shown if image != _SHOWN else {},
        )

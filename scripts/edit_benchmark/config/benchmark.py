"""Settings of the benchmark: where its files are, what they are, and what of them is run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from edit_benchmark.categories import CATEGORIES, canonical, of_format, part_of
from edit_benchmark.config.base import PathText, Positive, Section, Text, distinct, mistake
from edit_benchmark.records import dumps

#: What ``subset`` may be, of formats that have parts; the first is the one that null stands for.
SUBSETS: dict[str, tuple[str, ...]] = {
    "gedit": ("full", "intersection"),
    "imgedit": ("basic", "uge", "multiturn"),
    "rise": ("full", "small"),
    "complex_edit": ("real", "syn"),
}
_OF_ONE_FILE = ("jsonl", "csv", "original", "re_edit")
# Formats whose instructions are English alone.
_ENGLISH = ("imgedit", "rise", "kris", "complex_edit", "editreward", "editreward_editscore")
#: Formats that bring two finished edits of each sample, and people's word which is better.
WITH_CANDIDATES = ("editreward", "editreward_editscore")
# Formats of which a subset is a split of the data set.
_WITH_SPLITS = ("parquet", *WITH_CANDIDATES)
# Formats that take columns, and which ones.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "gedit": ("image",),
    "gedit_v2": ("image", "instruction", "id", "category"),
    "parquet": ("image", "instruction", "id", "category", "target", "target_caption"),
}


def _category_keys(names: list[str]) -> list[str]:
    """The keys of categories given by any of their names, each once."""
    keys: list[str] = []
    for name in names:
        key = canonical(name)
        if key is None:
            raise mistake(
                f"{name!r} is not a category; use 物理, 环境, 社会, 因果, 指代, their English "
                "names, or a name of letters, digits, '_' and '-' that the benchmark file uses"
            )
        if key in keys:
            raise mistake(f"{name!r} stands there twice")
        keys.append(key)
    return distinct(keys)


class Columns(Section):
    """Which columns of Parquet files are what."""

    image: Text | None = None
    """Column of the source image; of gedit input_image (what null stands for and the judge is
    shown) or input_image_raw (the original resolution)."""
    instruction: Text | None = None
    """Column of the edit instruction, in the language that benchmark.language names."""
    id: Text | Annotated[list[Text], Field(min_length=1)] | None = None
    """Column of the id, or a list of columns that are the id together; null numbers the rows."""
    category: Text | None = None
    """Column of the category; other characters than letters, digits, _ and - become _. List the
    categories to run in benchmark.categories. Null makes all one category, dataset."""
    target: Text | None = None
    """Column of the image that the edit should come to, if there is one."""
    target_caption: Text | None = None
    """Column of a description of that image, if there is one."""


class Benchmark(Section):
    """The samples to edit."""

    path: PathText
    """The benchmark file, relative to the working directory; of a public benchmark the folder of
    its checkout or download, see docs/benchmarks.md."""
    format: Literal[
        "jsonl", "csv", "original", "re_edit", "gedit", "imgedit", "rise", "kris", "complex_edit",
        "unicbench", "gedit_v2", "editreward", "editreward_editscore", "parquet",
    ] = "jsonl"  # fmt: skip
    """jsonl and csv have one sample a line with images beside the file; original is one JSON list
    with the images inline as base64, re_edit the same of RE-Edit; parquet is any image-edit data
    set of the Hugging Face hub, by its columns; editreward is TIGER-Lab's EditReward-Bench and
    editreward_editscore EditScore's, which edit nothing; the others are the public benchmarks of
    that name."""
    subset: Text | None = None
    """Part of a public benchmark: full or intersection of gedit, basic, uge or multiturn of
    imgedit, full or small of rise, real or syn of complex_edit; of parquet, editreward and
    editreward_editscore the split. Null for the first one."""
    images: PathText | None = None
    """Folder of the source images of imgedit, rise, kris or unicbench, if they do not lie beside
    the benchmark's own files."""
    columns: Columns | None = None
    """Which columns are what, for parquet; for gedit and gedit_v2 those that shall be others."""
    language: Literal["en", "zh"] = "en"
    """Language of the instructions given to the editor and of the judge's questions."""
    categories: Annotated[list[Text], Field(min_length=1), AfterValidator(_category_keys)] = list(
        CATEGORIES
    )
    """Categories to run, by Chinese or English name; a benchmark's own category by its name in the
    file (letters, digits, _ and -). A public benchmark has all of its own if none are given."""
    limit: Positive | None = None
    """At most this many samples of each category, the first ones of the file; null for all. A chain
    of edits counts as one."""
    strict: bool = False
    """Refuse the benchmark if one source image is missing or broken; else its sample is skipped."""

    @property
    def may_be_folder(self) -> bool:
        """Whether ``path`` may be a folder."""
        return self.format not in _OF_ONE_FILE

    @property
    def may_have_targets(self) -> bool:
        """Whether samples may have the image that the edit should come to."""
        if self.format == "parquet":
            return self.columns is not None and self.columns.target is not None
        return self.format in ("jsonl", "csv")

    @property
    def options(self) -> str:
        """What is said beside path, format and selection, as one JSON text; empty if nothing is."""
        columns = self.columns.model_dump(exclude_none=True) if self.columns else {}
        said = {"subset": self.subset, "images": self.images, "columns": columns}
        return dumps(given) if (given := {key: said[key] for key in said if said[key]}) else ""

    @model_validator(mode="before")
    @classmethod
    def _categories_of_the_format(cls, values: Any) -> Any:
        if isinstance(values, dict) and "categories" not in values:
            format = values.get("format", "jsonl")
            return {**values, "categories": list(of_format(part_of(format, values.get("subset"))))}
        return values

    @model_validator(mode="after")
    def _fits_the_format(self) -> Benchmark:
        self._check_subset()
        if self.images is not None and self.format not in ("imgedit", "rise", "kris", "unicbench"):
            raise mistake(f"images is not used by format {self.format}; remove it")
        if self.language == "zh" and self.format in _ENGLISH:
            raise mistake(f"language: {self.format} has instructions in English only; set en")
        columns = self.columns.model_dump(exclude_none=True) if self.columns else {}
        for name in columns:
            if name not in _COLUMNS.get(self.format, ()):
                raise mistake(f"columns.{name} is not used by format {self.format}; remove it")
        for name in ("image", "instruction"):
            if self.format == "parquet" and name not in columns:
                raise mistake(f"columns.{name} is missing: name the column of the {name}")
        if columns.get("category") and self.categories == list(of_format(self.format)):
            raise mistake(
                "categories is missing: list those of columns.category that are to be run"
            )
        return self

    def _check_subset(self) -> None:
        known = SUBSETS.get(self.format)
        if self.subset is None or self.format in _WITH_SPLITS or (known and self.subset in known):
            return
        raise mistake(
            f"subset: {self.subset!r} is not one of {', '.join(known)}"
            if known
            else f"subset is not used by format {self.format}; remove it"
        )

"""Categories: the five reasoning ones and the names they go by, and those of public benchmarks."""

from __future__ import annotations

import re

#: Canonical key, used in paths and tables, and the Chinese name.
CATEGORIES = {
    "physical": "物理",
    "environmental": "环境",
    "social": "社会",
    "causal": "因果",
    "referential": "指代",
}
# RE-Edit calls its third category cultural; its items are those of the social one.
ALIASES = {chinese: key for key, chinese in CATEGORIES.items()} | {"cultural": "social"}
#: Keys of the categories of public benchmarks, by the format that reads them, in the order of their
#: tables. Those of Complex-Edit are its levels; of a data set without categories all is one.
OF_FORMAT: dict[str, tuple[str, ...]] = {
    "gedit": (
        "background_change", "color_alter", "material_alter", "motion_change", "ps_human",
        "style_change", "subject-add", "subject-remove", "subject-replace", "text_change",
        "tone_transfer",
    ),
    "imgedit": (
        "add", "adjust", "extract", "replace", "remove", "background", "style", "compose", "action",
    ),
    "imgedit_uge": ("uge",),
    "imgedit_multiturn": ("content_memory", "content_understand", "version_backtrace"),
    "rise": (
        "temporal_reasoning", "causal_reasoning", "spatial_reasoning", "logical_reasoning",
    ),
    "kris": (
        "count_change", "color_change", "size_adjustment", "part_completion", "anomaly_correction",
        "viewpoint_change", "position_movement", "temporal_prediction", "humanities",
        "practical_knowledge", "biology", "chemistry", "geography", "medicine", "mathematics",
        "physics", "abstract_reasoning", "rule-based_reasoning", "multi-element_composition",
        "multi-instruction_execution",
    ),
    "complex_edit": tuple(f"C{level}" for level in range(1, 9)),
    "unicbench": (
        "Subject_Addition", "Subject_Removal", "Subject_Replacement", "Object_Extraction",
        "Counting_Change", "Portrait_Editing", "Text_Modification", "Color_Alteration",
        "Material_Modification", "Texture_Editing", "Shape-Size_Alteration", "Motion_Change",
        "Background_Change", "Style_Transfer", "Tone_Transformation", "Lens_Zooming",
        "Viewpoint_Transformation", "Spatial_Reasoning_Edits", "Multi-object_Coordination",
        "Relation_Change", "Implicit_Change_Edits", "Compound_Operation_Edits",
    ),
    "gedit_v2": ("gedit_v2",),
    "editreward": ("2pair", "3pair", "4pair"),
    "editreward_editscore": (
        "subject-add", "subject-remove", "subject-replace", "color_alter", "material_alter",
        "style_change", "tone_transfer", "background_change", "extract", "ps_human", "text_change",
        "motion_change", "compose",
    ),
    "parquet": ("dataset",),
}  # fmt: skip
_PARTS = ("imgedit_uge", "imgedit_multiturn")
# Keys become folder names and target names, so a benchmark's own categories must be plain words.
_CUSTOM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def canonical(name: str) -> str | None:
    """The key of a category given by any of its names, or None for a name that cannot be one.

    A benchmark's own category (letters, digits, ``_`` and ``-``, at most 64) is its own key.
    """
    stripped = name.strip()
    lowered = stripped.lower()
    if lowered in CATEGORIES:
        return lowered
    if lowered in ALIASES:
        return ALIASES[lowered]
    return stripped if _CUSTOM.fullmatch(stripped) else None


def part_of(format: object, subset: object) -> str:
    """The format, or what a part of it is called that has categories and results of its own."""
    part = f"{format}_{subset}"
    return part if part in _PARTS else str(format)


def of_format(format: str) -> tuple[str, ...]:
    """Keys of the categories that a benchmark of ``format`` has if nothing else is said."""
    return OF_FORMAT.get(format, tuple(CATEGORIES))


def label(key: str, language: str = "en") -> str:
    """The name to print: Chinese for ``zh`` where there is one, else the key."""
    return CATEGORIES.get(key, key) if language == "zh" else key

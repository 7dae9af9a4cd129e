"""Reading the configuration: checked, defaults filled, contradictions refused."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from edit_benchmark.config import protocols
from edit_benchmark.config.base import ModelSettings
from edit_benchmark.config.editors import (
    DiffusersEditorSettings,
    EditorSettings,
    FolderEditorSettings,
)
from edit_benchmark.config.judges import RUBRICS, JudgeSettings, PixelsJudgeSettings
from edit_benchmark.config.mistakes import first_mistake
from edit_benchmark.config.presets import with_presets
from edit_benchmark.config.protocols import PROTOCOLS
from edit_benchmark.config.run import Config, HumanRatings
from edit_benchmark.config.secrets import refuse_secrets
from edit_benchmark.config.written import check_plain
from edit_benchmark.errors import UserError
from edit_benchmark.records import dumps

Part = TypeVar("Part")
_CONFIG = TypeAdapter(Config)
_EDITOR: TypeAdapter[EditorSettings] = TypeAdapter(EditorSettings)
_JUDGE: TypeAdapter[JudgeSettings] = TypeAdapter(JudgeSettings)
_HUMAN: TypeAdapter[HumanRatings | None] = TypeAdapter(HumanRatings | None)
# Linux takes 128 KiB for one argument, and a rule's whole command is one.
_MOST_BYTES = 96 * 1024


def resolve(config: Mapping[str, Any]) -> Config:
    """The configuration as types.

    Of what it names only the existence is checked, so that this can run each time a workflow is
    parsed.

    Raises
    ------
    UserError
        For the first thing that is wrong, naming the key.
    """
    check_plain(config)
    config = with_presets(config)
    try:
        settings = Config.model_validate(config)
    except ValidationError as error:
        raise first_mistake(error) from None
    refuse_secrets("config", config)
    _check_size(settings)
    _check_places(settings)
    for name, model in settings.models.items():
        _check_files(f"models.{name}", model)
    for name, judge in settings.judges.items():
        _check_files(f"judges.{name}", judge)
        _check_asked(f"judges.{name}", judge)
    return settings


def config_from_json(text: str) -> Config:
    """A resolved configuration from JSON, as a job is given it; errors as of :func:`resolve`."""
    return _from_json(_CONFIG, text)


def editor_settings(text: str, name: str) -> EditorSettings:
    """The settings of the model ``name`` from JSON, as a job is given them.

    Raises
    ------
    UserError
        For the first thing that is wrong.
    """
    return _from_json(_EDITOR, text, "models", name)


def judge_settings(text: str, name: str) -> JudgeSettings:
    """The settings of the judge ``name`` from JSON; errors as of :func:`editor_settings`."""
    return _from_json(_JUDGE, text, "judges", name)


def human_ratings_settings(text: str) -> HumanRatings | None:
    """Where people's ratings are from JSON; errors as of :func:`editor_settings`."""
    return _from_json(_HUMAN, text, "human_ratings")


def _from_json(kind: TypeAdapter[Part], text: str, *keys: str) -> Part:
    """The part of a configuration that stands under ``keys``."""
    try:
        return kind.validate_json(text)
    except ValidationError as error:
        raise first_mistake(error, keys) from None


def _check_size(settings: Config) -> None:
    """Refuse what no command line holds: jobs are given their settings on it."""
    size = len(shlex.quote(dumps(settings.model_dump(mode="json"))).encode())
    if size > _MOST_BYTES:
        raise UserError(
            f"config: it is {size} bytes as one text, and a command line takes {_MOST_BYTES}; "
            "keep long texts in files that your class reads."
        )


def _check_places(settings: Config) -> None:
    """Refuse a benchmark file that is not there, and a results folder that cannot be one."""
    benchmark = Path(settings.benchmark.path)
    if settings.benchmark.may_be_folder:
        if not (_is_file(benchmark) or _is_folder(benchmark)):
            raise UserError(
                f"config: benchmark.path: {benchmark} does not exist; give the folder of the "
                "benchmark's checkout or download, relative to the working directory "
                "(docs/benchmarks.md)."
            )
    elif not _is_file(benchmark):
        raise UserError(
            f"config: benchmark.path: {benchmark} does not exist or is not a file; "
            "give the path of the benchmark file, relative to the working directory."
        )
    pictures = settings.benchmark.images
    if pictures is not None and not _is_folder(Path(pictures)):
        raise UserError(
            f"config: benchmark.images: {pictures} is not a folder; give the one of the source "
            "images, relative to the working directory."
        )
    ratings = settings.human_ratings
    if ratings is not None and ratings.path is not None and not _is_file(Path(ratings.path)):
        raise UserError(
            f"config: human_ratings.path: {ratings.path} does not exist or is not a file; give the "
            "path of the CSV file, relative to the working directory."
        )
    results = Path(settings.results)
    for place in (results, *results.parents):
        if _is_file(place):
            raise UserError(
                f"config: results: {place} is a file; give a folder, which is made if needed."
            )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _check_asked(where: str, judge: JudgeSettings) -> None:
    """Refuse a rubric, a protocol, or a prompt of one, that is not there."""
    if isinstance(judge, PixelsJudgeSettings):
        return
    for what, name, path, known in (
        ("rubric", judge.rubric, judge.rubric_file, RUBRICS),
        ("protocol", judge.protocol, judge.protocol_file, PROTOCOLS),
    ):
        if path is not None and not _is_file(path):
            names = ", ".join(sorted(path.stem for path in known.glob("*.yaml")))
            raise UserError(
                f"config: {where}: {what} {name} is neither a file nor one of: {names}."
            )
    if judge.protocol_file is None:
        return
    repository = protocols.read(judge.protocol_file).checkout
    if (repository is None) != (judge.prompts is None):
        raise UserError(
            f"config: {where}: protocol {judge.protocol} needs no prompts; remove the key."
            if repository is None
            else f"config: {where}: protocol {judge.protocol} reads its prompts from a checkout of "
            f"{repository}; give its folder as prompts."
        )
    for path in judge.asked_by:
        if not _is_file(path):
            raise UserError(
                f"config: {where}: protocol {judge.protocol} reads its prompts from {path}, which "
                f"is not there; give the folder of a checkout of {repository} as prompts."
            )


def _check_files(where: str, settings: EditorSettings | JudgeSettings) -> None:
    """Refuse a checkpoint, an adapter or a folder of edits that is not there."""
    if isinstance(settings, FolderEditorSettings) and not _is_folder(settings.folder):
        raise UserError(
            f"config: {where}: path {settings.path} is not a folder; give the one of the finished "
            "edits, relative to the working directory."
        )
    if isinstance(settings, PixelsJudgeSettings) and settings.is_of_file:
        if not _is_file(Path(str(settings.checkpoint)).expanduser()):
            raise UserError(
                f"config: {where}: checkpoint {settings.checkpoint} is no file; give that of the "
                f"network's weights ({settings.network}), which torchvision gives out."
            )
    elif isinstance(settings, ModelSettings) and settings.checkpoint is not None:
        checkpoint = settings.checkpoint
        # owner/name is a hub repository unless such a folder exists; anything else is a path.
        is_path = checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") != 1
        if is_path and not _is_folder(Path(checkpoint).expanduser()):
            raise UserError(
                f"config: {where}: checkpoint {checkpoint} does not exist; give a folder in the "
                "layout of save_pretrained or a hub repository as owner/name."
            )
    if isinstance(settings, DiffusersEditorSettings) and settings.lora is not None:
        path = settings.lora.file
        if path.suffix != ".safetensors" or not _is_file(path):
            raise UserError(
                f"config: {where}: lora.path {path} is not a safetensors file; give the path of "
                "the adapter, relative to the working directory."
            )

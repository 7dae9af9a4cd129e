"""Reading the configuration: checked, defaults filled, contradictions refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edit_benchmark.config.base import ModelSettings
from edit_benchmark.config.editors import DiffusersEditorSettings, EditorSettings
from edit_benchmark.config.judges import RUBRICS, JudgeSettings
from edit_benchmark.config.mistakes import first_mistake
from edit_benchmark.config.run import Config, HumanRatings
from edit_benchmark.config.secrets import refuse_secrets
from edit_benchmark.errors import UserError

_EDITOR: TypeAdapter[EditorSettings] = TypeAdapter(EditorSettings)
_JUDGE: TypeAdapter[JudgeSettings] = TypeAdapter(JudgeSettings)
_HUMAN: TypeAdapter[HumanRatings | None] = TypeAdapter(HumanRatings | None)


def resolve(config: Mapping[str, Any]) -> Config:
    """The configuration as types.

    Of what it names only the existence is checked, so that this can run each time a workflow is
    parsed.

    Raises
    ------
    UserError
        For the first thing that is wrong, naming the key.
    """
    try:
        settings = Config.model_validate(dict(config))
    except ValidationError as error:
        raise first_mistake(error) from None
    benchmark = Path(settings.benchmark.path)
    if not benchmark.is_file():
        raise UserError(
            f"config: benchmark.path: {benchmark} does not exist or is not a file; "
            "give the path of the benchmark file, relative to the working directory."
        )
    ratings = settings.human_ratings
    if ratings is not None and ratings.path is not None and not Path(ratings.path).is_file():
        raise UserError(
            f"config: human_ratings.path: {ratings.path} does not exist or is not a file; give the "
            "path of the CSV file, relative to the working directory."
        )
    refuse_secrets("config", config)
    for name, model in settings.models.items():
        _check_files(f"models.{name}", model)
    for name, judge in settings.judges.items():
        _check_files(f"judges.{name}", judge)
        if not judge.rubric_file.is_file():
            known = ", ".join(sorted(path.stem for path in RUBRICS.glob("*.yaml")))
            raise UserError(
                f"config: judges.{name}: rubric {judge.rubric} is neither a file nor one of: "
                f"{known}."
            )
    return settings


def config_from_json(text: str) -> Config:
    """A resolved configuration from JSON, as a job is given it; errors as of :func:`resolve`."""
    try:
        return Config.model_validate_json(text)
    except ValidationError as error:
        raise first_mistake(error) from None


def editor_settings(text: str, name: str) -> EditorSettings:
    """The settings of the model ``name`` from JSON, as a job is given them.

    Raises
    ------
    UserError
        For the first thing that is wrong.
    """
    try:
        return _EDITOR.validate_json(text)
    except ValidationError as error:
        raise first_mistake(error, ("models", name)) from None


def judge_settings(text: str, name: str) -> JudgeSettings:
    """The settings of the judge ``name`` from JSON; errors as of :func:`editor_settings`."""
    try:
        return _JUDGE.validate_json(text)
    except ValidationError as error:
        raise first_mistake(error, ("judges", name)) from None


def human_ratings_settings(text: str) -> HumanRatings | None:
    """Where people's ratings are from JSON; errors as of :func:`editor_settings`."""
    try:
        return _HUMAN.validate_json(text)
    except ValidationError as error:
        raise first_mistake(error, ("human_ratings",)) from None


def _check_files(where: str, settings: EditorSettings | JudgeSettings) -> None:
    """Refuse a checkpoint or an adapter that is not there."""
    if isinstance(settings, ModelSettings) and settings.checkpoint is not None:
        checkpoint = settings.checkpoint
        # owner/name is a hub repository unless such a folder exists; anything else is a path.
        is_path = checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") != 1
        if is_path and not Path(checkpoint).expanduser().is_dir():
            raise UserError(
                f"config: {where}: checkpoint {checkpoint} does not exist; give a folder in the "
                "layout of save_pretrained or a hub repository as owner/name."
            )
    if isinstance(settings, DiffusersEditorSettings) and settings.lora is not None:
        path = settings.lora.file
        if path.suffix != ".safetensors" or not path.is_file():
            raise UserError(
                f"config: {where}: lora.path {path} is not a safetensors file; give the path of "
                "the adapter, relative to the working directory."
            )

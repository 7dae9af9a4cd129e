"""Presets: a setting of a released model as its makers recommend it, by one name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from edit_benchmark.config.written import check_file
from edit_benchmark.errors import UserError

#: A file for each preset: the model's settings, and what else is known of it.
PRESETS = Path(__file__).parents[3] / "resources" / "models"


def names() -> list[str]:
    """The presets that there are."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def with_presets(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the settings of each model's preset written out.

    What the model says itself stands; of ``call`` each argument by itself.

    Raises
    ------
    UserError
        If there is no such preset, or its file is none.
    """
    models = config.get("models")
    if not isinstance(models, Mapping):
        return dict(config)
    return {**config, "models": {name: _expanded(name, model) for name, model in models.items()}}


def _expanded(name: str, model: Any) -> Any:
    # What is no diffusers model, or no mapping, gets the message that it gets without a preset.
    if not isinstance(model, Mapping) or model.get("editor", "diffusers") != "diffusers":
        return model
    preset = model.get("preset")
    if preset is None:
        return model
    if preset not in names():
        raise UserError(
            f"config: models.{name}.preset: {preset!r} is not one of: {', '.join(names())}."
        )
    settings = _read(PRESETS / f"{preset}.yaml")
    expanded = {"editor": "diffusers", **settings, **model}
    # A revision is one of the preset's own repository.
    if "checkpoint" in model:
        expanded["revision"] = model.get("revision")
    named = set(model)
    calls = [settings.get("call", {}), model.get("call", {})]
    if all(isinstance(call, Mapping) for call in calls):
        expanded["call"] = {**calls[0], **calls[1]}
        named |= set(calls[1])
    # A size of one's own stands in place of the preset's, in whichever way it is written.
    if {"height", "width"} & named:
        expanded["area"] = model.get("area")
    elif model.get("area") is not None:
        expanded |= {"height": None, "width": None}
    return expanded


def _read(path: Path) -> dict[str, Any]:
    check_file(path)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings = content.get("settings") if isinstance(content, dict) else None
    if not isinstance(settings, dict):
        raise UserError(f"{path}: it has no settings; write the model's keys under settings.")
    return settings

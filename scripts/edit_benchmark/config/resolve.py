"""The configuration: checked against its schema, defaults filled, contradictions refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from edit_benchmark.categories import canonical
from edit_benchmark.editing.registry import APPROXIMATIONS
from edit_benchmark.errors import UserError

SCHEMA = Path(__file__).parents[3] / "workflow" / "schemas" / "config.schema.yaml"
RUBRICS = Path(__file__).parents[3] / "resources" / "rubrics"

#: Names of what must not be written anywhere.
SECRET = re.compile(r"(^|[_-])(api[_-]?key|token|secret|password|passwd)$", re.IGNORECASE)
# Tokens as the hub and vendors of models give them out.
_TOKEN = re.compile(r"\b(hf_|sk-|ghp_)[A-Za-z0-9_-]{20,}")


def resolve(config: Mapping[str, Any]) -> dict[str, Any]:
    """The whole configuration: validated, defaults filled, categories by key, shards a number.

    Nothing is read but the schema and whether the named files exist, so that it can run each time
    a workflow is parsed.

    Raises
    ------
    UserError
        For the first thing found wrong, naming the key.
    """
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if error is not None:
        raise UserError(_sentence(error, schema))
    settings: dict[str, Any] = _with_defaults(dict(config), schema, schema)
    settings["benchmark"]["categories"] = _categories(settings["benchmark"]["categories"])
    if settings["shards"] is None:
        settings["shards"] = len(settings["device_ids"])
    _check_devices(settings["device_ids"])
    benchmark = Path(settings["benchmark"]["path"])
    if not benchmark.is_file():
        raise UserError(
            f"config: benchmark.path: {benchmark} does not exist or is not a file; "
            "give the path of the benchmark file, relative to the working directory."
        )
    _check_secrets("config", settings)
    for name, model in settings["models"].items():
        _check_model(f"models.{name}", model)
    for name, judge in settings["judges"].items():
        _check_judge(f"judges.{name}", judge)
    return settings


def rubric_path(name: str) -> Path:
    """Where a rubric lives: a name of resources/rubrics, or a path."""
    named = RUBRICS / f"{name}.yaml"
    return named if named.is_file() else Path(name)


def _sentence(error: jsonschema.ValidationError, schema: Mapping[str, Any]) -> str:
    """One sentence for a schema violation: the key, what is wrong, what may stand there."""
    where = ".".join(str(part) for part in error.absolute_path)
    wanted: Any = error.validator_value
    given: Any = error.instance
    prefix = f"config: {where}: " if where else "config: "
    match error.validator:
        case "additionalProperties":
            rule: Any = error.schema
            known = rule.get("properties", {})
            unknown = sorted(set(given) - set(known))
            return f"{prefix}unknown key {', '.join(unknown)}; known keys: {', '.join(known)}."
        case "required":
            missing = [key for key in wanted if key not in given]
            return f"{prefix}{', '.join(missing)} is missing."
        case "enum":
            allowed = ", ".join(str(value) for value in wanted)
            return f"{prefix}{error.instance!r} is not one of {allowed}."
        case "pattern" if "propertyNames" in error.absolute_schema_path:
            return (
                f"{prefix}{error.instance!r} cannot be a name; use letters, digits, '.', '_' and "
                "'-', at most 64, beginning with a letter or digit."
            )
        case "anyOf" | "const":
            return f"{prefix}{error.instance!r} is neither a GPU number nor cpu."
        case _:
            return f"{prefix}{error.message}."


def _with_defaults(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """``value`` with the schema's defaults filled in, at every depth; ``value`` is not changed."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if schema.get("type") != "object" or not isinstance(value, dict):
        return value
    filled = dict(value)
    for key, part in schema.get("properties", {}).items():
        target = root["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        if key not in filled and "default" in target:
            filled[key] = target["default"]
        if key in filled:
            filled[key] = _with_defaults(filled[key], target, root)
    other = schema.get("additionalProperties")
    if isinstance(other, dict):
        filled = {key: _with_defaults(part, other, root) for key, part in filled.items()}
    return filled


def _categories(names: list[str]) -> list[str]:
    keys = []
    for name in names:
        key = canonical(name)
        if key is None:
            raise UserError(
                f"config: benchmark.categories: {name!r} is not a category; use 物理, 环境, 社会, "
                "因果, 指代, their English names, or a name of letters, digits, '_' and '-' that "
                "the benchmark file uses."
            )
        if key in keys:
            raise UserError(f"config: benchmark.categories: {name!r} stands there twice.")
        keys.append(key)
    return keys


def _check_devices(device_ids: list[int | str]) -> None:
    gpus = [device for device in device_ids if device != "cpu"]
    if gpus and len(gpus) < len(device_ids):
        raise UserError("config: device_ids: GPU numbers and cpu cannot be mixed in one run.")
    if len(set(gpus)) < len(gpus):
        raise UserError("config: device_ids: a GPU number stands there twice.")


def _check_secrets(where: str, value: Any) -> None:
    """Refuse keys that name a secret: the configuration is written into the record of a run."""
    if isinstance(value, dict):
        for key, part in value.items():
            if SECRET.search(str(key)):
                raise UserError(
                    f"{where}: {key} looks like a secret, and the configuration is written into "
                    "the results; let your class read it from an environment variable."
                )
            _check_secrets(f"{where}: {key}" if where == "config" else f"{where}.{key}", part)
    elif isinstance(value, list):
        for part in value:
            _check_secrets(where, part)
    elif isinstance(value, str) and _TOKEN.search(value):
        raise UserError(
            f"{where}: the value looks like an access token, and the configuration is written into "
            "the results; give it as an environment variable."
        )


def _check_checkpoint(where: str, settings: Mapping[str, Any]) -> None:
    checkpoint = settings["checkpoint"]
    if checkpoint is None:
        raise UserError(f"config: {where}: checkpoint is missing.")
    # owner/name is a hub repository unless such a folder exists; anything else is a path.
    is_path = checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") != 1
    if is_path and not Path(checkpoint).expanduser().is_dir():
        raise UserError(
            f"config: {where}: checkpoint {checkpoint} does not exist; give a folder in the "
            "layout of save_pretrained or a hub repository as owner/name."
        )


def _check_class(where: str, kind: str, settings: Mapping[str, Any]) -> None:
    if (settings["class_path"] is None) == (kind == "class_path"):
        problem = "is missing" if kind == "class_path" else f"is not used by {kind}; remove it"
        raise UserError(f"config: {where}: class_path {problem}.")


def _check_model(where: str, model: Mapping[str, Any]) -> None:
    kind = model["editor"]
    _check_class(where, kind, model)
    if kind == "diffusers":
        _check_checkpoint(where, model)
    scale = model["true_cfg_scale"]
    if scale is not None and scale > 1 and model["negative_prompt"] is None:
        raise UserError(
            f"config: {where}: true_cfg_scale {scale} asks for guidance, but without a "
            "negative_prompt the pipeline would drop it silently; set negative_prompt (the usual "
            'one is " ") or true_cfg_scale: 1.'
        )
    _check_approximations(where, model)
    if (model["height"] is None) != (model["width"] is None):
        raise UserError(f"config: {where}: height and width go together.")


def _check_approximations(where: str, model: Mapping[str, Any]) -> None:
    chosen = [name for name in APPROXIMATIONS if model[name]]
    if chosen and model["editor"] != "diffusers":
        raise UserError(
            f"config: {where}: {chosen[0]} is not used by {model['editor']}; remove it."
        )
    if model["fp8"] and model["exact"] == "bitwise":
        raise UserError(
            f"config: {where}: exact: bitwise and fp8 contradict each other; leave one out."
        )
    if model["lora"]:
        path = Path(model["lora"]["path"]).expanduser()
        if path.suffix != ".safetensors" or not path.is_file():
            raise UserError(
                f"config: {where}: lora.path {path} is not a safetensors file; give the path of "
                "the adapter, relative to the working directory."
            )


def _check_judge(where: str, judge: Mapping[str, Any]) -> None:
    _check_class(where, judge["judge"], judge)
    if judge["judge"] == "transformers":
        _check_checkpoint(where, judge)
    if not rubric_path(judge["rubric"]).is_file():
        known = ", ".join(sorted(path.stem for path in RUBRICS.glob("*.yaml")))
        raise UserError(
            f"config: {where}: rubric {judge['rubric']} is neither a file nor one of: {known}."
        )

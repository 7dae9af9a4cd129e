"""The configuration: its types, the schema made from them, and what counts as equal."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from conftest import ROOT
from edit_benchmark.config.mistakes import SETTINGS_OF_KIND
from edit_benchmark.config.resolve import config_from_json, editor_settings, judge_settings
from edit_benchmark.config.run import Config
from edit_benchmark.config.schema import SCHEMA, config_schema, to_yaml
from edit_benchmark.editing import registry as editors
from edit_benchmark.errors import UserError
from edit_benchmark.judging import registry as judges

CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
#: The least that each kind needs.
LEAST: dict[str, dict[str, Any]] = {
    "identity": {"editor": "identity"},
    "folder": {"editor": "folder", "path": "a"},
    "candidate": {"candidate": "first"},
    "diffusers": {"editor": "diffusers", "checkpoint": "a/b"},
    "class_path": {"class_path": "a.B"},
    "transformers": {"judge": "transformers", "checkpoint": "a/b"},
    "pixels": {"judge": "pixels"},
    "openai": {"base_url": "http://localhost:8000/v1", "model": "m"},
    "models.openai": {"dialect": "sglang"},
}
ALL_KINDS = [(section, kind) for section, kinds in SETTINGS_OF_KIND.items() for kind in kinds]
PARSE = {"models": editor_settings, "judges": judge_settings}


def least(section: str, kind: str) -> dict[str, Any]:
    """The shortest settings of a kind."""
    discriminator = {"models": "editor", "judges": "judge"}[section]
    return {discriminator: kind} | LEAST[kind] | LEAST.get(f"{section}.{kind}", {})


def test_the_schema_is_that_of_the_types() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == to_yaml(config_schema()), "run: make schema"


def test_every_key_is_described_and_no_other_is_taken() -> None:
    def sections(part: dict[str, Any]) -> list[dict[str, Any]]:
        return [part, *part["$defs"].values()]

    for section in sections(config_schema()):
        assert section["additionalProperties"] is False
        for name, key in section["properties"].items():
            assert "$ref" in key or key.get("description"), name


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_shipped_configs_fit_types_and_schema(path: Any) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert Config.model_validate(content).models
    jsonschema.validate(content, config_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content | {"modles": {}}, config_schema())


@pytest.mark.parametrize(("section", "kind"), ALL_KINDS)
def test_a_key_that_a_kind_does_not_use_is_refused(section: str, kind: str) -> None:
    parse = PARSE[section]
    own: type[BaseModel] = SETTINGS_OF_KIND[section][kind]
    assert isinstance(parse(json.dumps(least(section, kind)), "m"), own)
    others = {key for other in SETTINGS_OF_KIND[section].values() for key in other.model_fields}
    for key in others - set(own.model_fields):
        with pytest.raises(UserError, match=f"config: {section}.m: {key} is not used by {kind};"):
            parse(json.dumps(least(section, kind) | {key: 1}), "m")


@pytest.mark.parametrize(("section", "kind"), ALL_KINDS)
def test_a_default_written_out_is_the_default(section: str, kind: str) -> None:
    parse = PARSE[section]
    short = parse(json.dumps(least(section, kind)), "m")
    written = short.model_dump(mode="json")
    assert parse(json.dumps(written), "m") == short
    # As YAML users write whole numbers.
    floats = {key: float(value) if type(value) is int else value for key, value in written.items()}
    assert parse(json.dumps(floats), "m") == short


def test_a_job_reads_what_the_workflow_writes() -> None:
    content = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    config = Config.model_validate(content)
    assert config_from_json(json.dumps(config.model_dump(mode="json"))) == config


def test_every_kind_of_settings_is_a_kind_that_jobs_know() -> None:
    assert list(SETTINGS_OF_KIND["models"]) == list(editors.KINDS)
    assert list(SETTINGS_OF_KIND["judges"]) == list(judges.KINDS)

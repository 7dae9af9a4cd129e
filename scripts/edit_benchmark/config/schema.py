"""The JSON schema of the configuration, made from its types: ``make schema``.

Editors that know JSON schemas complete and check a configuration with it; a run itself checks with
the types.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from edit_benchmark.config.run import Config

SCHEMA = Path(__file__).parents[3] / "workflow" / "schemas" / "config.schema.yaml"
_HEADER = (
    "# Made by `make schema` from scripts/edit_benchmark/config; a test holds the two together.\n"
)
_FIRST = ("editor", "judge")


def config_schema() -> dict[str, Any]:
    """The schema of draft 2020-12, every key described."""
    schema = _tidy(Config.model_json_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of the image-edit benchmark",
        **schema,
    }


def to_yaml(schema: dict[str, Any]) -> str:
    """The file's text."""
    return _HEADER + yaml.safe_dump(schema, sort_keys=False, allow_unicode=True, width=100)


def _tidy(part: Any) -> Any:
    """Without the titles, which repeat the keys, and with the key that names the kind first."""
    if isinstance(part, list):
        return [_tidy(entry) for entry in part]
    if not isinstance(part, dict):
        return part
    tidy = {key: _tidy(value) for key, value in part.items() if not _is_title(key, value)}
    if isinstance(tidy.get("description"), str):
        tidy["description"] = " ".join(tidy["description"].split())
    if "properties" in tidy:
        properties = tidy["properties"]
        names = sorted(properties, key=lambda name: name not in _FIRST)
        tidy["properties"] = {name: properties[name] for name in names}
    return tidy


def _is_title(key: str, value: Any) -> bool:
    return key == "title" and isinstance(value, str)


if __name__ == "__main__":
    sys.stdout.write(to_yaml(config_schema()))

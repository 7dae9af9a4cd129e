"""Secrets have no place in a configuration, which is written into the record of a run."""

from __future__ import annotations

import re
from typing import Any

from edit_benchmark.errors import UserError

#: Names of what must not be written anywhere.
SECRET = re.compile(r"(^|[_-])(api[_-]?key|token|secret|password|passwd)$", re.IGNORECASE)
# Tokens as the hub and vendors of models give them out.
_ACCESS_TOKEN = re.compile(r"\b(hf_|sk-|ghp_)[A-Za-z0-9_-]{20,}")
# A token of a tokenizer: its number, or its text in brackets as <image>, </s> or [PAD].
_TOKENIZERS = re.compile(r"\d+|<[^<>]*>|\[[^\[\]]*\]", re.DOTALL)


def refuse_secrets(where: str, value: Any) -> None:
    """Refuse keys that name a secret: the configuration is written into the record of a run."""
    if isinstance(value, dict):
        for key, part in value.items():
            if is_secret(str(key), part):
                raise UserError(
                    f"{where}: {key} looks like a secret, and the configuration is written into "
                    "the results; let your class read it from an environment variable."
                )
            refuse_secrets(f"{where}: {key}" if where == "config" else f"{where}.{key}", part)
    elif isinstance(value, list):
        for part in value:
            refuse_secrets(where, part)
    elif isinstance(value, str) and _ACCESS_TOKEN.search(value):
        raise UserError(
            f"{where}: the value looks like an access token, and the configuration is written into "
            "the results; give it as an environment variable."
        )


def is_secret(name: str, value: Any) -> bool:
    """Whether ``value`` under ``name`` is a secret: not a switch, and no token of a tokenizer."""
    if not SECRET.search(name):
        return False
    if isinstance(value, dict):
        return False  # a section; each of its keys is looked at
    if isinstance(value, list):
        return any(is_secret(name, part) for part in value)
    if value is None or isinstance(value, bool) or value == "":
        return False
    is_token = name.lower().endswith("token")
    return not (is_token and _TOKENIZERS.fullmatch(str(value)))

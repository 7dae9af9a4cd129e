"""Secrets have no place in a configuration, which is written into the record of a run."""

from __future__ import annotations

import re
from typing import Any

from edit_benchmark.errors import UserError

#: Names of what must not be written anywhere.
SECRET = re.compile(r"(^|[_-])(api[_-]?key|token|secret|password|passwd)$", re.IGNORECASE)
# Tokens as the hub and vendors of models give them out.
_TOKEN = re.compile(r"\b(hf_|sk-|ghp_)[A-Za-z0-9_-]{20,}")


def refuse_secrets(where: str, value: Any) -> None:
    """Refuse keys that name a secret: the configuration is written into the record of a run."""
    if isinstance(value, dict):
        for key, part in value.items():
            if SECRET.search(str(key)):
                raise UserError(
                    f"{where}: {key} looks like a secret, and the configuration is written into "
                    "the results; let your class read it from an environment variable."
                )
            refuse_secrets(f"{where}: {key}" if where == "config" else f"{where}.{key}", part)
    elif isinstance(value, list):
        for part in value:
            refuse_secrets(where, part)
    elif isinstance(value, str) and _TOKEN.search(value):
        raise UserError(
            f"{where}: the value looks like an access token, and the configuration is written into "
            "the results; give it as an environment variable."
        )

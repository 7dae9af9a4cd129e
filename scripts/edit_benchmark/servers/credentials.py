"""The key of a server: where it is found, and how it stays out of every text."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from urllib.parse import urlsplit

from edit_benchmark.config.servers import Served
from edit_benchmark.errors import UserError

_SHORTEST = 4


def find_key(settings: Served, where: str) -> str | None:
    """The key that ``settings`` name: from the environment, else the password of ``~/.netrc``.

    Parameters
    ----------
    where
        The key of the settings in the configuration, for messages.

    Returns
    -------
    str or None
        None where the settings name none and there is none in ``~/.netrc``.

    Raises
    ------
    UserError
        If the environment variable is not set, or the key could not be sent.
    """
    name = settings.api_key_env
    key = os.environ.get(name, "").strip() if name is not None else _of_netrc(settings)
    if name is not None and not key:
        raise UserError(
            f"{where}: the environment variable {name} (api_key_env) is not set; put the key of "
            f"{settings.server} into it and run the same command again."
        )
    if key and not (key.isascii() and key.isprintable()):
        raise UserError(
            f"{where}: the key of {settings.server} holds characters that no header can have; "
            "copy it anew."
        )
    return key or None


def _of_netrc(settings: Served) -> str | None:
    host = urlsplit(settings.base_url).hostname or ""
    path = Path(os.environ.get("NETRC") or Path("~/.netrc").expanduser())
    try:
        hosts = netrc.netrc(str(path)).hosts
    except OSError:
        return None
    except netrc.NetrcParseError as error:
        raise UserError(f"{path}, line {error.lineno}: {error.msg}; mend the file.") from None
    # Not the file's default entry: that of another server would be sent to this one.
    entry = hosts.get(host)
    return entry[2] if entry else None


def scrub(text: str, key: str | None) -> str:
    """``text`` without the key, which a server may quote."""
    return text.replace(key, "***") if key and len(key) >= _SHORTEST else text

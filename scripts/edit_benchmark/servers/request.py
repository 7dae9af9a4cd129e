"""A request to a server, and what is kept of the reply."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from edit_benchmark.errors import SampleError
from edit_benchmark.records import dumps
from edit_benchmark.results.spending import Usage


@dataclass(frozen=True)
class Upload:
    """A file of a multipart request: its field, a name, the bytes and their type."""

    field: str
    name: str
    data: bytes
    mime: str


@dataclass(frozen=True)
class Request:
    """What is sent to a path of the server.

    Attributes
    ----------
    path
        Below the base address, such as ``/chat/completions``.
    fields
        The JSON body, or the text fields of a multipart body.
    uploads
        Files; with any the body is multipart.
    most
        The tokens that it may take, as far as that is known before the first answer.
    about
        The sample that it is about, for messages.
    """

    path: str
    fields: Mapping[str, Any]
    most: Usage
    about: str
    uploads: Sequence[Upload] = ()

    @cached_property
    def digest(self) -> str:
        """The hash of all that is sent, the model's name in it: 40 hex digits."""
        files = [[file.field, hashlib.sha256(file.data).hexdigest()] for file in self.uploads]
        sent = dumps([self.path, dict(self.fields), files])
        return hashlib.sha256(sent.encode()).hexdigest()[:40]


def served_by(reply: Mapping[str, Any]) -> dict[str, Any]:
    """What a reply says of who made it and what it took, for the record of an answer."""
    body = reply["body"]
    told = {name: body.get(name) for name in ("id", "model", "system_fingerprint", "usage")}
    told["seconds"] = reply["seconds"]
    return {name: value for name, value in told.items() if value is not None}


def usage_of(body: Mapping[str, Any]) -> Usage | None:
    """The tokens that an answer counts, of either API; None if it counts none."""
    usage = body.get("usage")
    if not isinstance(usage, Mapping):
        return None
    given = _count(usage, "prompt_tokens", "input_tokens")
    made = _count(usage, "completion_tokens", "output_tokens")
    if given is None or made is None:
        return None
    details = usage.get("input_tokens_details")
    of_images = _count(details, "image_tokens") if isinstance(details, Mapping) else None
    return Usage(given, made, min(of_images or 0, given))


def _count(usage: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


class Refused(SampleError):
    """The server will not answer such a request; asking again would give the same."""

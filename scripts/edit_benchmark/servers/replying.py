"""Telling what a server's reply means: an answer, a failure that may pass, one that will not."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from edit_benchmark.errors import SampleError, UserError, shorten

#: Codes with which servers refuse what a request asks for.
_REFUSALS = {"content_policy_violation", "moderation_blocked", "content_filter"}
# 429 for a reason that does not pass within a run.
_OUT_OF_MONEY = {"insufficient_quota", "billing_hard_limit_reached"}
_PASSING = {408, 409, 425, 429}
# What every further request would meet too.
_FOR_ALL = {
    401: "the server does not take the key; look at api_key_env and the key in it",
    402: "the server wants to be paid first",
    403: "the server does not let this key use the model",
    404: "the server knows no such address or model; look at base_url and model",
}
_TAGS = re.compile(r"<(style|script)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Received:
    """A whole reply: status, headers (names in lower case) and the bytes of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Passing(Exception):
    """A failure that may pass: the request is sent again.

    Attributes
    ----------
    retry_after
        Seconds that the server asks to wait, None if it says nothing.
    may_be_paid
        Whether the server may have answered all the same.
    is_of_request
        Whether the server did reply, if with an error.
    """

    def __init__(
        self,
        problem: str,
        retry_after: float | None = None,
        *,
        may_be_paid: bool = False,
        is_of_request: bool = False,
    ) -> None:
        super().__init__(problem)
        self.retry_after = retry_after
        self.may_be_paid = may_be_paid
        self.is_of_request = is_of_request


def answer_of(received: Received) -> dict[str, Any]:
    """The body of a reply that is an answer, or that refuses to give one.

    Raises
    ------
    Passing
        If it may be otherwise the next time.
    UserError
        If every other request would meet the same.
    SampleError
        If this request is at fault.
    """
    status = received.status
    if status == HTTPStatus.OK:
        return _body(received)
    error, text = _error(received.body)
    code = str(error.get("code") or error.get("type") or "")
    reason = _phrase(status) + (f": {text}" if text else "")
    if code in _REFUSALS:
        return {"refused": code, "message": text}
    if code in _OUT_OF_MONEY:
        raise UserError(f"{reason}; pay or wait, and run the same command again.")
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Passing(reason, _retry_after(received.headers), is_of_request=status != 429)
    if status in _FOR_ALL:
        raise UserError(f"{reason}; {_FOR_ALL[status]}, and run the same command again.")
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise UserError(
            f"{_phrase(status)}: the server sends requests elsewhere, which are not followed with "
            "a key; give the final address as base_url and run the same command again."
        )
    raise SampleError("bad_request", reason)


def _body(received: Received) -> dict[str, Any]:
    try:
        body = json.loads(received.body)
    except ValueError:
        shown = _shown(received.body) or "nothing"
        raise Passing(f"200 without JSON: {shown}", may_be_paid=True, is_of_request=True) from None
    if not isinstance(body, dict) or body.get("error"):
        problem = f"200 with an error: {_shown(received.body)}"
        raise Passing(problem, may_be_paid=True, is_of_request=True)
    return body


def _error(body: bytes) -> tuple[Mapping[str, Any], str]:
    """The error of a reply as OpenAI and FastAPI write it, and its message."""
    try:
        content = json.loads(body)
    except ValueError:
        return {}, _shown(body)
    if not isinstance(content, dict):
        return {}, _shown(body)
    error = content.get("error", content)
    if not isinstance(error, dict):
        return {}, shorten(str(error), 200)
    message = error.get("message") or error.get("detail") or ""
    return error, shorten(" ".join(str(message).split()), 200)


def _shown(body: bytes) -> str:
    """The beginning of a page without its tags."""
    text = _TAGS.sub(" ", body[:20_000].decode("utf-8", "replace"))
    return shorten(" ".join(text.split()), 200)


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``Retry-After`` says, as a number or as a date."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return seconds if 0 <= seconds < float("inf") else None

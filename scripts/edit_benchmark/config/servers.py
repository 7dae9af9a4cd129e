"""Settings of models behind a server of the OpenAI API, editors and judges alike."""

from __future__ import annotations

import ipaddress
import re
import shlex
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from edit_benchmark.config.base import (
    Arguments,
    Number,
    Positive,
    Section,
    Text,
    mistake,
)

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A vendor's version of a model: 2025-04-14, 20250414, 0414.
_KEY_OPTION = re.compile(r"--\S*(api|hf|auth)[-_](key|token)", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}|\b\d{4}\b")


def _address(url: str) -> str:
    """The address of a server, which stands in records: it must hold no credentials."""
    # What is wrong is said without the address: it may be written into a log.
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise mistake("it is no address; write it as https://api.openai.com/v1") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise mistake("it is no address; write it as https://api.openai.com/v1")
    if parts.username is not None or parts.password is not None:
        raise mistake(
            "the address holds credentials, and the configuration is written into the results; "
            "name the environment variable that holds the key as api_key_env"
        )
    if parts.query or parts.fragment:
        raise mistake(
            "the address has a query or fragment, where credentials may stand; name the "
            "environment variable that holds the key as api_key_env"
        )
    return url.rstrip("/")


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        # Not quoted: it may be the key itself.
        raise mistake(
            "it is not the name of an environment variable; give its name, such as "
            "OPENAI_API_KEY, and the key itself in the environment"
        )
    return name


class Price(Section):
    """What a server takes, for a million tokens each, in any one currency."""

    input: Annotated[Number, Field(ge=0)]
    """Of what is sent, texts and images."""
    output: Annotated[Number, Field(ge=0)]
    """Of what is answered, an edited image's tokens too."""
    image: Annotated[Number, Field(ge=0)] | None = None
    """Of the images that are sent, where the server counts their tokens apart
    (input_tokens_details.image_tokens); null for the price of input."""


def _command(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise mistake(f"it is no command line ({error})") from None
    if not words:
        raise mistake("it is empty; write how the server is started")
    if any(map(_KEY_OPTION.match, words)):
        raise mistake(
            "it holds a key, and the configuration is written into the results; servers read "
            "theirs from the environment, such as VLLM_API_KEY"
        )
    return command


class Serve(Section):
    """A server that the run starts, uses and ends."""

    command: Annotated[Text, AfterValidator(_command)]
    """How it is started, such as vllm serve Qwen/Qwen3-VL-235B-A22B-Instruct
    --tensor-parallel-size 8 --port {port}; {port} stands for the port of base_url. It is in the
    keys of what the server makes."""
    gpu: Positive = 1
    """Devices that it is started on, of which it sees no others."""
    ready_seconds: Positive = 1800
    """It has to answer within so many seconds, in which it loads the model."""


class Served(Section):
    """What is set for every model behind a server."""

    base_url: Annotated[Text, AfterValidator(_address)]
    """The server's address up to the version, such as https://api.openai.com/v1 or
    http://localhost:8000/v1."""
    model: Text
    """The model's name as the server knows it. One with a date stays the same model."""
    api_key_env: Annotated[str, AfterValidator(_variable)] | None = None
    """The environment variable that holds the key, such as OPENAI_API_KEY; null looks for the
    server's host in ~/.netrc, and sends no key if it is not there. The key itself has no place in a
    configuration."""
    concurrency: Positive = 8
    """Requests under way at once. Each job takes as much of its server's resource (such as
    server_api_openai_com), so that jobs at one server take turns; with twice as much in --resources
    two work at once."""
    requests_per_minute: Positive | None = None
    """At most so many requests a minute for each job; null for no limit but concurrency."""
    tokens_per_minute: Positive | None = None
    """At most so many tokens a minute for each job, of requests and answers; null for no limit."""
    request_seconds: Positive = 120
    """A request without a whole answer after so many seconds is given up and sent again."""
    max_seconds: Positive = 600
    """A request that fails in a way that may pass (408, 409, 429, 5xx, a broken connection) is sent
    again for at most so long."""
    breaker_seconds: Positive = 180
    """A job stops when its server has given nothing usable for so long, to requests about several
    samples."""
    price: Price | None = None
    """What tokens cost; null leaves costs out. Needed with budget."""
    serve: Serve | None = None
    """A server on this host that the run starts before its first request and ends with the run;
    null for one that is there."""
    extra: Arguments = {}
    """Further fields of each request by name, such as chat_template_kwargs or reasoning_effort."""

    # No key of the configuration: a server has the weights.
    checkpoint: ClassVar[None] = None

    @model_validator(mode="after")
    def _breaker_comes_first(self) -> Served:
        if self.breaker_seconds > self.max_seconds:
            raise mistake(
                f"breaker_seconds {self.breaker_seconds} is above max_seconds {self.max_seconds}, "
                "so that every request would be given up first; lower it"
            )
        return self

    @model_validator(mode="after")
    def _started_where_it_is_asked(self) -> Served:
        if self.serve is None:
            return self
        parts = urlsplit(self.base_url)
        if not self.is_loopback or parts.scheme != "http" or parts.port is None:
            raise mistake(
                f"serve starts a server on this host, and base_url is {self.base_url}; write it "
                "as http://127.0.0.1:8000/v1, with the port that it shall have"
            )
        if "{port}" not in self.serve.command and str(parts.port) not in self.serve.command:
            raise mistake(
                "serve.command does not say which port the server shall have; write {port} where "
                "it takes one, such as --port {port}"
            )
        return self

    @property
    def gpu(self) -> int:
        """Devices that its server is started on; none where one is there."""
        return self.serve.gpu if self.serve is not None else 0

    @property
    def serve_fields(self) -> dict[str, Any]:
        """What of :attr:`serve` determines what is answered, for a key."""
        return {"serve": self.serve.command} if self.serve is not None else {}

    @property
    def server(self) -> str:
        """Host and port, as messages name it."""
        return urlsplit(self.base_url).netloc

    @property
    def resource(self) -> str:
        """The name of the server's resource in the workflow: ``server_api_openai_com``."""
        return "server_" + re.sub(r"\W", "_", self.server.lower())

    @property
    def is_dated(self) -> bool:
        """Whether the model's name says which of a vendor's versions it is."""
        return bool(_DATE.search(self.model))

    @property
    def is_loopback(self) -> bool:
        """Whether the server is this host."""
        host = urlsplit(self.base_url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")


#: Keys of :class:`Served` that determine what is answered: not the address, for a server that moved
#: has the same model, and what was paid stays paid.
SERVED_KEY_SETTINGS = ("model", "extra")
#: Those, and of judges, that do not: how a server is reached, and what it takes for it.
WAYS_OF_ASKING = frozenset({*Served.model_fields, "max_tokens_field"} - {*SERVED_KEY_SETTINGS})

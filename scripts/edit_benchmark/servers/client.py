"""One request to a server and its whole reply, by the ``openai`` client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
import openai

from edit_benchmark.config.servers import Served
from edit_benchmark.errors import UserError
from edit_benchmark.servers.credentials import scrub
from edit_benchmark.servers.replying import Passing, Received
from edit_benchmark.servers.request import Upload

_CONNECT_SECONDS = 10
_MULTIPART: Any = {"headers": {"Content-Type": "multipart/form-data"}}


class Client:
    """One pool of connections to the server of ``settings``, with its key, if it has one."""

    def __init__(self, settings: Served, key: str | None) -> None:
        self._seconds = settings.request_seconds
        self._key = key
        http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(settings.request_seconds, connect=_CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=settings.concurrency),
            # Elsewhere neither the key nor the images have any business.
            follow_redirects=False,
            # With the authority of the environment's SSL_CERT_FILE, if it has one.
            verify=httpx2.create_ssl_context(),
            # A proxy of the environment cannot reach this host's own servers.
            trust_env=not settings.is_loopback,
        )
        self._client = openai.AsyncOpenAI(
            # Never the one that the environment holds for another server.
            api_key=key or "none",
            base_url=settings.base_url,
            max_retries=0,
            http_client=http,
        )

    async def get(self, path: str) -> Received:
        """The reply to a GET; errors as of :meth:`post`."""
        return await self._whole(self._client.get(path, cast_to=httpx2.Response))

    async def post(
        self, path: str, fields: Mapping[str, Any], uploads: Sequence[Upload]
    ) -> Received:
        """The reply to a POST of JSON, or of a multipart body if there are uploads.

        Raises
        ------
        Passing
            If no whole reply arrived in time.
        """
        files = [(file.field, (file.name, file.data, file.mime)) for file in uploads]
        return await self._whole(
            self._client.post(
                path,
                cast_to=httpx2.Response,
                body=dict(fields),
                files=files or None,
                options=_MULTIPART if files else {},
            )
        )

    async def close(self) -> None:
        await self._client.close()

    async def _whole(self, response: Any) -> Received:
        try:
            # Of all of it: a server that drips keeps each single read within its time.
            async with asyncio.timeout(self._seconds):
                replied = await response
        except openai.APIStatusError as error:
            replied = error.response
        except (TimeoutError, openai.APITimeoutError):
            problem = f"no whole answer in {self._seconds} s"
            raise Passing(problem, may_be_paid=True) from None
        except (openai.APIConnectionError, httpx2.HTTPError) as error:
            cause = error.__cause__ or error
            never_sent = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout)
            problem = scrub(f"{type(cause).__name__} {cause}".strip(), self._key)
            if "CERTIFICATE_VERIFY_FAILED" in problem:
                raise UserError(
                    f"its certificate cannot be verified ({problem}), and nothing was sent; for an "
                    "authority of your own name the file of its certificate in SSL_CERT_FILE."
                ) from None
            raise Passing(problem, may_be_paid=not never_sent) from None
        # A server may quote the key.
        text = scrub(replied.content.decode("utf-8", "replace"), self._key)
        return Received(replied.status_code, replied.headers, text.encode())

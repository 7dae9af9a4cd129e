"""One job's connection to its server: one pool of connections, one loop, many threads that ask."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import openai
import tenacity

from edit_benchmark.config.servers import Served
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.results import replies
from edit_benchmark.results.spending import Ledger, Usage
from edit_benchmark.runtime.failures import stop_if_fatal
from edit_benchmark.runtime.kinds import Caller
from edit_benchmark.servers.credentials import find_key, scrub
from edit_benchmark.servers.pace import Pace
from edit_benchmark.servers.replying import Passing, Received, answer_of
from edit_benchmark.servers.request import Request, usage_of

log = logging.getLogger(__name__)
Result = TypeVar("Result")
Reply = dict[str, Any]

_CONNECT_SECONDS = 10
# The breaker needs requests about so many samples to fail: one alone may be at fault itself.
_SEVERAL = 3
_LONGEST_BACKOFF = 60


class Connection:
    """Sends requests and gives their replies, from the store where they arrived before.

    Requests are sent again as the settings say; whatever arrives is kept before it is looked at.
    """

    def __init__(self, settings: Served, caller: Caller) -> None:
        self._settings = settings
        self._where = f"{caller.section}.{caller.name}"
        self._key = find_key(settings, self._where)
        self._client = _client(settings, self._key)
        self._ledger = Ledger(
            caller.layout.spending,
            caller.section,
            caller.name,
            settings.model,
            settings.price.model_dump() if settings.price else None,
            caller.budget,
        )
        self._slots = asyncio.Semaphore(caller.at_once or settings.concurrency)
        self._pace = Pace(settings.requests_per_minute, settings.tokens_per_minute, time.monotonic)
        self._usable_at = time.monotonic()
        self._failing: set[str] = set()
        self._broken: UserError | None = None
        self._stop = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def served_model(self) -> dict[str, Any]:
        """What ``/models`` says of the model, as far as it stays the same; empty if nothing.

        Raises
        ------
        UserError
            If the server does not take the key, or does not have the model.
        """
        return self._run(self._served_model())

    def replies(self, requests: Sequence[Request]) -> list[Reply | SampleError]:
        """The reply to each request, sent at once; called from any thread.

        A reply has ``body``, the answer's JSON, and ``seconds``; the body has ``refused`` and
        ``message`` where the server refused.

        Raises
        ------
        UserError
            If the job cannot go on: all that arrived is kept.
        """
        kept = replies.current()
        return self._run(self._all(requests, [kept.place(one.digest) for one in requests]))

    def close(self) -> None:
        """End what is under way, and the connections."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._ledger.close()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.close()

    async def _served_model(self) -> dict[str, Any]:
        try:
            received = await self._received("GET", "/models", {}, ())
            body = answer_of(received)
        except (Passing, SampleError):
            return {}  # the first request will say what is wrong
        except UserError as error:
            if "404" in str(error):
                return {}  # a server need not have it
            raise self._named(error) from None
        listed = body.get("data")
        for model in listed if isinstance(listed, list) else ():
            if isinstance(model, dict) and model.get("id") == self._settings.model:
                wanted = ("id", "owned_by", "root", "max_model_len")
                return {name: model[name] for name in wanted if model.get(name) is not None}
        return {}

    async def _all(
        self, requests: Sequence[Request], places: Sequence[Path]
    ) -> list[Reply | SampleError]:
        asked = [
            self._reply(request, place) for request, place in zip(requests, places, strict=True)
        ]
        found: list[Reply | SampleError] = []
        for one in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(one, BaseException) and not isinstance(one, SampleError):
                raise one
            found.append(one)
        return found

    async def _reply(self, request: Request, place: Path) -> Reply:
        kept = replies.read(place)
        if kept is not None:
            return kept
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(Passing),
            wait=_wait,
            stop=tenacity.stop_before_delay(self._settings.max_seconds),
            sleep=self._sleep,
            reraise=True,
        )
        began = time.monotonic()
        try:
            return await retrying(self._attempt, request, place)
        except Passing as error:
            problem = (
                f"{self._settings.server} gave nothing usable for {self._settings.max_seconds} s"
            )
            problem = (
                f"{self._settings.server} gave nothing usable for {self._settings.max_seconds} s, "
                f"at last {self._scrubbed(error)}"
            )
            if error.is_of_request or self._usable_at > began:
                raise SampleError("server_error", problem) from None
            raise self._named(
                UserError(f"{problem}; what was answered is kept: run the same command again.")
            ) from None

    async def _attempt(self, request: Request, place: Path) -> Reply:
        most = request.most
        if self._ledger.largest:
            most = Usage(self._ledger.largest, most.output, 0)
        await self._sleep(self._pace.claim(most.input + most.output))
        async with self._slots:
            while self._pace.held:
                await self._sleep(self._pace.held)
            self._check()
            try:
                entry = self._ledger.ask(most)
            except UserError as error:
                raise self._break(error) from None
            began = time.monotonic()
            try:
                received = await self._received(
                    "POST", request.path, request.fields, request.uploads
                )
                body = answer_of(received)
            except Passing as error:
                if not error.may_be_paid:
                    self._ledger.refused(entry)
                log.info("sample %s: %s", request.about, self._scrubbed(error))
                self._note_failure(request, error)
                raise
            except UserError as error:
                self._ledger.refused(entry)
                raise self._break(error) from None
            except SampleError as error:
                self._ledger.refused(entry)
                raise SampleError(error.kind, self._scrubbed(error)) from None
            reply = {"body": body, "seconds": round(time.monotonic() - began, 3)}
            self._keep(place, reply)
            if "refused" in body:
                self._ledger.refused(entry)
            else:
                self._ledger.answered(entry, usage_of(body))
            self._usable_at = time.monotonic()
            self._failing.clear()
            return reply

    def _keep(self, place: Path, reply: Reply) -> None:
        try:
            replies.keep(place, reply)
        except OSError as error:
            stop_if_fatal(error)
            raise

    async def _received(
        self, method: str, path: str, fields: Any, uploads: Sequence[Any]
    ) -> Received:
        """One reply to one request, whole.

        Raises
        ------
        Passing
            If none arrived in time.
        """
        files = [(file.field, (file.name, file.data, file.mime)) for file in uploads]
        seconds = self._settings.request_seconds
        try:
            # Of all of it: a server that drips keeps each single read within its time.
            async with asyncio.timeout(seconds):
                if method == "GET":
                    response = await self._client.get(path, cast_to=httpx2.Response)
                else:
                    response = await self._client.post(
                        path,
                        cast_to=httpx2.Response,
                        body=dict(fields),
                        files=files or None,
                        options=_MULTIPART if files else {},
                    )
                body = await response.aread()
        except openai.APIStatusError as error:
            response, body = error.response, error.response.content
        except (TimeoutError, openai.APITimeoutError):
            raise Passing(f"no whole answer in {seconds} s", may_be_paid=True) from None
        except (openai.APIConnectionError, httpx2.HTTPError) as error:
            cause = error.__cause__ or error
            refused = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout)
            problem = f"{type(cause).__name__} {cause}".strip()
            raise Passing(problem, may_be_paid=not refused) from None
        body = scrub(body.decode("utf-8", "replace"), self._key).encode()
        return Received(response.status_code, response.headers, body)

    def _note_failure(self, request: Request, error: Passing) -> None:
        self._failing.add(request.about)
        silent = time.monotonic() - self._usable_at
        if error.retry_after is not None:
            self._pace.hold(error.retry_after)
        if silent > self._settings.breaker_seconds and len(self._failing) >= _SEVERAL:
            self._break(
                UserError(
                    f"{self._settings.server} gave nothing usable for {silent:.0f} s, at last "
                    f"{error}; what was answered is kept: run the same command again."
                )
            )
            self._check()

    def _break(self, error: UserError) -> UserError:
        """Let no further request begin: each would meet the same."""
        self._broken = self._broken or self._named(error)
        self._stop.set()
        return self._broken

    def _check(self) -> None:
        if self._broken is not None:
            raise self._broken

    async def _sleep(self, seconds: float) -> None:
        """Wait, but no longer than until nothing may begin any more."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self._stop.wait(), seconds)
            except TimeoutError:
                return
        self._check()

    def _scrubbed(self, error: Exception) -> str:
        return scrub(str(error), self._key)

    def _named(self, error: UserError) -> UserError:
        return UserError(f"{self._where}: {self._scrubbed(error)}")


@contextmanager
def connected(settings: Served, caller: Caller) -> Iterator[Connection]:
    """A connection for the ``with`` block, whose end ends all requests that are under way."""
    # What they log at other levels has headers and addresses.
    for name in ("openai", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    connection = Connection(settings, caller)
    try:
        yield connection
    finally:
        connection.close()


_MULTIPART: Any = {"headers": {"Content-Type": "multipart/form-data"}}
_BACKOFF = tenacity.wait_random_exponential(multiplier=1, max=_LONGEST_BACKOFF)
_JITTER = tenacity.wait_random(0, 1)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Passing) and error.retry_after is not None:
        return error.retry_after + _JITTER(state)
    return _BACKOFF(state)


def _client(settings: Served, key: str | None) -> openai.AsyncOpenAI:
    http = httpx2.AsyncClient(
        timeout=httpx2.Timeout(settings.request_seconds, connect=_CONNECT_SECONDS),
        limits=httpx2.Limits(max_connections=settings.concurrency),
        # Elsewhere neither the key nor the images have any business.
        follow_redirects=False,
        # A proxy of the environment cannot reach this host's own servers.
        trust_env=not settings.is_loopback,
    )
    return openai.AsyncOpenAI(
        # Never what the environment holds for another server.
        api_key=key or "none",
        base_url=settings.base_url,
        max_retries=0,
        http_client=http,
    )

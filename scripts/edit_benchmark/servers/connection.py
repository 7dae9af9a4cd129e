"""One job's connection to its server: one pool of connections, one loop, many threads that ask."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import tenacity

from edit_benchmark.config.servers import Served
from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.results import replies
from edit_benchmark.results.spending import Ledger
from edit_benchmark.runtime.failures import stop_if_fatal
from edit_benchmark.runtime.kinds import Caller
from edit_benchmark.servers.client import Client
from edit_benchmark.servers.credentials import find_key
from edit_benchmark.servers.pace import Pace
from edit_benchmark.servers.replying import Passing, answer_of
from edit_benchmark.servers.request import Request, usage_of
from edit_benchmark.servers.serving import use

log = logging.getLogger(__name__)
Result = TypeVar("Result")
Reply = dict[str, Any]

# The breaker needs requests about so many samples to fail: one alone may be at fault itself.
_SEVERAL = 3
_LONGEST_BACKOFF = 60


class Connection:
    """Sends requests and gives their replies, from the store where they arrived before.

    Requests are sent again as the settings say; whatever arrives is kept before it is looked at.
    """

    def __init__(self, settings: Served, caller: Caller) -> None:
        self._settings = settings
        self._where = caller.where
        self._client = Client(settings, find_key(settings, self._where))
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

    def fail(self, error: UserError) -> None:
        """Let no further request begin, because of ``error``; called from any thread."""
        self._loop.call_soon_threadsafe(self._break, error)

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
            body = answer_of(await self._client.get("/models"))
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
        failing_since = math.inf

        def note_first(state: tenacity.RetryCallState) -> None:
            nonlocal failing_since
            if state.attempt_number == 1:
                # It may have waited long for its turn: that is no failure.
                state.start_time = failing_since = time.monotonic()

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(Passing),
            after=note_first,
            wait=_wait,
            stop=tenacity.stop_before_delay(self._settings.max_seconds),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return await retrying(self._attempt, request, place)
        except Passing as error:
            problem = (
                f"{self._settings.server} gave nothing usable for {self._settings.max_seconds} s, "
                f"at last {error}"
            )
            if error.is_of_request or self._usable_at > failing_since:
                raise SampleError("server_error", problem) from None
            raise self._named(
                UserError(f"{problem}; what was answered is kept: run the same command again.")
            ) from None

    async def _attempt(self, request: Request, place: Path) -> Reply:
        # What is known of a request before any answer is far more than it is likely to take.
        likely = self._ledger.largest.input or request.most.input
        await self._sleep(self._pace.claim(likely + request.most.output))
        async with self._slots:
            while self._pace.held:
                await self._sleep(self._pace.held)
            self._check()
            try:
                entry = self._ledger.ask(request.most)
            except UserError as error:
                raise self._break(self._named(error)) from None
            began = time.monotonic()
            try:
                received = await self._client.post(request.path, request.fields, request.uploads)
                body = answer_of(received)
            except Passing as error:
                if not error.may_be_paid:
                    self._ledger.refused(entry)
                log.info("%s: %s", request.about, error)
                self._note_failure(request, error)
                raise
            except UserError as error:
                self._ledger.refused(entry)
                raise self._break(self._named(error)) from None
            except SampleError:
                self._ledger.refused(entry)
                raise
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

    def _note_failure(self, request: Request, error: Passing) -> None:
        self._failing.add(request.about)
        silent = time.monotonic() - self._usable_at
        if error.retry_after is not None:
            if error.retry_after > self._settings.max_seconds:
                problem = (
                    f"{self._settings.server} asks to wait for {error.retry_after:.0f} s, longer "
                    f"than max_seconds ({error}); what was answered is kept: run the same command "
                    "again then."
                )
                raise self._break(self._named(UserError(problem)))
            self._pace.hold(error.retry_after)
        if silent > self._settings.breaker_seconds and len(self._failing) >= _SEVERAL:
            problem = (
                f"{self._settings.server} gave nothing usable for {silent:.0f} s, at last "
                f"{error}; what was answered is kept: run the same command again."
            )
            self._break(self._named(UserError(problem)))
            self._check()

    def _break(self, error: UserError) -> UserError:
        """Let no further request begin: each would meet the same."""
        self._broken = self._broken or error
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

    def _named(self, error: UserError) -> UserError:
        return UserError(f"{self._where}: {error}")


@contextmanager
def connected(settings: Served, caller: Caller) -> Iterator[Connection]:
    """A connection for the ``with`` block, whose end ends all requests that are under way."""
    # What they log at other levels has headers and addresses.
    for name in ("openai", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with use(settings, caller) as watch:
        connection = Connection(settings, caller)
        try:
            watch(connection.fail)
            yield connection
        finally:
            connection.close()


_BACKOFF = tenacity.wait_random_exponential(multiplier=1, max=_LONGEST_BACKOFF)
_JITTER = tenacity.wait_random(0, 1)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Passing) and error.retry_after is not None:
        return error.retry_after + _JITTER(state)
    return _BACKOFF(state)

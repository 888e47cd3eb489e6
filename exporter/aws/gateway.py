"""The one place where AWS is called: every attempt takes a token, runs in a thread, is bounded, timed and counted."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any, Protocol, TypeVar

from botocore import xform_name
from botocore.client import BaseClient

from exporter.aws.errors import classify, is_stale
from exporter.aws.limiter import Limiter
from exporter.aws.sessions import Identity, Sessions, identity_of, patience
from exporter.model import Access, CallFailed, Quota, Reason
from exporter.threads import Threads

T = TypeVar("T")

IN_FLIGHT_PER_SCOPE = 2
"""Calls of one operation for one instance that may run at once: an instance that hangs must leave threads to others, an
operation that hangs must not stop the others. Two of half a second each are as many a second as AWS's quota.
"""

_RETRIED = frozenset({Reason.THROTTLED, Reason.SERVER_ERROR, Reason.CONNECTION})
"""Not a timeout: it has already cost `read_timeout`, and the next refresh is due."""

_BACKOFF_BASE = 0.5
_BACKOFF_CAP = 8.0
_CHAINS = 3
_OPENERS = 256
"""Identities whose credentials may be fetched at once: accounts that hang must leave threads to the others."""

_Wanted = tuple[Access, str]
"""A client: for which access, of which service."""


class Observer(Protocol):
    """Who counts. All calls come on the loop's thread."""

    def attempt(self, account_id: str, region: str, operation: str, code: str, seconds: float) -> None:
        """One attempt ended. `code`: "200", AWS's error code, the HTTP status where AWS gave none, or the reason where
        no answer came.
        """

    def waited(self, account_id: str, region: str, operation: str, seconds: float) -> None:
        """So long an attempt waited for its token."""


@dataclass(frozen=True, slots=True)
class _Call:
    """Everything about a call that does not change from attempt to attempt."""

    access: Access
    service: str
    operation: str
    params: Mapping[str, Any]
    account_id: str
    quota: Quota | None
    quota_share: float
    scope: Hashable

    @property
    def bucket(self) -> tuple[str, str, str]:
        return (self.account_id, self.access.region, self.operation)

    @property
    def patience(self) -> float:
        """Seconds after which an attempt is given up."""
        return patience(self.access)

    def failed(self, reason: Reason, code: str = "", message: str = "") -> CallFailed:
        return CallFailed(self.operation, reason, code, message)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How an attempt ended in its thread."""

    seconds: float
    answer: dict[str, Any] = field(default_factory=dict)
    failure: CallFailed | None = None

    @property
    def code(self) -> str:
        return "200" if self.failure is None else self.failure.code or self.failure.reason.value


class Gateway:
    """Calls AWS for everybody. Belongs to one event loop; use its methods only there."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        limiter: Limiter,
        observer: Observer,
        threads: int = 64,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        random: Random | None = None,
        attempts: int = 4,
        freeze: bool = False,
    ) -> None:
        """`freeze`: once a client exists, exempt what botocore keeps for good from garbage collection, which otherwise
        stops the process for some 40 ms each time; for a process that is a daemon.
        """
        self._sessions = sessions
        self._limiter = limiter
        self._observer = observer
        self._sleep = sleep
        self._monotonic = monotonic
        self._random = random or Random()  # noqa: S311 (jitter)
        self._attempts = attempts
        self._freeze = freeze
        self._threads = Threads(threads, "aws-call")
        self._openers = Threads(_OPENERS, "aws-open")
        # A call is handed to a thread only when one is free, or its patience would run out in a queue.
        self._slots = asyncio.Semaphore(threads)
        self._scopes: dict[tuple[Hashable, str], asyncio.Semaphore] = {}
        self._openings: dict[Identity, tuple[_Wanted, Future[BaseClient]]] = {}

    async def call(
        self,
        access: Access,
        operation: str,
        params: Mapping[str, Any],
        *,
        account_id: str = "",
        quota: Quota | None = None,
        quota_share: float = 0.6,
        scope: Hashable = None,
        service: str = "connect",
    ) -> dict[str, Any]:
        """The answer of AWS's `operation` (its API name), as boto3 gives it. CallFailed once no retry is left or none
        would help.

        `scope`: the target's key; at most IN_FLIGHT_PER_SCOPE calls of one scope run at once.
        `quota`: the whole quota, where it is not AWS's default; `quota_share`: our part of it.
        """
        call = _Call(
            access, service, operation, params, account_id, quota, quota_share, access if scope is None else scope
        )
        return await self._with_retries(call)

    async def pages(
        self,
        access: Access,
        operation: str,
        params: Mapping[str, Any],
        *,
        key: str,
        account_id: str = "",
        quota: Quota | None = None,
        quota_share: float = 0.6,
        scope: Hashable = None,
        service: str = "connect",
        max_pages: int = 1000,
    ) -> list[dict[str, Any]]:
        """All pages of one chain of tokens, each with its list `key`. CallFailed as `call`; BAD_RESPONSE for a chain
        that can not be right.

        AWS drops a token after five minutes, and answers it then as any invalid parameter: the chain begins again,
        since one chain is one snapshot.
        """
        call = _Call(
            access, service, operation, params, account_id, quota, quota_share, access if scope is None else scope
        )
        for _ in range(_CHAINS):
            pages: list[dict[str, Any]] = []
            try:
                return await self._chain(call, key, max_pages, pages)
            except CallFailed as failure:
                if failure.reason is not Reason.INVALID_REQUEST or not pages:
                    raise
                refused = failure
        # Not INVALID_REQUEST: what was asked for is right, as its first page was answered.
        raise call.failed(Reason.BAD_RESPONSE, refused.code, f"NextToken refused: {refused.message}")

    async def identity(self, access: Access, *, scope: Hashable = None) -> tuple[str, str]:
        """(account id, ARN) of whoever these credentials are, as STS says. CallFailed as `call`."""
        answer = await self.call(access, "GetCallerIdentity", {}, scope=scope, service="sts")
        try:
            return str(answer["Account"]), str(answer["Arn"])
        except KeyError as error:
            raise CallFailed(
                "GetCallerIdentity", Reason.BAD_RESPONSE, "", f"the answer has no {error.args[0]}"
            ) from None

    def retain(self, accesses: Collection[Access], scopes: Collection[Hashable]) -> None:
        """Forgets clients, sessions and places of what nobody asks about any more."""
        self._sessions.retain(accesses)
        kept = {*accesses, *scopes}
        self._scopes = {key: places for key, places in self._scopes.items() if key[0] in kept}

    def close(self) -> None:
        """Takes no more calls. Does not wait: a thread stuck in a call ends with its timeout, or with the process."""
        self._threads.close()
        self._openers.close()

    async def _chain(self, call: _Call, key: str, max_pages: int, pages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Appends to `pages`, so that the caller sees how far a chain came that failed."""
        seen: set[str] = set()
        token: str | None = None
        while True:
            params = {**call.params, "NextToken": token} if token else call.params
            page = await self._with_retries(replace(call, params=params))
            if not isinstance(page.get(key), list):
                raise call.failed(Reason.BAD_RESPONSE, "", f"the answer has no {key}")
            pages.append(page)
            token = page.get("NextToken")
            if not token:
                return pages
            if token in seen:
                raise call.failed(Reason.BAD_RESPONSE, "", "NextToken repeats")
            if len(pages) >= max_pages:
                raise call.failed(Reason.BAD_RESPONSE, "", f"more than {max_pages} pages")
            seen.add(token)

    async def _with_retries(self, call: _Call) -> dict[str, Any]:
        renewed = False
        attempt = 1
        while True:
            client = None
            try:
                client = await self._client(call)
                return await self._attempt(call, client)
            except CallFailed as failure:
                if (
                    client is not None
                    and not renewed
                    and is_stale(failure)
                    and self._sessions.renew(call.access, client)
                ):
                    renewed = True
                    continue
                if client is not None and failure.reason is Reason.THROTTLED:
                    self._limiter.throttled(*call.bucket)
                if failure.reason not in _RETRIED or attempt >= self._attempts:
                    raise
            await self._sleep(self._random.uniform(0, min(_BACKOFF_CAP, _BACKOFF_BASE * 2 ** (attempt - 1))))
            attempt += 1

    async def _client(self, call: _Call) -> BaseClient:
        """The client, opened if need be. One thread at a time works on an identity, however many calls need it:
        credentials that hang must not take all threads.
        """
        wanted = (call.access, call.service)
        begin = self._monotonic()
        try:
            while (client := self._sessions.ready(*wanted)) is None:
                opening, future = self._opening(identity_of(call.access), wanted)
                try:
                    async with asyncio.timeout(call.patience):
                        client = await asyncio.shield(_heard(future))
                except TimeoutError:
                    raise call.failed(Reason.TIMEOUT, "", f"no credentials within {call.patience:g} s") from None
                except CallFailed as failure:
                    if opening == wanted:
                        raise call.failed(failure.reason, failure.code, failure.message) from None
                else:
                    if opening == wanted:
                        return client
        except CallFailed as failure:
            # AWS's code, if any, is not this operation's.
            self._observer.attempt(*call.bucket, failure.reason.value, self._monotonic() - begin)
            raise
        return client

    def _opening(self, identity: Identity, wanted: _Wanted) -> tuple[_Wanted, Future[BaseClient]]:
        """What is being opened for this identity: what is wanted, unless another one is under way."""
        opening = self._openings.get(identity)
        if opening is None:
            future = self._openers.submit(partial(self._open, *wanted))
            opening = self._openings[identity] = (wanted, future)
            loop = asyncio.get_running_loop()
            future.add_done_callback(lambda _: _on_loop(loop, partial(self._openings.pop, identity, None)))
        return opening

    def _open(self, access: Access, service: str) -> BaseClient:
        """In a thread."""
        try:
            client = self._sessions.open(access, service)
        except Exception as error:  # noqa: BLE001 (this is the edge where all of them are translated)
            raise CallFailed("", *classify(error)) from None
        if self._freeze:
            self._freeze = False
            gc.collect()
            gc.freeze()
        return client

    async def _attempt(self, call: _Call, client: BaseClient) -> dict[str, Any]:
        """Token first, then a place among the scope's calls: the line for a slow operation must not hold up others."""
        method = getattr(client, xform_name(call.operation))
        await self._token(call)
        future = await self._start(call, method)
        try:
            async with asyncio.timeout(call.patience):
                outcome = await asyncio.wrap_future(future)
        except TimeoutError:
            raise call.failed(Reason.TIMEOUT, "", f"no whole answer within {call.patience:g} s") from None
        if outcome.failure is not None:
            raise outcome.failure
        return outcome.answer

    async def _token(self, call: _Call) -> None:
        begin = self._monotonic()
        try:
            await self._limiter.acquire(*call.bucket, call.quota, call.quota_share)
        finally:
            self._observer.waited(*call.bucket, self._monotonic() - begin)

    async def _start(self, call: _Call, method: Callable[..., dict[str, Any]]) -> Future[_Outcome]:
        """Hands the call to a thread. The places it takes are held until the thread is done, whether or not anybody
        still waits: else an instance that hangs would pile up threads.
        """
        places = asyncio.Semaphore(IN_FLIGHT_PER_SCOPE)
        scope = self._scopes.setdefault((call.scope, call.operation), places)
        with contextlib.ExitStack() as undo:
            undo.callback(self._limiter.give_back, *call.bucket)
            await scope.acquire()
            undo.callback(scope.release)
            await self._slots.acquire()
            undo.callback(self._slots.release)
            context = contextvars.copy_context()
            future = self._threads.submit(partial(context.run, _invoke, call, method, self._monotonic))
            undo.pop_all()
        loop = asyncio.get_running_loop()
        # Registered before anybody waits for the future, so that an attempt is counted before its caller goes on.
        future.add_done_callback(lambda done: _on_loop(loop, partial(self._ended, call, scope, done)))
        return future

    def _ended(self, call: _Call, scope: asyncio.Semaphore, future: Future[_Outcome]) -> None:
        scope.release()
        self._slots.release()
        if future.cancelled():
            self._limiter.give_back(*call.bucket)
        else:
            outcome = future.result()
            self._observer.attempt(*call.bucket, outcome.code, outcome.seconds)


def _invoke(call: _Call, method: Callable[..., dict[str, Any]], monotonic: Callable[[], float]) -> _Outcome:
    """In a thread. Never raises: what went wrong is an outcome too."""
    begin = monotonic()
    try:
        answer = method(**call.params)
    except Exception as error:  # noqa: BLE001 (this is the edge where all of them are translated)
        return _Outcome(monotonic() - begin, failure=call.failed(*classify(error)))
    return _Outcome(monotonic() - begin, answer)


def _heard(future: Future[T]) -> asyncio.Future[T]:
    """The same for the loop. Should everybody have stopped waiting when it fails, asyncio would log a fault of ours."""
    waiting = asyncio.wrap_future(future)
    waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
    return waiting


def _on_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """From any thread. A loop that is closed has nobody left who waits or counts."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)

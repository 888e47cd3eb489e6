"""The routes of section 5 of the interface: who asks for what gets which bytes.

Nothing is computed for a plain scrape: the bytes of the latest `Page` are copied out as they are. What has to be made
on request (a filtered page, the status page) is made in a worker thread. Few of these run at once, and they are not the
threads that wait for AWS, so neither a busy client nor a hanging AWS holds up a scrape.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.threads import Threads
from exporter.web.accept import wants_gzip, wants_openmetrics
from exporter.web.answers import BAD_REQUEST, BUSY, HAS_BODY, INTERNAL, NOT_FOUND, REFUSALS, Plain, headers_with
from exporter.web.guard import Guard
from exporter.web.page import Status, status_page

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_RENDERING_THREADS = 2
_WORTH_COMPRESSING = 1024
"""Bytes; less than this fits one packet either way."""

_IN_LINE = 16
"""Pages that wait to be made, or reloads; beyond these a client is told to come again, rather than fill the memory."""
_COMPRESSED = 1024 * 1024
"""Bytes of a filtered page up to which it is compressed. A larger one goes out as it is, in pieces that all clients
share: compressed, each client who reads slowly would hold one of its own.
"""
_PIECE = 64 * 1024
"""Bytes of an answer handed over at once: a client that does not read holds this much, not a copy of the page."""
_OPEN = frozenset({"/-/healthy", "/-/ready"})
"""What probes ask, without a password."""

_T = TypeVar("_T")
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Page:
    """What /metrics serves, made whenever data change and swapped as one reference."""

    text: bytes
    text_gzip: bytes
    openmetrics: bytes
    openmetrics_gzip: bytes
    filter: Callable[[frozenset[str], bool], tuple[bytes, ...]]
    """(names, OpenMetrics?) to the uncompressed page with those families only, in pieces. Called in a thread."""

    def filtered(self, names: frozenset[str], openmetrics: bool) -> tuple[bytes, ...]:
        return self.filter(names, openmetrics)


class Site(Protocol):
    """What the web side needs from the daemon. All are called on the event loop and have to answer at once."""

    def page(self) -> Page: ...

    def healthy(self) -> bool: ...

    def ready(self) -> tuple[bool, str]:
        """Whether it is, and a line that says why not."""

    def lifecycle_enabled(self) -> bool: ...

    async def reload(self) -> list[str]:
        """The faults that kept the old configuration in force; none if the new one is."""

    def config(self) -> str:
        """YAML, secrets hidden."""

    def status(self) -> Status: ...


def build_app(site: Site, clock: Callable[[], float] = time.time, guard: Guard | None = None) -> Starlette:
    """`clock`: unix seconds, what the status page counts ages from. `guard`: who is let in; None: everybody."""
    pages = _Pages(site, clock)
    app = Starlette(
        routes=[
            Route("/", pages.home),
            Route("/metrics", pages.metrics),
            Route("/config", pages.config),
            Route("/-/healthy", pages.healthy),
            Route("/-/ready", pages.ready),
            Route("/-/reload", pages.reload, methods=["POST"]),
        ],
        middleware=[Middleware(_Envelope, guard or Guard())],
        exception_handlers={HTTPException: _refusal},
    )
    # A path of ours with a slash after it is another path: 404, not a redirect.
    app.router.redirect_slashes = False
    return app


class _Pages:
    def __init__(self, site: Site, clock: Callable[[], float]) -> None:
        self._site = site
        self._clock = clock
        self._threads = Threads(_RENDERING_THREADS, "pages")
        self._making = self._reloads = 0
        self._reloading = asyncio.Lock()

    async def metrics(self, request: Request) -> Response:
        page = self._site.page()
        openmetrics = wants_openmetrics(_header(request, "accept"))
        zipped = wants_gzip(_header(request, "accept-encoding"))
        names = frozenset(name for name in request.query_params.getlist("name[]") if name)
        if names:
            pieces, zipped = await self._in_thread(lambda: _filtered(page, names, openmetrics, zipped))
        elif openmetrics:
            pieces = (page.openmetrics_gzip if zipped else page.openmetrics,)
        else:
            pieces = (page.text_gzip if zipped else page.text,)
        return _answer(pieces, OPENMETRICS if openmetrics else TEXT, zipped, "Accept, Accept-Encoding")

    async def home(self, request: Request) -> Response:
        status = self._site.status()
        now = self._clock()
        refresh = request.query_params.get("refresh") != "off"
        plain = await self._in_thread(lambda: status_page(status, now, refresh).encode(errors="replace"))
        zipped = wants_gzip(_header(request, "accept-encoding")) and len(plain) >= _WORTH_COMPRESSING
        body = await self._in_thread(lambda: _zip_if(zipped, plain))
        return _answer((body,), "text/html; charset=utf-8", zipped, "Accept-Encoding")

    async def config(self, request: Request) -> Response:
        return Response(self._site.config(), media_type="text/yaml")

    async def healthy(self, request: Request) -> Response:
        healthy = self._site.healthy()
        return PlainTextResponse("healthy\n" if healthy else "not healthy\n", 200 if healthy else 503)

    async def ready(self, request: Request) -> Response:
        ready, why = self._site.ready()
        words = why or ("ready" if ready else "not ready")
        return PlainTextResponse(f"{words}\n", 200 if ready else 503)

    async def reload(self, request: Request) -> Response:
        if not self._site.lifecycle_enabled():
            return PlainTextResponse("reloading over HTTP is off: set web.enable_lifecycle, or send SIGHUP\n", 403)
        if self._reloads >= _IN_LINE:
            raise _BusyError
        self._reloads += 1
        try:
            async with self._reloading:
                faults = await self._site.reload()
        finally:
            self._reloads -= 1
        if faults:
            return PlainTextResponse("".join(f"{' '.join(fault.splitlines())}\n" for fault in faults), 400)
        return PlainTextResponse("reloaded\n")

    async def _in_thread(self, make: Callable[[], _T]) -> _T:
        if self._making >= _RENDERING_THREADS + _IN_LINE:
            raise _BusyError
        self._making += 1
        try:
            return await self._threads.run(make)
        finally:
            self._making -= 1


def _header(request: Request, name: str) -> str:
    return ",".join(request.headers.getlist(name))


def _zip_if(zipped: bool, body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=1, mtime=0) if zipped else body


def _filtered(page: Page, names: frozenset[str], openmetrics: bool, zipped: bool) -> tuple[tuple[bytes, ...], bool]:
    """The pieces, and whether they are compressed."""
    pieces = page.filtered(names, openmetrics)
    if not zipped or sum(map(len, pieces)) > _COMPRESSED:
        return pieces, False
    return (_zip_if(zipped, b"".join(pieces)),), True


def _answer(pieces: tuple[bytes, ...], content_type: str, zipped: bool, vary: str) -> Response:
    headers = {"content-type": content_type, "vary": vary}
    if zipped:
        headers["content-encoding"] = "gzip"
    return _Pieces(pieces, headers)


class _Pieces(Response):
    """An answer of known length, whose pieces are never joined."""

    def __init__(self, pieces: tuple[bytes, ...], headers: Mapping[str, str]) -> None:
        self._pieces = pieces
        super().__init__(headers={"content-length": str(sum(map(len, pieces))), **headers})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in self._pieces if scope["method"] != "HEAD" else ():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _refusal(request: Request, fault: Exception) -> Response:
    """404 and 405, in plain words."""
    if not isinstance(fault, HTTPException):
        raise fault
    headers = dict(fault.headers or {})
    if "Allow" in headers:
        # The router gives the methods in any order.
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
    return PlainTextResponse(f"{fault.detail.lower()}\n", fault.status_code, headers)


class _BusyError(Exception):
    """Too much is to be made already."""


class _Envelope:
    """Around every answer: who may have it, its headers, its pieces, and a plain 500 where a handler failed."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def wrapped(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": headers_with(self._guard.headers(), message.get("headers", ()))}
                await send(message)
            else:
                await _in_pieces(message, send)

        try:
            refusal = _no_request(scope) or await self._refusal(scope)
            if refusal:
                await _say(refusal, wrapped)
            else:
                await self._app(scope, receive, wrapped)
        except Exception as fault:
            busy = isinstance(fault, _BusyError)
            if not busy:
                _log.exception("request failed", method=scope["method"], path=scope["path"])
            if started:
                raise
            await _say(BUSY if busy else INTERNAL, wrapped)

    async def _refusal(self, scope: Scope) -> Plain | None:
        """Judged by the path that the routes see, so that there are no two readings of it."""
        if scope["path"] in _OPEN and scope["method"] in ("GET", "HEAD"):
            return None
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
        status = await self._guard.refusal(given)
        if status:
            return REFUSALS[status]
        # The router's patterns end in "$", which a last newline slips past.
        return None if scope["path"].isprintable() else NOT_FOUND


def _no_request(scope: Scope) -> Plain | None:
    """What is wrong with it before anybody asks who sent it."""
    headers = scope["headers"]
    lengths = [value for name, value in headers if name == b"content-length"]
    if any(name == b"transfer-encoding" for name, _ in headers) or any(length.strip(b"0") for length in lengths):
        return HAS_BODY
    # "*", "host:port" and "http://host/path" are for proxies.
    if not scope["raw_path"].startswith(b"/") or scope["http_version"] not in ("1.0", "1.1"):
        return BAD_REQUEST
    return None


async def _say(answer: Plain, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _in_pieces(message: Message, send: Send) -> None:
    """A long body bit by bit: each waits until the client has taken most of those before."""
    body = message.get("body", b"")
    if len(body) <= _PIECE:
        await send(message)
        return
    view = memoryview(body)
    for start in range(0, len(view), _PIECE):
        more = start + _PIECE < len(view) or message.get("more_body", False)
        await send({**message, "body": view[start : start + _PIECE], "more_body": more})

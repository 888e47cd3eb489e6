"""The routes of section 5 of the interface: who asks for what gets which bytes.

Nothing is computed for a plain scrape: the bytes of the latest `Page` are copied out as they are. What has to be made
on request (a filtered page, the status page) is made in a worker thread. Few of these run at once, and they are not the
threads that wait for AWS, so neither a busy client nor a hanging AWS holds up a scrape.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.web.accept import wants_gzip, wants_openmetrics
from exporter.web.page import Status, status_page
from exporter.web.style import STYLE_HASH

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_RENDERING_THREADS = 2
_WORTH_COMPRESSING = 1024
"""Bytes; less than this fits one packet either way."""

_SECURITY_HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "cache-control": "no-store",
        "content-security-policy": f"default-src 'none'; style-src '{STYLE_HASH}'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }.items()
)

_T = TypeVar("_T")
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Page:
    """What /metrics serves, made whenever data change and swapped as one reference."""

    text: bytes
    text_gzip: bytes
    openmetrics: bytes
    openmetrics_gzip: bytes
    filter: Callable[[frozenset[str], bool], bytes]
    """(names, OpenMetrics?) to the uncompressed page with those families only. Called in a thread."""

    def filtered(self, names: frozenset[str], openmetrics: bool) -> bytes:
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


def build_app(site: Site, clock: Callable[[], float] = time.time) -> Starlette:
    """`clock`: unix seconds, what the status page counts ages from."""
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
        middleware=[Middleware(_Envelope)],
        exception_handlers={HTTPException: _refusal},
    )
    # A path of ours with a slash after it is another path: 404, not a redirect.
    app.router.redirect_slashes = False
    return app


class _Pages:
    def __init__(self, site: Site, clock: Callable[[], float]) -> None:
        self._site = site
        self._clock = clock
        self._threads = CapacityLimiter(_RENDERING_THREADS)
        self._reloading = asyncio.Lock()

    async def metrics(self, request: Request) -> Response:
        page = self._site.page()
        openmetrics = wants_openmetrics(_header(request, "accept"))
        zipped = wants_gzip(_header(request, "accept-encoding"))
        names = frozenset(name for name in request.query_params.getlist("name[]") if name)
        if names:
            body = await self._in_thread(lambda: _zip_if(zipped, page.filtered(names, openmetrics)))
        elif openmetrics:
            body = page.openmetrics_gzip if zipped else page.openmetrics
        else:
            body = page.text_gzip if zipped else page.text
        return _answer(body, OPENMETRICS if openmetrics else TEXT, zipped, "Accept, Accept-Encoding")

    async def home(self, request: Request) -> Response:
        status = self._site.status()
        now = self._clock()
        refresh = request.query_params.get("refresh") != "off"
        plain = await self._in_thread(lambda: status_page(status, now, refresh).encode(errors="replace"))
        zipped = wants_gzip(_header(request, "accept-encoding")) and len(plain) >= _WORTH_COMPRESSING
        body = await self._in_thread(lambda: _zip_if(zipped, plain))
        return _answer(body, "text/html; charset=utf-8", zipped, "Accept-Encoding")

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
        async with self._reloading:
            faults = await self._site.reload()
        if faults:
            return PlainTextResponse("".join(f"{' '.join(fault.splitlines())}\n" for fault in faults), 400)
        return PlainTextResponse("reloaded\n")

    async def _in_thread(self, make: Callable[[], _T]) -> _T:
        return await to_thread.run_sync(make, limiter=self._threads)


def _header(request: Request, name: str) -> str:
    return ",".join(request.headers.getlist(name))


def _zip_if(zipped: bool, body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=1, mtime=0) if zipped else body


def _answer(body: bytes, content_type: str, zipped: bool, vary: str) -> Response:
    headers = {"content-type": content_type, "vary": vary}
    if zipped:
        headers["content-encoding"] = "gzip"
    return Response(body, headers=headers)


async def _refusal(request: Request, fault: Exception) -> Response:
    """404 and 405, in plain words."""
    if not isinstance(fault, HTTPException):
        raise fault
    headers = dict(fault.headers or {})
    if "Allow" in headers:
        # The router gives the methods in any order.
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
    return PlainTextResponse(f"{fault.detail.lower()}\n", fault.status_code, headers)


class _Envelope:
    """Around every answer: the security headers, and a plain 500 with one log line where a handler failed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", ()), *_SECURITY_HEADERS]}
            await send(message)

        # The router's patterns end in "$", which a last newline slips past.
        app = self._app if scope["path"].isprintable() else _NOT_FOUND
        try:
            await app(scope, receive, send_with_headers)
        except Exception:
            _log.exception("request failed", method=scope["method"], path=scope["path"])
            if started:
                raise
            await PlainTextResponse("internal error\n", 500)(scope, receive, send_with_headers)


_NOT_FOUND = PlainTextResponse("not found\n", 404)

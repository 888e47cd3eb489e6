"""uvicorn inside our own event loop: we bind, we handle the signals, we say when to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import socket
from collections.abc import Callable, Generator
from typing import ClassVar

from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,5})")
_Name = tuple[str | int | bytes, ...]
"""What a socket is bound to, as getaddrinfo spells it."""
_BACKLOG = 128
_HEAD_BYTES = 32 * 1024
"""Of a request's line and headers; name[] may be given many times."""
_KEEP_ALIVE = 75
"""Seconds; longer than the usual scrape intervals, so that a scraper keeps its connection."""
_CONNECTIONS = 400
"""Beyond these a client gets 503. Well below 1024 open files, the usual limit: the calls to AWS need some of them."""
_GRACE = 3
"""Seconds that running requests have once we stop."""


def bind(address: str) -> socket.socket:
    """A listening socket on "host:port", "[v6]:port" or ":port" (every interface, IPv6 and IPv4 where both exist).

    ValueError: no such address can be; OSError: it can, but not here and now (taken, forbidden).
    The text of the one, and the `strerror` of the other, is one plain line.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(f'web.listen_address: {address!r}: write "host:port", "[IPv6]:port" or ":port"')
    port = int(match["port"])
    host = match["v6"] if match["v6"] is not None else match["host"]
    try:
        if host == "":
            return _listen_everywhere(port)
        family, name = _resolve(address, host, port)
        return _listen(family, name, dual_stack=name[0] == "::" and socket.has_dualstack_ipv6())
    except OSError as fault:
        words = os.strerror(fault.errno) if fault.errno else str(fault)
        raise OSError(fault.errno, f"web.listen_address: can not listen on {address}: {words}") from fault


def _resolve(address: str, host: str, port: int) -> tuple[int, _Name]:
    """Address family and socket name; IPv4 where a name has both, as "localhost" is mostly asked for over it."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, ValueError) as fault:
        raise ValueError(f"web.listen_address: {address!r}: {host!r} is no address of this host") from fault
    family, _, _, _, name = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, name


def _listen_everywhere(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        try:
            return _listen(socket.AF_INET6, ("::", port), dual_stack=True)
        except OSError as fault:
            # The kernel may know IPv6 and yet have it switched off on every interface.
            if fault.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
    return _listen(socket.AF_INET, ("0.0.0.0", port), dual_stack=False)  # noqa: S104  # what ":port" means


def _listen(family: int, name: _Name, dual_stack: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Without it a restart fails for a minute on connections of the process before.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual_stack)
        sock.bind(name)
        # Not left to the server: of two processes that only bound, the second would learn too late.
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


async def serve(
    app: ASGIApp, sock: socket.socket, stop: asyncio.Event, ready: Callable[[], None] | None = None
) -> None:
    """Serve `app` on the listening `sock`, which is closed in the end, until `stop` is set.

    `ready` is called once requests are answered. After `stop`: no new connection, 3 s for running requests,
    back within 4 s whatever the clients do. Cancelled: back at once, connections cut.
    """
    server = _Server(
        Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            workers=1,
            log_config=None,
            # Noise of port scanners otherwise; a fault of the application is logged by the application.
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            limit_concurrency=_CONNECTIONS,
            h11_max_incomplete_event_size=_HEAD_BYTES,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_GRACE,
        ),
        ready,
    )
    watch = asyncio.create_task(_exit_when(stop, server), name="web stop")
    try:
        await server.serve(sockets=[sock])
    finally:
        watch.cancel()
        await server.cut(sock)


async def _exit_when(stop: asyncio.Event, server: Server) -> None:
    await stop.wait()
    server.should_exit = True


class _Server(Server):
    def __init__(self, config: Config, ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are the daemon's."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready is not None:
            self._ready()

    async def cut(self, sock: socket.socket) -> None:
        """End what outlived the grace, or all where `serve` was cancelled. Nothing is left to end otherwise."""
        for listener in getattr(self, "servers", ()):
            listener.close()
        sock.close()
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
        tasks = tuple(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=0.5)
        # The loop closes an aborted connection in its next turn.
        await asyncio.sleep(0)


class _Protocol(H11Protocol):
    """uvicorn's own, and two bounds that it lacks: on a client that does not send, and on one that does not read.

    uvicorn's only clock, keep-alive, starts with the first answer and closes politely, that is, once all is sent.
    """

    head_timeout: ClassVar[float] = 10.0
    """Seconds from connecting, or from the first byte of a later request, to the end of the request's headers."""
    read_timeout: ClassVar[float] = 30.0
    """Seconds that a closed connection has to take the bytes still owed to it."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._set_deadline(self.head_timeout, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # uvicorn declares the cycle, but has none before the first request.
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            self._clear_deadline()
        elif self._deadline is None:
            self._set_deadline(self.head_timeout, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._set_deadline(self.read_timeout, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        super().connection_lost(exc)

    def _set_deadline(self, seconds: float, then: Callable[[], None]) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, then)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

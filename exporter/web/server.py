"""uvicorn inside our own event loop: we bind, we handle the signals, we say when to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import socket
from collections.abc import Callable, Generator
from typing import Any

from starlette.types import ASGIApp
from uvicorn import Config, Server

from exporter.web.guard import Guard
from exporter.web.protocol import HEAD_BYTES, Crowd, protocols

_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,5})")
_Name = tuple[str | int | bytes, ...]
"""What a socket is bound to, as getaddrinfo spells it."""
_BACKLOG = 128
_KEEP_ALIVE = 75
"""Seconds; longer than the usual scrape intervals, so that a scraper keeps its connection."""
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
    # The protocol in so many words: asyncio switches Nagle's delay off only where it reads it.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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
    app: ASGIApp,
    sock: socket.socket,
    stop: asyncio.Event,
    ready: Callable[[], None] | None = None,
    guard: Guard | None = None,
) -> None:
    """Serve `app` on the listening `sock`, which is closed in the end, until `stop` is set; TLS if `guard` has it.

    `ready` is called once requests are answered. After `stop`: no new connection, 3 s for running requests,
    back within 4 s whatever the clients do. Cancelled: back at once, connections cut.
    """
    crowd = Crowd()
    make: Any = protocols(guard or Guard(), crowd)
    server = _Server(
        Config(
            app,
            http=make,
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
            h11_max_incomplete_event_size=HEAD_BYTES,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_GRACE,
        ),
        ready,
        crowd,
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
    def __init__(self, config: Config, ready: Callable[[], None] | None, crowd: Crowd) -> None:
        super().__init__(config)
        self._ready = ready
        self._crowd = crowd

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are the daemon's."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready is not None:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # From Python 3.12 on a server waits for those too, and a client may never finish one.
        self._crowd.cut_handshakes()
        await super().shutdown(sockets)

    async def cut(self, sock: socket.socket) -> None:
        """End what outlived the grace, or all where `serve` was cancelled. Nothing is left to end otherwise."""
        for listener in getattr(self, "servers", ()):
            listener.close()
        sock.close()
        self._crowd.cut()
        tasks = tuple(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=0.5)
        # The loop closes an aborted connection in its next turn.
        await asyncio.sleep(0)

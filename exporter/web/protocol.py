"""One connection: uvicorn's HTTP/1.1, stricter about what a request is, and bounded in time whatever the client does.

No request to us has a body. So what a client sends is a row of heads, and each byte of it can be judged before it is
parsed: nothing is read in two ways by us and by a proxy before us (request smuggling).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from asyncio.sslproto import SSLProtocol
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.web.answers import BAD_REQUEST, headers_with
from exporter.web.guard import Guard

CONNECTIONS = 400
"""Open at once. Well below 1024 open files, the usual limit: the calls to AWS need some of them."""
_AMISS = re.compile(rb"(?<!\r)\n|(?<=\r)[^\n]|(?<=\n)[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""A bare LF or CR, a header folded over lines, a control character: no client of today sends one."""
_HEAD_END = re.compile(rb"\r\n\r\n")
HEAD_BYTES = 32 * 1024
"""Of a request's line and headers; name[] may be given many times."""
_BUFFERED = 64 * 1024
"""Bytes of an answer that wait for a client who reads slowly; more are made when these have gone."""
_HANDSHAKE = 10
_GOODBYE = 1
"""Seconds for TLS's own beginning and end."""


class Crowd:
    """All open connections. Where there are too many, the one that has gone longest without a request has to go.

    So a new client is always let in, and who only holds connections open keeps nobody out.
    """

    def __init__(self, limit: int = CONNECTIONS) -> None:
        self._limit = limit
        self._members: OrderedDict[asyncio.BaseProtocol, Callable[[], None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._members)

    def enter(self, member: asyncio.BaseProtocol, cut: Callable[[], None]) -> None:
        """`cut` ends the connection at once."""
        self._members.pop(member, None)
        while len(self._members) >= self._limit:
            _, cut_oldest = self._members.popitem(last=False)
            cut_oldest()
        self._members[member] = cut

    def active(self, member: asyncio.BaseProtocol) -> None:
        if member in self._members:
            self._members.move_to_end(member)

    def leave(self, member: asyncio.BaseProtocol) -> None:
        self._members.pop(member, None)

    def cut(self) -> None:
        """All of them."""
        while self._members:
            self._members.popitem()[1]()

    def cut_handshakes(self) -> None:
        """Those that have not got as far as a request: nothing is owed to them."""
        waiting = [one for one in self._members if isinstance(one, Protocol) and one.transport is None]  # type: ignore[redundant-expr]
        for member in waiting:
            self._members.pop(member)()


class Protocol(H11Protocol):
    """uvicorn's own, and bounds that it lacks: on clients that do not send, and on clients that do not read.

    uvicorn's only clock, keep-alive, starts with the first answer and closes politely, that is, once all is sent.
    """

    head_timeout: ClassVar[float] = 10.0
    """Seconds from connecting, or from the first byte of a later request, to the end of the request's headers."""
    answer_timeout: ClassVar[float] = 30.0
    """Seconds from there to the end of the answer: longer than Prometheus waits, unless it is told to."""
    read_timeout: ClassVar[float] = 30.0
    """Seconds that a closed connection has to take the bytes still owed to it."""

    def __init__(self, guard: Guard, crowd: Crowd, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._guard = guard
        self._crowd = crowd
        self._deadline: asyncio.TimerHandle | None = None
        self._answering: object = None
        self._tail = b""
        self._head_bytes = 0
        self._deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        self._crowd.enter(self, transport.abort)
        super().connection_made(transport)
        transport.set_write_buffer_limits(_BUFFERED)
        if self._guard.tls and not self._guard.knows(transport.get_extra_info("peercert")):
            self._deaf = True
            transport.abort()
            return
        self._set_deadline(self.head_timeout, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if not self._sound(data):
            self._refuse()
            return
        super().data_received(data)
        if self._busy():
            self._wait_for_answer()
        elif self._deadline is None:
            self._set_deadline(self.head_timeout, self.timeout_keep_alive_handler)

    def _sound(self, data: bytes) -> bool:
        """Whether these bytes may go on those that came before: heads of decent size without anything amiss."""
        before = len(self._tail)
        text = self._tail + data
        if _AMISS.search(text, before):
            return False
        longest, done = 0, before
        for end in _HEAD_END.finditer(text):
            longest = max(longest, self._head_bytes + end.end() - done)
            self._head_bytes, done = 0, end.end()
        self._head_bytes += len(text) - done
        self._tail = text[-3:]
        return max(longest, self._head_bytes) <= HEAD_BYTES

    def on_response_complete(self) -> None:
        self._clear_deadline()
        self._answering = None
        # Goes on with the next request, where one was sent already.
        super().on_response_complete()
        if self._busy():
            self._wait_for_answer()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._set_deadline(self.read_timeout, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.leave(self)
        self._clear_deadline()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What h11 finds amiss, said as everything else here is."""
        self._refuse()

    def _refuse(self) -> None:
        """Say 400 and hang up; only hang up where an earlier request is still to be answered."""
        self._deaf = True
        if self._busy():
            self.cycle.keep_alive = False
            return
        headers = headers_with(self._guard.headers(), BAD_REQUEST.headers)
        answer = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        try:
            parts = [self.conn.send(part) for part in (answer, h11.Data(data=BAD_REQUEST.body), h11.EndOfMessage())]
        except h11.LocalProtocolError:
            parts = []
        self.transport.write(b"".join(part for part in parts if part))
        self.transport.close()
        self._set_deadline(self.read_timeout, self.transport.abort)

    def _busy(self) -> bool:
        # uvicorn declares the cycle, but has none before the first request.
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def _wait_for_answer(self) -> None:
        if self._answering is not self.cycle:
            self._answering = self.cycle
            self._crowd.active(self)
            self._set_deadline(self.answer_timeout, self.transport.abort)

    def _set_deadline(self, seconds: float, then: Callable[[], None]) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, then)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Secure(SSLProtocol):
    """TLS between the transport and a Protocol, with the context of the moment at which the client connected.

    What asyncio's own servers do, but for a context of their own for good.
    """

    def __init__(self, inner: Protocol, context: ssl.SSLContext, crowd: Crowd, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            loop,
            inner,
            context,
            None,  # type: ignore[arg-type]  # nobody waits for the handshake
            server_side=True,
            ssl_handshake_timeout=_HANDSHAKE,
            ssl_shutdown_timeout=_GOODBYE,
        )
        self._inner = inner
        self._crowd = crowd

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Counted before the handshake: a client may well never finish it.
        self._crowd.enter(self._inner, transport.abort)  # type: ignore[attr-defined]  # a transport of streams
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._crowd.leave(self._inner)
        super().connection_lost(exc)


def protocols(guard: Guard, crowd: Crowd) -> Callable[..., asyncio.BaseProtocol]:
    """What uvicorn calls for each new connection."""

    def make(_loop: asyncio.AbstractEventLoop | None = None, **uvicorns: Any) -> asyncio.BaseProtocol:
        loop = _loop or asyncio.get_running_loop()
        inner = Protocol(guard, crowd, _loop=loop, **uvicorns)
        context = guard.context()
        return inner if context is None else Secure(inner, context, crowd, loop)

    return make

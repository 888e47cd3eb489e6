"""Amazon Connect on loopback: a real HTTP/1.1 server that an AWS client can not tell from the service.

`Simulator(world)` is also a context manager. Beside AWS's own routes, for tests in another process:
`POST /_simulator/faults` adds a JSON list of faults, `DELETE` removes all, `GET` lists them;
`GET /_simulator/requests` lists what was served.
"""

from __future__ import annotations

import json
import select
import selectors
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from exporter.simulator import wire
from exporter.simulator.authorisation import Authorisation, Policies
from exporter.simulator.faults import Fault, Faults
from exporter.simulator.messages import Message, Reply
from exporter.simulator.quotas import Quota, Quotas
from exporter.simulator.service import Observer, Served, Service
from exporter.simulator.view import WorldView

_LARGEST_BODY = 1 << 20
_STOP_WITHIN = 5.0
_LINGER_ZERO = struct.pack("ii", 1, 0)
"""A socket option: closing the connection resets it."""
_LOOK_EVERY = 0.2
"""Seconds between looks at what tells nobody when it changes."""


class Simulator:
    """`quotas` (operation to calls per second and burst) stand over AWS's defaults; see quotas.UNLIMITED.

    `unknown_queue` is the error code for a filter that names a queue which does not exist or is an agent's. `ticks`
    (seconds) fills the quotas, `wall` (unix seconds) ends credentials; everything else goes by the world's clock.
    `policies` (account id to IAM policy document) say who may do what; without them everybody may do everything.
    `observe` is told of every true answer, in the thread that sends it. `largest_page`: AWS may give fewer items than a
    request allows.
    """

    def __init__(
        self,
        world: WorldView,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | None = None,
        quotas: Mapping[str, Quota] | None = None,
        unknown_queue: str = "ResourceNotFoundException",
        keep: int = 2000,
        ticks: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        policies: Policies | None = None,
        observe: Observer | None = None,
        largest_page: int = 1000,
    ) -> None:
        self.faults = faults or Faults()
        self._service = Service(
            world,
            self.faults,
            Quotas(quotas, ticks),
            wall=wall,
            unknown_queue=unknown_queue,
            keep=keep,
            authorisation=Authorisation(policies),
            observe=observe,
            largest_page=largest_page,
        )
        self._host, self._port = host, port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Known once it has been started, and the same after a restart."""
        if self._port == 0:
            raise RuntimeError("the simulator has no port before it is started")
        return f"http://[{self._host}]:{self._port}" if ":" in self._host else f"http://{self._host}:{self._port}"

    @property
    def requests(self) -> deque[Served]:
        """The latest requests served, oldest first."""
        return self._service.requests

    def allow(self, policies: Policies | None) -> None:
        """From now on these `policies` hold, and no others."""
        self._service.authorisation = Authorisation(policies)

    def start(self) -> None:
        """Serves in a thread of its own; OSError where the port is taken."""
        if self._server is not None:
            raise RuntimeError("the simulator runs already")
        self._server = _Server(self._host, self._port, self._service, self.faults)
        self._port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="simulator", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends every connection, also those that hang. May be started again, on the same port."""
        if self._server is None or self._thread is None:
            return
        self._server.end(self._thread)
        self._server = self._thread = None

    def __enter__(self) -> Simulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, host: str, port: int, service: Service, faults: Faults) -> None:
        self.service = service
        self.faults = faults
        self.stopping = threading.Event()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._wake, self._woken = socket.socketpair()
        self._lock = threading.Lock()
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except OSError:
            self._wake.close()
            self._woken.close()
            raise
        self.socket.setblocking(False)

    def server_bind(self) -> None:
        # HTTPServer's own asks the resolver for this machine's name, which may take seconds.
        socket.socket.setsockopt(self.socket, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Until `end`, which need not wait for a poll to be over as it would with the base class's."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.stopping.is_set():
                selector.select(poll_interval)
                self._accept()

    def _accept(self) -> None:
        # Without a caller there (it gave up, or this was only the call to stop), accept would block.
        try:
            request, client_address = self.get_request()
        except BlockingIOError:
            return
        except OSError:
            # Out of file descriptors, say: the caller stays in line, and some are free soon.
            self.stopping.wait(_LOOK_EVERY)
            return
        request.setblocking(True)  # not every system's accepted sockets are
        self.process_request(request, client_address)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self._converse, args=(request, client_address), name="simulator connection", daemon=True
        )
        with self._lock:
            self._open[request] = thread
        thread.start()

    def _converse(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._open[request]

    def shutdown_request(self, request: Any) -> None:
        # A half-closed connection would be a polite end: what is to be reset is closed as it is.
        if request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_LINGER_ZERO)) != _LINGER_ZERO:
            super().shutdown_request(request)
        else:
            self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A caller that went away is no mistake of the simulator's.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def end(self, acceptor: threading.Thread) -> None:
        """Closes the port and every connection, and waits for their threads."""
        self.stopping.set()
        self._wake.send(b"!")
        acceptor.join(_STOP_WITHIN)
        self.server_close()
        self._wake.close()
        self._woken.close()
        with self._lock:
            still = dict(self._open)
        for connection in still:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + _STOP_WITHIN
        for thread in still.values():
            thread.join(max(0.0, deadline - time.monotonic()))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: Any) -> None:
        """Requests are recorded, not logged."""

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _LARGEST_BODY:
            self.close_connection = True
            self._send(Reply(413, b""))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        message = Message(self.command, self.path, headers, self.rfile.read(int(length)))
        if self.path.startswith("/_simulator/"):
            self._send(_administered(message, self.server.service, self.server.faults))
            return
        reply = self.server.service.answer(message)
        if reply.delay:
            self._wait(reply.delay)
        self._end(reply)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _serve  # noqa: N815 — the base class looks for these names

    def _end(self, reply: Reply) -> None:
        self.close_connection = reply.ending not in ("whole", "drip")
        match reply.ending:
            case "whole":
                self._send(reply)
            case "cut":
                self._send(reply, shown=len(reply.body) // 2)
            case "drip":
                self._drip(reply)
            case "hang":
                self._wait(None)
            case "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)

    def _drip(self, reply: Reply) -> None:
        """Byte by byte, until the caller or the simulator has had enough."""
        self._send(reply, shown=0)
        for place in range(len(reply.body)):
            self._wait(reply.pace)
            if self.server.stopping.is_set() or self._hung_up():
                self.close_connection = True
                return
            self.wfile.write(reply.body[place : place + 1])

    def _wait(self, seconds: float | None) -> None:
        """Until `seconds` (None: without end) are over, the simulator stops, or the caller hangs up."""
        until = None if seconds is None else time.monotonic() + seconds
        while until is None or time.monotonic() < until:
            left = _LOOK_EVERY if until is None else min(_LOOK_EVERY, max(0.0, until - time.monotonic()))
            if self.server.stopping.wait(left) or self._hung_up():
                self.close_connection = True
                return

    def _hung_up(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""

    def _send(self, reply: Reply, shown: int | None = None) -> None:
        """The response in one write; only the first `shown` bytes of its body, where given."""
        headers = {
            **reply.headers,
            "Content-Type": reply.content_type,
            "Content-Length": str(len(reply.body)),
            "Date": formatdate(usegmt=True),
        }
        if self.close_connection and reply.ending == "whole":
            headers["Connection"] = "close"
        lines = [
            f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        body = b"" if self.command == "HEAD" else reply.body[:shown]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


def _administered(message: Message, service: Service, faults: Faults) -> Reply:
    match message.method, urlsplit(message.target).path:
        case "POST", "/_simulator/faults":
            try:
                faults.add(*(Fault(**fields) for fields in json.loads(message.body)))
            except (ValueError, TypeError) as error:
                return Reply(400, wire.json_bytes({"Message": str(error)}))
            return Reply(200, wire.json_bytes(faults.in_force()))
        case "GET", "/_simulator/faults":
            return Reply(200, wire.json_bytes(faults.in_force()))
        case "DELETE", "/_simulator/faults":
            faults.clear()
            return Reply(200, wire.json_bytes([]))
        case "GET", "/_simulator/requests":
            return Reply(200, wire.json_bytes([asdict(served) for served in list(service.requests)]))
    return Reply(404, wire.json_bytes({"Message": "Not found"}))

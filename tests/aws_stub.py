"""A very small AWS on loopback, for tests of what lies beneath the API: statuses, headers and bodies as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Reply:
    """`length`: the Content-Length to announce, if not the true one; `hang`: wait for it before answering."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    hang: threading.Event | None = None
    drip: float = 0.0
    """Seconds between two bytes of the body."""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        asked: dict[str, Any] = json.loads(self.body)
        return asked

    @property
    def form(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(self.body.decode()).items()}


Answer = Callable[[Asked], Reply]


def page(*results: dict[str, Any], token: str | None = None, **more: object) -> Reply:
    content = {"MetricResults": list(results), **more}
    return Reply(body=json.dumps(content | ({"NextToken": token} if token else {})).encode())


def refusal(status: int, code: str | None = None, message: str = "no") -> Reply:
    """As the service words it, or as a gateway before it does (no code, `message` in lower case)."""
    if code is None:
        return Reply(status, json.dumps({"message": message}).encode())
    return Reply(status, json.dumps({"Message": message}).encode(), {"x-amzn-ErrorType": code})


def assumed_role(key: str = "ASIAROLE") -> Reply:
    return Reply(
        body=f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
        <AssumedRoleUser><AssumedRoleId>X:y</AssumedRoleId><Arn>arn:aws:sts::111122223333:assumed-role/r/y</Arn></AssumedRoleUser>
        <Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
        <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
        </AssumeRoleResult></AssumeRoleResponse>""".encode()
    )


def caller() -> Reply:
    return Reply(
        body=b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
        <Arn>arn:aws:iam::111122223333:user/u</Arn><UserId>U</UserId><Account>111122223333</Account>
        </GetCallerIdentityResult></GetCallerIdentityResponse>"""
    )


def sts_refusal(status: int, code: str, message: str = "not you") -> Reply:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return Reply(status, f"<ErrorResponse>{error}</ErrorResponse>".encode())


class Stub:
    """Answers with `script` in turn, then for ever with its last; or as the function `script` says."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self.script: list[Reply] | Answer = [page()]
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            if not isinstance(self.script, list):
                return self.script(asked)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


def _send(handler: BaseHTTPRequestHandler, reply: Reply, stopped: threading.Event) -> None:
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
    handler.close_connection = reply.length is not None
    handler.end_headers()
    if not reply.drip:
        handler.wfile.write(reply.body)
        return
    for byte in reply.body:
        if stopped.wait(reply.drip):
            break
        handler.wfile.write(bytes([byte]))


def _handler(stub: Stub, stopped: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes, and Nagle's second waits 40 ms

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = stub.answer(Asked(self.command, self.path, dict(self.headers), body))
            if reply.hang is not None:
                reply.hang.wait(30)
            try:
                _send(self, reply, stopped)
            except OSError:
                self.close_connection = True  # nobody waits any longer

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serve() -> Iterator[Stub]:
    stopped = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.daemon_threads = True
    server.block_on_close = False
    stub = Stub(f"http://127.0.0.1:{server.server_address[1]}")
    server.RequestHandlerClass = _handler(stub, stopped)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stub
    finally:
        stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()

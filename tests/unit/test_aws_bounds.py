"""Answers without end, from a server that means no good."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from exporter.aws.bounds import LARGEST_ANSWER
from exporter.aws.gateway import Gateway
from exporter.aws.limiter import Limiter
from exporter.aws.sessions import Sessions
from exporter.model import Access, CallFailed, Quota, Reason
from exporter.telemetry import Telemetry
from tests.aws_stub import Reply, Stub, serve

OPERATION = "ListQueues"
PARAMS = {"InstanceId": "i-1"}
PLENTY = Quota(1e6, 1e6)
MEBIBYTE = 1 << 20


class Endless:
    """Answers every request with a body in chunks that goes on for as long as anybody reads it."""

    def __init__(self, status: int, size: int = MEBIBYTE, pause: float = 0.0) -> None:
        """Chunks of `size` bytes, with a pause of so many seconds before each."""
        self.sent = 0
        self._size = size
        self._pause = pause
        self.ended = threading.Event()
        self._head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

    def serve(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        chunk = b"%x\r\n%b\r\n" % (self._size, b" " * self._size)
        end = time.monotonic() + 15
        with connection:
            try:
                connection.recv(65536)
                connection.sendall(self._head.encode())
                while self.sent < 10 * LARGEST_ANSWER and time.monotonic() < end:
                    time.sleep(self._pause)
                    connection.sendall(chunk)
                    self.sent += self._size
            except OSError:
                self.ended.set()


@contextmanager
def endless(status: int, **more: Any) -> Iterator[tuple[Endless, str]]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = Endless(status, **more)
        thread = threading.Thread(target=server.serve, args=(listening,))
        thread.start()
        yield server, f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serve() as stub:
        yield stub


def failure(url: str, **access: Any) -> CallFailed:
    """What becomes of a list that is asked for there."""
    sessions = Sessions()

    async def scenario() -> CallFailed:
        gateway = Gateway(sessions=sessions, limiter=Limiter(), observer=Telemetry(), attempts=1)
        client = Access("us-east-1", endpoint_url=url, **access)
        try:
            with pytest.raises(CallFailed) as caught:
                await gateway.pages(client, OPERATION, PARAMS, key="QueueSummaryList", quota=PLENTY, quota_share=1)
        finally:
            gateway.close()
        return caught.value

    failed = asyncio.run(scenario())
    sessions.close()
    return failed


@pytest.mark.parametrize("status", [200, 403])
def test_an_answer_without_end_is_not_read_beyond_its_bound(status: int) -> None:
    with endless(status) as (server, url):
        failed = failure(url)
    assert (failed.reason, failed.code) == (Reason.BAD_RESPONSE, "")
    assert "larger than" in failed.message
    assert server.ended.is_set()
    # What the network holds is on top.
    assert server.sent < LARGEST_ANSWER + 16 * MEBIBYTE


@pytest.mark.parametrize("status", [200, 403])
def test_an_answer_that_drips_is_given_up_by_its_thread_too(status: int) -> None:
    """The thread is one of the few that its instance has: it must not be held for as long as somebody drips."""
    with endless(status, size=1, pause=0.05) as (server, url):
        failed = failure(url, connect_timeout=0.5, read_timeout=1.0)
        assert failed.reason is Reason.TIMEOUT
        assert server.ended.wait(5)
    assert server.sent < 100


def test_an_answer_as_large_as_the_bound_is_read_and_one_byte_more_is_not(stub: Stub) -> None:
    content = json.dumps({"Queues": []}).encode()
    stub.script = [Reply(body=content.ljust(LARGEST_ANSWER))]
    assert "the answer has no QueueSummaryList" in failure(stub.url).message
    stub.script = [Reply(body=content.ljust(LARGEST_ANSWER + 1))]
    assert "larger than" in failure(stub.url).message


def test_pages_without_end_are_read_a_thousand_times(stub: Stub) -> None:
    def answer(_: object) -> Reply:
        return Reply(body=json.dumps({"QueueSummaryList": [], "NextToken": f"{len(stub.asked)}"}).encode())

    stub.script = answer
    failed = failure(stub.url)
    assert (failed.reason, failed.message) == (Reason.BAD_RESPONSE, "more than 1000 pages")
    assert len(stub.asked) == 1000

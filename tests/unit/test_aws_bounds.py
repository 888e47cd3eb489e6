"""Answers without end, from a server that means no good."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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

    def __init__(self, status: int) -> None:
        self.sent = 0
        self.ended = threading.Event()
        self._head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

    def serve(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(self._head.encode())
            chunk = b"%x\r\n%b\r\n" % (MEBIBYTE, b" " * MEBIBYTE)
            try:
                while self.sent < 10 * LARGEST_ANSWER:
                    connection.sendall(chunk)
                    self.sent += MEBIBYTE
            except OSError:
                self.ended.set()


@contextmanager
def endless(status: int) -> Iterator[tuple[Endless, str]]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = Endless(status)
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


def failure(url: str) -> CallFailed:
    """What becomes of a list that is asked for there."""
    sessions = Sessions()

    async def scenario() -> CallFailed:
        gateway = Gateway(sessions=sessions, limiter=Limiter(), observer=Telemetry(), attempts=1)
        access = Access("us-east-1", endpoint_url=url)
        try:
            with pytest.raises(CallFailed) as caught:
                await gateway.pages(access, OPERATION, PARAMS, key="QueueSummaryList", quota=PLENTY, quota_share=1)
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

from __future__ import annotations

import asyncio
import contextlib
import errno
import http.client
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from exporter.web.app import build_app
from exporter.web.protocol import Protocol
from exporter.web.server import bind, serve
from tests.unit.web_site import PAGE, FakeSite, Running, running


@pytest.mark.parametrize(
    ("address", "family", "host"),
    [
        ("127.0.0.1:0", socket.AF_INET, "127.0.0.1"),
        ("0.0.0.0:0", socket.AF_INET, "0.0.0.0"),  # noqa: S104  # asked for
        ("localhost:0", socket.AF_INET, "127.0.0.1"),
    ],
)
def test_an_address_is_listened_on(address: str, family: socket.AddressFamily, host: str) -> None:
    with bind(address) as sock:
        assert (sock.family, sock.getsockname()[0]) == (family, host)
        socket.create_connection(("127.0.0.1", sock.getsockname()[1]), timeout=5).close()


def test_a_port_alone_means_every_interface() -> None:
    with bind(":0") as sock:
        port = sock.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        if socket.has_dualstack_ipv6():
            socket.create_connection(("::1", port), timeout=5).close()


def test_an_ipv6_address_stands_in_brackets() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6")
    with bind("[::1]:0") as sock:
        assert sock.getsockname()[0] == "::1"


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":",
        "10042",
        "localhost",
        "localhost:",
        "localhost:http",
        ":65536",
        ":-1",
        ":１００４２",
        "::1:9000",
        "[::1]",
        "[::1]9000",
        "[]]:9000",
        "[::g]:9000",
        "127.0.0.1:9000/metrics",
        "http://127.0.0.1:9000",
        "a" * 300 + ":9000",
        "no..such:9000",
        "a b:9000",
        "nul\0:9000",
        "line\n:9000",
        "unix:/run/x.sock",
    ],
)
def test_nonsense_is_refused_in_one_plain_line_that_names_the_setting(address: str) -> None:
    with pytest.raises(ValueError, match=r"^web\.listen_address: ") as fault:
        bind(address).close()
    assert len(str(fault.value).splitlines()) == 1


def test_a_port_in_use_is_refused_in_one_plain_line() -> None:
    with bind("127.0.0.1:0") as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match="in use") as fault:
            bind(address)
    assert fault.value.errno == errno.EADDRINUSE
    assert fault.value.strerror == f"web.listen_address: can not listen on {address}: Address already in use"


def test_a_port_that_all_interfaces_hold_is_in_use() -> None:
    with bind(":0") as taken, pytest.raises(OSError, match="in use"):
        bind(f":{taken.getsockname()[1]}")


class Gate:
    """An application whose answer waits until it is told to go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.app = Starlette(routes=[Route("/slow", self.slow), Route("/fast", self.fast)])

    async def slow(self, request: Request) -> PlainTextResponse:
        self.entered.set()
        await asyncio.to_thread(self.open.wait, 20)
        return PlainTextResponse("finished")

    async def fast(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("fast")


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        # It met the listening socket just as that was closed.
        return False
    return False


def wait_until_refused(server: Running) -> None:
    end = time.monotonic() + 5
    while not refused(server.port):
        assert time.monotonic() < end, "still accepting"


def test_stopping_finishes_a_running_scrape_and_takes_no_new_connection(gate: Gate) -> None:
    with running(gate.app) as server:
        slow = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        slow.request("GET", "/slow")
        assert gate.entered.wait(5)
        server.stop()
        wait_until_refused(server)
        assert server.thread.is_alive()
        gate.open.set()
        response = slow.getresponse()
        assert (response.status, response.read()) == (200, b"finished")
        slow.close()
        server.thread.join(3)
        assert not server.thread.is_alive()


def test_stopping_waits_no_longer_than_the_grace_for_a_scrape_that_hangs() -> None:
    entered = threading.Event()

    async def hang(request: Request) -> PlainTextResponse:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    with running(Starlette(routes=[Route("/", hang)])) as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        client.request("GET", "/")
        assert entered.wait(5)
        begun = time.monotonic()
        server.stop()
        server.thread.join(8)
        assert not server.thread.is_alive()
        assert 2.5 < time.monotonic() - begun < 4
        client.close()


def test_stopping_waits_for_no_idle_connection(gate: Gate) -> None:
    with running(gate.app) as server:
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        kept.request("GET", "/fast")
        kept.getresponse().read()
        silent = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        half = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        half.sendall(b"GET /fast HTTP/1.1\r\nHost: x\r\n")
        assert server.ask("/fast").status == 200
        begun = time.monotonic()
        server.stop()
        server.thread.join(3)
        assert time.monotonic() - begun < 1.5
        for connection in (kept, silent, half):
            connection.close()


def test_a_client_that_does_not_read_its_large_page_holds_up_neither_others_nor_the_end() -> None:
    large = FakeSite(metrics=PAGE.__class__(b"x" * 30_000_000, b"", b"", b"", PAGE.filter))
    with running(build_app(large)) as server:
        lazy = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        lazy.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert lazy.recv(15) == b"HTTP/1.1 200 OK"
        assert server.ask("/-/healthy").status == 200
        begun = time.monotonic()
        server.stop()
        server.thread.join(8)
        assert not server.thread.is_alive()
        assert time.monotonic() - begun < 4
        lazy.close()


def test_a_large_page_arrives_whole_while_stopping() -> None:
    size = 30_000_000
    large = FakeSite(metrics=PAGE.__class__(b"x" * size, b"", b"", b"", PAGE.filter))
    with running(build_app(large)) as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        client.request("GET", "/metrics")
        response = client.getresponse()
        server.stop()
        assert len(response.read()) == size
        client.close()


def test_a_client_that_never_finishes_its_request_is_cut_off(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protocol, "head_timeout", 0.3)
    with running(gate.app) as server:
        for first_words in (b"", b"GET /fast HTTP/1.1\r\nHost: x\r\n"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
                client.sendall(first_words)
                assert client.recv(1) == b""
        # Also later on a connection that has been served once, however steadily it drips.
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
            client.sendall(b"GET /fast HTTP/1.1\r\nHost: x\r\n\r\n")
            served = b""
            while not served.endswith(b"fast"):
                served += client.recv(1000)
            client.settimeout(0.1)
            client.sendall(b"GET")
            end = time.monotonic() + 3
            while time.monotonic() < end:
                try:
                    got = client.recv(1)
                except TimeoutError:
                    with contextlib.suppress(OSError):
                        client.sendall(b"x")
                    continue
                except ConnectionResetError:
                    break
                assert got == b""
                break
            else:
                pytest.fail("still connected")


def test_a_slow_answer_is_not_cut_off_by_the_bound_on_requests(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protocol, "head_timeout", 0.2)
    with running(gate.app) as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        client.request("GET", "/slow")
        assert gate.entered.wait(5)
        threading.Timer(0.6, gate.open.set).start()
        assert client.getresponse().read() == b"finished"
        client.close()


@pytest.mark.parametrize(
    "request_head",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / SMTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /metr ics HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 600_000 + b"\r\n\r\n",
    ],
    ids=["TLS on the plain port", "another protocol", "two hosts", "blank in the path", "headers without end"],
)
def test_what_is_no_request_is_answered_with_400_and_cut_and_fills_no_log(
    request_head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with running(build_app(FakeSite())) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(request_head + b"\r\n\r\n")
            received = b""
            with contextlib.suppress(ConnectionError):
                while piece := client.recv(65536):
                    received += piece
            assert received == b"" or received.startswith(b"HTTP/1.1 400 ")
        assert server.ask("/metrics").status == 200
    assert [record.getMessage() for record in caplog.records] == []


def test_signals_stay_the_daemons() -> None:
    async def main() -> None:
        stop = asyncio.Event()
        ready = asyncio.Event()
        running = asyncio.create_task(serve(build_app(FakeSite()), bind("127.0.0.1:0"), stop, ready.set))
        await ready.wait()
        assert signal.getsignal(signal.SIGTERM) == before
        stop.set()
        await running

    before = signal.getsignal(signal.SIGTERM)
    asyncio.run(main())


def test_being_cancelled_leaves_nothing_behind(gate: Gate) -> None:
    async def main() -> None:
        ready = asyncio.Event()
        sock = bind("127.0.0.1:0")
        port = sock.getsockname()[1]
        task = asyncio.create_task(serve(gate.app, sock, asyncio.Event(), ready.set))
        await ready.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.to_thread(gate.entered.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        with contextlib.suppress(ConnectionResetError):
            await writer.wait_closed()
        assert sock.fileno() == -1
        assert refused(port)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        gate.open.set()

    asyncio.run(main())


def test_a_stop_asked_for_before_the_start_ends_it_at_once() -> None:
    async def main() -> None:
        stop = asyncio.Event()
        stop.set()
        await asyncio.wait_for(serve(build_app(FakeSite()), bind("127.0.0.1:0"), stop), 2)

    asyncio.run(main())

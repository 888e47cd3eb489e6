"""Raw bytes against a real server: what is no request, what never ends, and what tries to be two things at once."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.web import protocol
from exporter.web.app import build_app
from exporter.web.protocol import Crowd, Protocol
from tests.unit.web_site import PAGE, TEXT, FakeSite, Running, collector, instance, running, status

SECURITY = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
END = b"\r\n\r\n"
HOST = b"\r\nHost: x"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(build_app(FakeSite())) as one:
        yield one


def received(sock: socket.socket) -> bytes:
    """All until the other side hangs up."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(65536):
            got += piece
    return got


def answered(sock: socket.socket) -> bytes:
    """One answer, on a connection that stays."""
    got = b""
    while END not in got:
        piece = sock.recv(65536)
        assert piece, got
        got += piece
    length = int(head(got)[1]["content-length"])
    while len(got.partition(END)[2]) < length:
        got += sock.recv(65536)
    return got


def connected(server: Running, timeout: float = 10) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=timeout)


def said(server: Running, *pieces: bytes) -> bytes:
    """Everything the server says to these bytes; fails where it does not hang up."""
    with connected(server) as sock:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                sock.sendall(piece)
        return received(sock)


def head(answer: bytes) -> tuple[int, dict[str, str]]:
    lines = answer.partition(END)[0].decode("latin-1").split("\r\n")
    return int(lines[0].split()[1]), {
        name.lower(): value for name, _, value in (one.partition(": ") for one in lines[1:])
    }


def assert_refused(answer: bytes) -> None:
    """400 once, with every header of ours, and the end of the connection."""
    code, headers = head(answer)
    assert code == 400
    assert headers["connection"] == "close"
    for name, value in SECURITY.items():
        assert headers[name].startswith(value)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert TEXT not in answer


GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(GET + b"Content-Length: 5\r\n\r\nhello", id="a body"),
        pytest.param(GET + b"Content-Length: 5\r\n\r\n", id="a body that never comes"),
        pytest.param(GET + b"Content-Length: 99999999999999999999\r\n\r\n", id="a body without end"),
        pytest.param(GET + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", id="a body that asks first"),
        pytest.param(GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="an empty chunked body"),
        pytest.param(GET + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n", id="a chunk without end"),
        pytest.param(GET + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", id="both lengths"),
        pytest.param(GET + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="both, other order"),
        pytest.param(GET + b"Transfer-Encoding: identity\r\n\r\n", id="another coding"),
        pytest.param(GET + b"Transfer-Encoding: xchunked\r\n\r\n", id="an unknown coding"),
        pytest.param(GET + b"Transfer-Encoding: chunked, chunked\r\n\r\n", id="chunked twice"),
        pytest.param(GET + b"Transfer-Encoding : chunked\r\n\r\n", id="a blank before the colon"),
        pytest.param(GET + b"Transfer-Encoding:\x0bchunked\r\n\r\n", id="a vertical tab"),
        pytest.param(GET + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", id="the same length twice"),
        pytest.param(GET + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello", id="two lengths"),
        pytest.param(GET + b"Content-Length: 0, 5\r\n\r\nhello", id="two lengths in a line"),
        pytest.param(GET + b"Content-Length: -1\r\n\r\n", id="a negative length"),
        pytest.param(GET + b"Content-Length: +0\r\n\r\n", id="a length with a sign"),
        pytest.param(GET + b"Content-Length: 0x0\r\n\r\n", id="a hexadecimal length"),
        pytest.param(GET + b"X: a\r\n b\r\n\r\n", id="a folded header"),
        pytest.param(GET + b"X: a\r\n\tb\r\n\r\n", id="a header folded by a tab"),
        pytest.param(GET + b" X: a\r\n\r\n", id="a blank before a header"),
        pytest.param(GET + b"X: a\0b\r\n\r\n", id="NUL in a header"),
        pytest.param(GET + b"X: a\x7fb\r\n\r\n", id="DEL in a header"),
        pytest.param(GET + b"X\xc3\xa4: a\r\n\r\n", id="a name that is not ASCII"),
        pytest.param(GET + b"X a\r\n\r\n", id="a header without a colon"),
        pytest.param(GET + b": a\r\n\r\n", id="a header without a name"),
        pytest.param(GET.replace(b"\r\n", b"\n") + b"\n", id="bare line feeds"),
        pytest.param(GET + b"X: a\nY: b\r\n\r\n", id="one bare line feed"),
        pytest.param(GET + b"X: a\rY: b\r\n\r\n", id="a bare carriage return"),
        pytest.param(GET + b"X: a\r\r\n\r\n", id="two carriage returns"),
        pytest.param(b"GET /metrics HTTP/1.1" + END, id="no host"),
        pytest.param(GET + b"Host: y" + END, id="two hosts"),
        pytest.param(b"GET /metrics" + END, id="no version"),
        pytest.param(b"GET /metrics HTTP/2.0" + HOST + END, id="HTTP/2 in words"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2's greeting"),
        pytest.param(b"GET  /metrics HTTP/1.1" + HOST + END, id="two blanks"),
        pytest.param(b"GET /met rics HTTP/1.1" + HOST + END, id="a blank in the path"),
        pytest.param(b"GET\t/metrics\tHTTP/1.1" + HOST + END, id="tabs for blanks"),
        pytest.param("GET /mètrics HTTP/1.1".encode() + HOST + END, id="a path that is not ASCII"),
        pytest.param(b"GET /metrics\0 HTTP/1.1" + HOST + END, id="NUL in the path"),
        pytest.param(b"G\x08T /metrics HTTP/1.1" + HOST + END, id="a control character in the method"),
        pytest.param(b"\r\n\r\n" + GET + b"\r\n", id="empty lines before it"),
        pytest.param(b"GET http://x/metrics HTTP/1.1" + HOST + END, id="a target for a proxy"),
        pytest.param(b"GET https://elsewhere/ HTTP/1.1" + HOST + END, id="a target elsewhere"),
        pytest.param(b"OPTIONS * HTTP/1.1" + HOST + END, id="the whole server"),
        pytest.param(b"CONNECT elsewhere:443 HTTP/1.1" + HOST + END, id="a tunnel"),
        pytest.param(b"GET metrics HTTP/1.1" + HOST + END, id="a path without a slash"),
        pytest.param(b"GET /" + b"a" * 100_000 + b" HTTP/1.1" + HOST + END, id="a path too long"),
        pytest.param(GET + b"X: " + b"a" * 100_000 + END, id="a header too long"),
        pytest.param(GET + b"X: a\r\n" * 20_000 + b"\r\n", id="too many headers"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500, id="TLS"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n" + END, id="SSH"),
        pytest.param(b"\0" * 100_000, id="zeros"),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(server: Running, request_bytes: bytes) -> None:
    assert_refused(said(server, request_bytes, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert server.ask("/metrics").body == TEXT


@pytest.mark.parametrize("split", range(1, 20))
def test_a_fault_is_found_wherever_the_bytes_are_cut(server: Running, split: int) -> None:
    bad = GET + b"X: a\r\n b: c\r\n\r\n"
    at = len(GET) + split - 6
    with connected(server) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(bad[:at])
        # An answer to somebody else in between: the first piece has been read when it comes.
        assert server.ask("/-/healthy").status == 200
        with contextlib.suppress(ConnectionError):
            sock.sendall(bad[at:])
        assert_refused(received(sock))


def test_good_requests_cut_anywhere_are_good(server: Running) -> None:
    good = GET + b"X: a\tb  c\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    for at in range(1, len(good), 7):
        with connected(server) as sock:
            sock.sendall(good[:at])
            assert server.ask("/-/healthy").status == 200
            sock.sendall(good[at:])
            assert received(sock).endswith(TEXT)


def test_a_request_hidden_in_a_body_is_never_answered(server: Running) -> None:
    hidden = b"GET /config HTTP/1.1\r\nHost: x\r\n\r\n"
    for framing in (
        b"Content-Length: %d\r\n" % len(hidden),
        b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\n",
    ):
        for prefix in (b"", b"0\r\n\r\n"):
            answer = said(server, b"POST /-/reload HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n" + prefix + hidden)
            assert_refused(answer)
            assert b"listen_address" not in answer


def test_pipelined_requests_are_answered_in_their_order(server: Running) -> None:
    paths = [b"/-/healthy", b"/no/such", b"/metrics", b"/-/ready"] * 20
    requests = [b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths]
    requests[-1] = requests[-1].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = said(server, b"".join(requests))
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"404", b"200", b"200"] * 20


def test_a_bad_request_behind_a_good_one_is_not_answered_and_nothing_after_it(server: Running) -> None:
    good = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(server) as sock:
        sock.sendall(good)
        assert answered(sock).startswith(b"HTTP/1.1 200")
        sock.sendall(b"GET /metrics HTTP/1.1\nHost: x\n\n" + good)
        assert_refused(received(sock))


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "PATCH", "OPTIONS", "GETX", "get"])
def test_no_other_method_does_anything(server: Running, method: str) -> None:
    answer = server.ask("/metrics", method, {"X-Secret": "mirror me"})
    assert answer.status == 405
    assert answer.header("Allow") == "GET, HEAD"
    assert b"mirror me" not in answer.body
    assert answer.header("X-Content-Type-Options") == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "//metrics", "/metrics/", "/metrics/..", "/./metrics", "/../metrics", "/x/../metrics", "/%2e%2e/metrics",
        "/metrics%00", "/metrics%0a", "/metrics%20", "/metrics;x", "/metrics%2f", "/%2fmetrics", "/METRICS",
        "/metrics#",
        "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..\\..\\etc\\passwd", "/%c0%ae%c0%ae/", "/%ff", "/%",
        "/%zz", "/" + "a" * 8000, "/" + "/" * 8000, "/" + "%2e%2e/" * 1000, "/static/style.css", "/.git/config",
        "/-/", "/-/quit", "/debug/pprof/", "/metrics/metrics", "/?/metrics/x/..".replace("?", "%3f"),
    ],
)  # fmt: skip
def test_a_path_that_is_not_ours_is_not_found(server: Running, path: str) -> None:
    answer = server.ask(path)
    assert (answer.status, answer.body) == (404, b"not found\n")


def test_ranges_and_conditions_are_no_matter(server: Running) -> None:
    for headers in (
        {"Range": "bytes=0-3"},
        {"Range": "bytes=" + ",".join(f"{n}-" for n in range(1000))},
        {"Range": "bytes=9-1"},
        {"If-Range": "x", "Range": "bytes=1-2"},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "Mon, 21 Sep 2099 00:00:00 GMT"},
        {"X-HTTP-Method-Override": "DELETE"},
        {"X-Original-URL": "/config", "X-Rewrite-URL": "/config"},
        {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"},
        {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "x"},
        {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABk"},
    ):
        answer = server.ask("/metrics", headers=headers)
        assert (answer.status, answer.body) == (200, TEXT)


def test_head_answers_as_get_without_the_body(server: Running) -> None:
    answer = said(server, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    code, headers = head(answer)
    assert (code, headers["content-length"]) == (200, str(len(TEXT)))
    assert answer.endswith(END)


def test_a_long_page_arrives_whole_and_in_every_form(server: Running) -> None:
    text = b"".join(b'x{n="%d"} 1\n' % n for n in range(100_000))
    long = replace(PAGE, text=text, text_gzip=gzip.compress(text, 1))
    with running(build_app(FakeSite(metrics=long))) as one:
        assert one.ask("/metrics").body == text
        assert gzip.decompress(one.ask("/metrics", headers={"Accept-Encoding": "gzip"}).body) == text
        assert one.ask("/metrics", "HEAD").header("Content-Length") == str(len(text))


@pytest.mark.parametrize(
    "query",
    [
        "&".join(f"name[]=family_{n}" for n in range(1500)),
        "name[]=" + "a" * 30_000,
        "name[]=" + ".*" * 500,
        "name[]=(a%2B)%2B$" + "a" * 100,
        "name[]=%00&name[]=%0a%0d&name[]=\"&name[]='&name[]=<script>",
        "name[]=up&" * 2500,
    ],
)
def test_hostile_names_are_names(server: Running, query: str) -> None:
    begun = time.monotonic()
    assert server.ask(f"/metrics?{query}").status == 200
    assert time.monotonic() - begun < 2


def test_who_asks_for_more_filtered_pages_than_can_be_made_is_told_to_come_again() -> None:
    begun, finish = threading.Event(), threading.Event()

    def slow(names: frozenset[str], openmetrics: bool) -> tuple[bytes, ...]:
        begun.set()
        assert finish.wait(20)
        return (b"slow 1\n",)

    with running(build_app(FakeSite(metrics=replace(PAGE, filter=slow)))) as one:
        held = [connected(one) for _ in range(40)]
        for sock in held:
            sock.sendall(b"GET /metrics?name[]=x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert begun.wait(10)
        assert one.ask("/metrics").body == TEXT
        assert one.ask("/-/healthy").status == 200
        finish.set()
        codes = [head(received(sock))[0] for sock in held]
        for sock in held:
            sock.close()
    # Two are made at a time, 16 wait.
    assert codes.count(503) == 40 - 18
    assert codes.count(200) == 18


# Many and slow


@pytest.fixture
def small_crowd(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(protocol.Crowd.__init__, "__defaults__", (20,))
    return 20


def test_connections_that_only_stay_keep_nobody_out(small_crowd: int) -> None:
    with running(build_app(FakeSite())) as one:
        used = connected(one)
        used.sendall(GET + b"\r\n")
        assert answered(used).endswith(TEXT)
        idle = [connected(one) for _ in range(3 * small_crowd)]
        for _ in range(10):
            assert one.ask("/-/healthy").status == 200
            assert one.ask("/metrics").body == TEXT
        # The oldest ones had to go, the latest are there still.
        assert used.recv(1) == b""
        assert received(idle[0]) == b""
        idle[-1].sendall(GET + b"Connection: close\r\n\r\n")
        assert received(idle[-1]).endswith(TEXT)
        for sock in (used, *idle):
            sock.close()


def test_clients_that_do_not_read_keep_nobody_out(small_crowd: int) -> None:
    large = FakeSite(metrics=replace(PAGE, text=b"x" * 20_000_000))
    with running(build_app(large)) as one:
        lazy = [connected(one) for _ in range(2 * small_crowd)]
        for sock in lazy:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(GET + b"\r\n")
        for _ in range(5):
            assert one.ask("/-/healthy").status == 200
        for sock in lazy:
            sock.close()


def test_a_connection_that_asks_outlives_those_that_do_not() -> None:
    crowd, cut = Crowd(3), []
    members = [Protocol.__new__(Protocol) for _ in range(5)]
    for number, member in enumerate(members[:3]):
        crowd.enter(member, lambda number=number: cut.append(number))  # type: ignore[misc]
    crowd.active(members[0])
    for number in (3, 4):
        crowd.enter(members[number], lambda number=number: cut.append(number))  # type: ignore[misc]
    assert cut == [1, 2]
    crowd.leave(members[0])
    crowd.leave(members[0])
    assert len(crowd) == 2
    crowd.cut()
    assert sorted(cut) == [1, 2, 3, 4]


@pytest.mark.parametrize("query", ["", "?name[]=a&name[]=b"], ids=["the page", "a part of it"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_what_a_client_does_not_read_is_not_piled_up(query: str, encoding: str) -> None:
    size, clients = 30_000_000, 12
    families = (os.urandom(size // 2), os.urandom(size // 2))  # no compression makes less of it
    whole = b"".join(families)
    large = FakeSite(metrics=replace(PAGE, text=whole, text_gzip=whole, filter=lambda *_: families))
    get = f"GET /metrics{query} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {encoding}\r\n\r\n".encode()

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096

    with running(build_app(large)) as one:
        before = resident()
        lazy = [connected(one) for _ in range(clients)]
        for sock in lazy:
            sock.sendall(get)
            assert sock.recv(15) == b"HTTP/1.1 200 OK"
        assert one.ask("/-/healthy").status == 200
        assert resident() - before < size
        for sock in lazy:
            sock.close()


def test_a_client_that_reads_too_slowly_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protocol, "answer_timeout", 0.5)
    large = FakeSite(metrics=replace(PAGE, text=b"x" * 30_000_000))
    with running(build_app(large)) as one, connected(one) as slow:
        slow.sendall(GET + b"\r\n")
        assert slow.recv(15) == b"HTTP/1.1 200 OK"
        end = time.monotonic() + 1.5
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end and slow.recv(1000):
                time.sleep(0.02)
        # What was under way may still come; the rest does not.
        assert len(received(slow)) < 20_000_000


def test_a_dripping_request_is_cut_off_however_steady(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protocol, "head_timeout", 0.4)
    with running(build_app(FakeSite())) as one, connected(one, timeout=0.05) as slow:
        # Each byte takes 50 ms: the whole would take a minute.
        drops = 0
        with contextlib.suppress(ConnectionError):
            for byte in GET + b"X: " + b"a" * 1000:
                slow.sendall(bytes([byte]))
                drops += 1
                with contextlib.suppress(TimeoutError):
                    assert slow.recv(1) == b""
                    break
        assert drops < 100


def test_a_body_that_is_sent_without_end_is_not_read_without_end(server: Running) -> None:
    with connected(server) as sock:
        sock.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        sent = 0
        with contextlib.suppress(ConnectionError):
            for _ in range(2000):
                sock.sendall(b"x" * 65536)
                sent += 65536
        assert sent < 100_000_000


def test_many_requests_on_one_connection_are_all_answered(server: Running) -> None:
    begun = time.monotonic()
    with connected(server) as sock:
        for _ in range(500):
            sock.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answered(sock).endswith(b"healthy\n")
    # Nagle's algorithm and delayed acknowledgements together would hold up each of them for 40 ms.
    assert time.monotonic() - begun < 500 * 0.03


# What AWS says


def test_names_from_aws_are_only_ever_text_on_the_status_page() -> None:
    hostile = "</td><script>alert(1)</script><img src=x onerror=alert(1)>\"'`&{{7*7}}\u202e\u2028\x00\x1b[31m"
    one = replace(
        instance(hostile, collector(state="failing", error=hostile), notes=(hostile,)),
        instance_id=hostile,
        region=hostile,
        account_id=hostile,
        identity=hostile,
    )
    with running(build_app(FakeSite(shown=status(one, warnings=(hostile,))))) as server:
        answer = server.ask("/")
    page = answer.body.decode()
    assert answer.status == 200
    assert "<script" not in page
    assert "<img" not in page
    assert not re.search(r"<[^>]*\sonerror", page)
    assert "&lt;/td&gt;&lt;script&gt;" in page
    assert "script-src" not in answer.header("Content-Security-Policy")
    assert answer.header("Content-Security-Policy").startswith("default-src 'none'")

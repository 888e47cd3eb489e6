from __future__ import annotations

import gzip
import http.client
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from exporter.web.app import build_app
from tests.unit.web_site import NOW, OPENMETRICS, PAGE, TEXT, Answer, FakeSite, Running, instance, running, status

ASK_OPENMETRICS = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
}
GETS = ("/", "/metrics", "/config", "/-/healthy", "/-/ready")


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeSite, Running]]:
    site = FakeSite()
    with running(build_app(site, lambda: NOW)) as server:
        yield site, server


@pytest.fixture
def site(served: tuple[FakeSite, Running]) -> FakeSite:
    """As new for each test; the server around it is started once."""
    vars(served[0]).update(vars(FakeSite()))
    return served[0]


@pytest.fixture
def server(site: FakeSite, served: tuple[FakeSite, Running]) -> Running:
    return served[1]


def test_a_client_without_wishes_gets_the_text_format_plain(server: Running) -> None:
    answer = server.ask("/metrics")
    assert (answer.status, answer.body) == (200, TEXT)
    assert answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.header("Content-Encoding") == ""
    assert answer.header("Vary") == "Accept, Accept-Encoding"


def test_a_client_that_asks_for_openmetrics_gets_it(server: Running) -> None:
    answer = server.ask("/metrics", headers=ASK_OPENMETRICS)
    assert (answer.status, answer.body) == (200, OPENMETRICS)
    assert answer.header("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.mark.parametrize(
    ("wishes", "ready_made"),
    [({}, PAGE.text_gzip), (ASK_OPENMETRICS, PAGE.openmetrics_gzip)],
    ids=["text", "openmetrics"],  # the bytes themselves would be a name that no two workers need to agree on
)
def test_a_client_that_takes_gzip_gets_the_bytes_compressed_beforehand(
    server: Running, wishes: dict[str, str], ready_made: bytes
) -> None:
    answer = server.ask("/metrics", headers={**wishes, "Accept-Encoding": "gzip"})
    assert answer.body == ready_made
    assert answer.header("Content-Encoding") == "gzip"
    assert answer.header("Content-Length") == str(len(ready_made))


def test_gzip_refused_by_a_quality_of_zero_is_not_sent(server: Running) -> None:
    answer = server.ask("/metrics", headers={"Accept-Encoding": "gzip;q=0, deflate"})
    assert (answer.body, answer.header("Content-Encoding")) == (TEXT, "")


@pytest.mark.parametrize("query", ["name[]=up&name[]=down", "name%5B%5D=up&x=1&name[]=down&name[]="])
def test_repeated_names_choose_families(server: Running, query: str) -> None:
    assert server.ask(f"/metrics?{query}").body == b"down 1\nup 1\n"
    assert server.ask(f"/metrics?{query}", headers=ASK_OPENMETRICS).body == b"down 1\nup 1\n# EOF\n"


def test_a_chosen_page_is_compressed_too(server: Running) -> None:
    answer = server.ask("/metrics?name[]=up", headers={"Accept-Encoding": "gzip"})
    assert answer.header("Content-Encoding") == "gzip"
    assert gzip.decompress(answer.body) == b"up 1\n"


def test_a_large_chosen_page_arrives_whole_and_plain(site: FakeSite, server: Running) -> None:
    families = tuple(bytes([letter]) * 700_000 for letter in b"abc")
    site.metrics = replace(PAGE, filter=lambda *_: families)
    answer = server.ask("/metrics?name[]=a", headers={"Accept-Encoding": "gzip"})
    assert (answer.header("Content-Encoding"), answer.header("Content-Length")) == ("", "2100000")
    assert answer.body == b"".join(families)
    assert server.ask("/metrics?name[]=a", "HEAD").header("Content-Length") == "2100000"


def test_choosing_families_of_a_large_page_holds_up_no_other_request(site: FakeSite, server: Running) -> None:
    begun, finish = threading.Event(), threading.Event()

    def slow(names: frozenset[str], openmetrics: bool) -> tuple[bytes, ...]:
        begun.set()
        assert finish.wait(10)
        return (b"slow 1\n",)

    site.metrics = replace(PAGE, filter=slow)
    answers: list[Answer] = []
    scrape = threading.Thread(target=lambda: answers.append(server.ask("/metrics?name[]=slow")))
    scrape.start()
    assert begun.wait(10)
    assert server.ask("/metrics").body == TEXT
    assert server.ask("/-/healthy").status == 200
    finish.set()
    scrape.join(10)
    assert answers[0].body == b"slow 1\n"


@pytest.mark.parametrize(
    "query",
    [
        "name[]=%ff%fe",
        "name[]=%00",
        "name[]=%",
        "name[]=%zz&&&===&;;",
        "name[]=" + "%2e%2e%2f" * 500,
        "name[]=a&" * 1000,
        "collect[]=x&debug=<script>",
        "=",
        "?",
        "&" * 3000,
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/"])
def test_a_hostile_query_is_answered_as_any_other(server: Running, path: str, query: str) -> None:
    assert server.ask(f"{path}?{query}").status == 200


def test_unknown_parameters_are_ignored(server: Running) -> None:
    assert server.ask("/metrics?name=up&target=x").body == TEXT


@pytest.mark.parametrize("path", GETS)
def test_head_answers_with_the_headers_of_get_and_no_body(server: Running, path: str) -> None:
    for wishes in ({}, {"Accept-Encoding": "gzip"}):
        get, head = server.ask(path, headers=wishes), server.ask(path, "HEAD", wishes)
        assert (head.status, head.body) == (get.status, b"")
        assert without_date(head) == without_date(get)
        assert head.header("Content-Length") == str(len(get.body))


def without_date(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "date"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", GETS)
def test_other_methods_are_refused_with_those_allowed(server: Running, path: str, method: str) -> None:
    answer = server.ask(path, method)
    assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_reloading_takes_a_post(site: FakeSite, server: Running, method: str) -> None:
    site.lifecycle = True
    answer = server.ask("/-/reload", method)
    assert (answer.status, answer.header("Allow"), site.reloads) == (405, "POST", 0)


@pytest.mark.parametrize(
    "path",
    ["/metrics/", "/Metrics", "/metric", "//metrics", "/-", "/-/", "/metrics%0A", "/%2e%2e/etc/passwd", "/favicon.ico"],
)
def test_other_paths_do_not_exist(server: Running, path: str) -> None:
    for method in ("GET", "POST"):
        answer = server.ask(path, method)
        assert (answer.status, answer.body) == (404, b"not found\n")


@pytest.mark.parametrize(
    ("method", "path"), [*(("GET", path) for path in GETS), ("GET", "/nowhere"), ("PUT", "/"), ("POST", "/-/reload")]
)
def test_every_answer_carries_the_security_headers(server: Running, method: str, path: str) -> None:
    answer = server.ask(path, method)
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("Referrer-Policy") == "no-referrer"
    assert answer.header("Cache-Control") == "no-store"
    assert "default-src 'none'" in answer.header("Content-Security-Policy")
    assert "unsafe" not in answer.header("Content-Security-Policy")
    assert answer.header("Server") == ""


def test_health_says_whether_the_loops_turn(site: FakeSite, server: Running) -> None:
    assert server.ask("/-/healthy").status == 200
    site.is_healthy = False
    assert server.ask("/-/healthy").status == 503


def test_readiness_says_what_is_waited_for(site: FakeSite, server: Running) -> None:
    site.readiness = (False, "waiting for the first data of 2 instances")
    answer = server.ask("/-/ready")
    assert (answer.status, answer.body) == (503, b"waiting for the first data of 2 instances\n")
    site.readiness = (True, "")
    assert server.ask("/-/ready").status == 200


def test_reloading_is_forbidden_unless_enabled(site: FakeSite, server: Running) -> None:
    answer = server.ask("/-/reload", "POST")
    assert (answer.status, site.reloads) == (403, 0)
    assert b"web.enable_lifecycle" in answer.body


def test_a_reload_is_confirmed(site: FakeSite, server: Running) -> None:
    site.lifecycle = True
    assert server.ask("/-/reload", "POST").status == 200
    assert site.reloads == 1


def test_a_reload_that_failed_tells_its_faults_one_a_line(site: FakeSite, server: Running) -> None:
    site.lifecycle = True
    site.faults = ["config.yml: instances.0.region: Field required", "config.yml: log: two\nlines"]
    answer = server.ask("/-/reload", "POST")
    assert answer.status == 400
    assert answer.body.decode().splitlines() == [
        "config.yml: instances.0.region: Field required",
        "config.yml: log: two lines",
    ]


def test_the_configuration_is_shown_as_yaml(site: FakeSite, server: Running) -> None:
    answer = server.ask("/config")
    assert answer.header("Content-Type") == "text/yaml; charset=utf-8"
    assert answer.body.decode() == site.yaml


def test_the_status_page_is_html_and_compressed_for_those_who_take_it(server: Running) -> None:
    plain = server.ask("/")
    assert plain.header("Content-Type") == "text/html; charset=utf-8"
    assert b"support-eu" in plain.body
    packed = server.ask("/", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.body) == plain.body
    assert packed.header("Vary") == "Accept-Encoding"


def test_a_name_that_is_no_proper_text_does_not_break_the_status_page(site: FakeSite, server: Running) -> None:
    site.shown = status(instance("lone \ud800 surrogate"))
    answer = server.ask("/")
    assert answer.status == 200
    assert b"lone ? surrogate" in answer.body


def test_refreshing_can_be_stopped(server: Running) -> None:
    assert b'http-equiv="refresh"' in server.ask("/").body
    assert b'http-equiv="refresh"' not in server.ask("/?refresh=off").body


def test_a_fault_of_ours_is_a_plain_500_and_its_details_are_logged(site: FakeSite, server: Running) -> None:
    def broken(names: frozenset[str], openmetrics: bool) -> tuple[bytes, ...]:
        raise RuntimeError("where it went wrong")

    site.metrics = replace(PAGE, filter=broken)
    with capture_logs() as lines:
        answer = server.ask("/metrics?name[]=up")
    assert (answer.status, answer.body) == (500, b"internal error\n")
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert [(line["event"], line["log_level"], line["path"]) for line in lines] == [
        ("request failed", "error", "/metrics")
    ]
    assert server.ask("/metrics").status == 200


def test_a_connection_serves_many_scrapes(server: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    used: set[int] = set()
    for _ in range(3):
        connection.request("GET", "/metrics")
        assert connection.getresponse().read() == TEXT
        assert isinstance(connection.sock, socket.socket)
        used.add(connection.sock.getsockname()[1])
    connection.close()
    assert len(used) == 1

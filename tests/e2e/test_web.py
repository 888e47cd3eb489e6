"""What the daemon answers over HTTP, to Prometheus, to Kubernetes and to people."""

from __future__ import annotations

import gzip
import http.client
import random
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml

from tests.e2e.daemon import (
    KEYS,
    Daemon,
    about,
    daemon,
    differences,
    failed,
    of_connect,
    ok,
    parse,
    settings,
)
from tests.e2e.other_connect import Instance, OtherConnect, Reply, Service, refuse, say
from tests.e2e.tables import expected, instance
from tests.tools import wait_for

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
MARKUP = '<b title="x">bold & north</b>'
EXTERNAL = "external-id-that-nobody-should-read"


@pytest.fixture(scope="module")
def pair() -> tuple[Instance, Instance]:
    return instance(1, 5, 2, random.Random(1), "north"), instance(2, 5, 2, random.Random(2), "south")


@pytest.fixture(scope="module")
def site(pair: tuple[Instance, Instance], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One instance whose alias is markup, one that AWS denies."""
    service = Service(list(pair))
    no = "User: arn:aws:sts::1:x is not authorized to perform: connect:GetCurrentMetricData <script>alert(1)</script>"
    service.troubles.append(refuse(403, "AccessDeniedException", no, lambda asked: asked.instance == pair[1].id))
    north = replace(pair[0], alias=MARKUP)
    with OtherConnect(service) as aws:
        config = settings(aws.url, [{"id": pair[0].id, "alias": MARKUP}, {"id": pair[1].id, "alias": "south"}])
        config["aws"]["external_id"] = EXTERNAL
        with daemon(tmp_path_factory.mktemp("site"), config) as running:
            running.wait(lambda page: ok(MARKUP)(page) and ok(MARKUP, "profile_queues")(page), "north")
            running.wait(failed("south"), "south")
            running.wait(lambda page: not differences(about(page, MARKUP), expected(north)), "all of north")
            yield running


# Probes


def test_it_is_healthy_at_once_and_ready_when_each_instance_was_tried(
    pair: tuple[Instance, Instance], tmp_path: Path
) -> None:
    service = Service(list(pair), troubles=[say(Reply(hang=True), lambda asked: asked.instance == pair[1].id)])
    with OtherConnect(service) as aws, daemon(tmp_path, settings(aws.url, pair)) as running:
        early = running.get("/-/ready")
        assert early.status == 503
        assert early.text.strip()
        assert running.get("/-/healthy").status == 200
        running.wait(ok(pair[0].alias), "the one that answers")
        assert running.get("/-/ready").status == 503
        running.wait(failed(pair[1].id), "the one that hangs, given up")
        wait_for(lambda: running.get("/-/ready").status == 200, "ready")


def test_every_collector_has_its_series_before_anything_was_asked(
    pair: tuple[Instance, Instance], tmp_path: Path
) -> None:
    service = Service(list(pair), troubles=[say(Reply(hang=True), lambda _: True)])
    with OtherConnect(service) as aws, daemon(tmp_path, settings(aws.url, pair)) as running:
        page = running.wait(lambda page: page.get(("amazon_connect_exporter_targets", ())) == 2, "the first page")
        for name in ("collector_success", "collector_series", "series_dropped_total"):
            seen = {
                (dict(key[1])["instance_alias"], dict(key[1])["collector"])
                for key in page
                if key[0] == "amazon_connect_exporter_" + name
            }
            assert seen >= {(one.id, collector) for one in pair for collector in ("current", "inventory")}, name
        assert not of_connect(page)


# /metrics


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/plain; version=0.0.4"),
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0"),
        (PROMETHEUS, "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text;q=0.1,text/plain;q=0.9", "text/plain; version=0.0.4"),
        ("application/openmetrics-text;q=0,*/*", "text/plain; version=0.0.4"),
        ("", "text/plain; version=0.0.4"),
        ("nonsense;;;=,,", "text/plain; version=0.0.4"),
    ],
)
def test_the_format_is_the_one_accepted(site: Daemon, accept: str | None, kind: str) -> None:
    answer = site.get("/metrics", headers={} if accept is None else {"Accept": accept})
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith(kind)
    assert "charset=utf-8" in answer.headers["Content-Type"]
    openmetrics = kind.startswith("application")
    assert len(of_connect(parse(answer.body.decode(), openmetrics))) > 100


@pytest.mark.parametrize(
    ("accept", "zipped"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("br;q=1, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("identity", False),
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/metrics?name[]=amazon_connect_queue_info"])
def test_gzip_where_it_is_accepted(site: Daemon, accept: str, zipped: bool, path: str) -> None:
    answer = site.get(path, headers={"Accept-Encoding": accept})
    assert (answer.headers["Content-Encoding"] == "gzip") == zipped
    body = gzip.decompress(answer.body) if zipped else answer.body
    assert of_connect(parse(body.decode()))
    assert int(answer.headers["Content-Length"]) == len(answer.body)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_name_filters_as_client_libraries_do(site: Daemon, openmetrics: bool) -> None:
    wanted = [
        "amazon_connect_queue_contacts_in_queue",
        "amazon_connect_instance_info",
        "process_cpu_seconds_total",
        "no",
    ]
    path = "/metrics?" + urlencode([("name[]", name) for name in wanted])
    page = parse(site.page(path=path, openmetrics=openmetrics), openmetrics)
    assert {key[0] for key in page} == set(wanted[:3])
    nothing = site.page(path="/metrics?name[]=nothing", openmetrics=openmetrics)
    assert nothing == ("# EOF\n" if openmetrics else "")


def test_a_hundred_scrapes_at_once_are_all_whole(site: Daemon, pair: tuple[Instance, Instance]) -> None:
    with ThreadPoolExecutor(20) as pool:
        for page in pool.map(lambda _: site.scrape(), range(100)):
            assert not differences(about(page, MARKUP), expected(replace(pair[0], alias=MARKUP)))


def test_a_client_that_sends_nonsense_disturbs_nobody(site: Daemon) -> None:
    host, port = site.url.removeprefix("http://").split(":")
    for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"\x00" * 5000):
        with socket.create_connection((host, int(port)), timeout=5) as client:
            client.sendall(nonsense)
            client.shutdown(socket.SHUT_WR)
            client.recv(1000)
    assert site.get("/-/healthy").status == 200


# The other paths


@pytest.mark.parametrize("path", ["/metrics", "/", "/config", "/-/healthy", "/-/ready"])
def test_head_answers_as_get_without_a_body(site: Daemon, path: str) -> None:
    head, get = site.get(path, method="HEAD"), site.get(path)
    assert (head.status, get.status) == (200, 200)
    assert head.body == b""
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert site.get(path, method=method).status == 405


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/-/", "/-/quit", "//metrics", "/../etc/passwd", "/%00"])
def test_other_paths_are_not_found(site: Daemon, path: str) -> None:
    assert site.get(path).status == 404
    assert site.get(path, method="POST").status in {404, 405}


def test_a_connection_is_kept_alive(site: Daemon) -> None:
    connection = http.client.HTTPConnection(site.url.removeprefix("http://"), timeout=5)
    for path in ("/metrics", "/-/healthy", "/nothing", "/metrics"):
        connection.request("GET", path)
        response = connection.getresponse()
        assert len(response.read()) > 1
        assert not response.will_close
    connection.close()


def test_the_running_configuration_is_shown_without_secrets(site: Daemon, pair: tuple[Instance, Instance]) -> None:
    answer = site.get("/config")
    shown = yaml.safe_load(answer.body)
    assert shown["instances"][0]["id"] == pair[0].id
    assert shown["instances"][0]["alias"] == MARKUP
    assert shown["collectors"]["current"]["interval"] == "1s"
    assert shown["limits"] == {"max_series": 500_000}
    for told in (answer.text, site.get("/").text, site.page(), site.program.stderr):
        assert EXTERNAL not in told
        assert not [value for value in KEYS.values() if value in told]


def test_the_status_page_says_of_each_collector_how_it_is(site: Daemon) -> None:
    answer = site.get("/")
    assert answer.headers["Content-Type"].startswith("text/html")
    page = answer.text
    for words in ("south", "current", "inventory", "us-east-1", "is not authorized to perform", "A right is missing"):
        assert words in page
    for path in ("/metrics", "/config", "/-/healthy", "/-/ready"):
        assert re.search(f'href="/?{path[1:]}"', page)


def test_nothing_that_aws_or_a_file_said_is_markup_on_the_status_page(site: Daemon) -> None:
    page = site.get("/").text
    assert "<b title" not in page
    assert "&lt;b title=" in page
    assert "<script" not in page
    assert "http://" not in page.replace(site.url, "").split("<main>")[0]

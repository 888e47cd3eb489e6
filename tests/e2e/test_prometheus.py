"""A real Prometheus and a real promtool on the demo."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.daemon import EXPORTER, OWN, Daemon, of_connect, parse
from tests.e2e.other_connect import CHANNELS
from tests.tools import Scrape, free_port, need, prometheus, running, started, wait_for

QUEUES = 7


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    directory = tmp_path_factory.mktemp("demo")
    address = f"127.0.0.1:{free_port()}"
    argv = [*EXPORTER, "demo", "--listen-address", address, "--seed", "3", "--instances", "2", "--queues", str(QUEUES)]
    with running(argv, directory) as program:
        started(program, f"http://{address}/-/healthy", timeout=60)
        found = Daemon(program, f"http://{address}", directory)
        served = "amazon_connect_queue_contacts_in_queue"
        wait_for(lambda: found.get("/-/ready").status == 200, "ready", timeout=60)
        found.wait(lambda page: sum(key[0] == served for key in page) >= 2 * QUEUES, "queues", timeout=60)
        yield found


def test_prometheus_scrapes_the_demo_and_answers_with_its_series(
    demo: Daemon, tmp_path_factory: pytest.TempPathFactory
) -> None:
    address = demo.url.removeprefix("http://")
    with prometheus(tmp_path_factory.mktemp("prometheus"), Scrape([address])) as server:
        server.wait_until_scraped()
        up = wait_for(lambda: server.query("up"), "the first sample of up")
        assert list(up.values()) == [1.0]
        page = demo.scrape()
        wanted = {key[0] for key in of_connect(page)} | {key[0] for key in page if key[0].startswith(OWN)}
        wait_for(lambda: wanted <= set(server.get("label/__name__/values")), "every name of the page")
        infos = server.query("amazon_connect_queue_info")
        assert {(key, value) for key, value in page.items() if key[0] == "amazon_connect_queue_info"} == {
            (("amazon_connect_queue_info", own_labels(labels)), value) for labels, value in infos.items()
        }
        assert len(infos) == 2 * QUEUES
        channels = server.query("count by (channel) (amazon_connect_queue_contacts_in_queue)")
        assert {dict(labels)["channel"] for labels in channels} <= set(CHANNELS)
        joined = server.query(
            "amazon_connect_queue_contacts_in_queue"
            " * on (instance_alias, queue) group_left (queue_id) amazon_connect_queue_info"
        )
        assert joined
        assert server.query(f"{OWN}collector_success") == dict.fromkeys(server.query(f"{OWN}collector_success"), 1.0)
        (one,) = server.targets()
        assert one["lastError"] == ""


def own_labels(labels: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in labels if pair[0] not in {"__name__", "job", "instance"})


def test_promtool_has_nothing_to_say_about_the_page(demo: Daemon) -> None:
    done = subprocess.run(
        [need("promtool"), "check", "metrics"],
        input=demo.page().encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (0, "", "")


def test_the_demo_says_where_it_is_and_ends_well(demo: Daemon) -> None:
    assert f"open {demo.url}/ in a browser" in demo.program.stderr
    assert demo.get("/").status == 200
    assert parse(demo.page(openmetrics=True), openmetrics=True)
    assert demo.program.stop() == 0
    assert "Traceback" not in demo.program.stderr

"""A page that says what a test wants, a real Prometheus and a real Alertmanager with our files, and a pager."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.rules.files import ALERTMANAGER, RULE_FILES, read
from tests.tools import Prometheus, fetch, free_port, need, running, started

Labels = tuple[tuple[str, str], ...]
JOB = "amazon-connect"


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """host:port of a server on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def page(text: Callable[[], str | None]) -> Iterator[str]:
    """host:port of an exporter whose /metrics is what `text` returns; 503 where that is None."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = text()
            self.send_response(200 if body is not None else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write((body or "").encode())

        def log_message(self, *args: object) -> None:
            """Nothing: a test's output is for failures."""

    with _serving(Page) as address:
        yield address


@dataclass(slots=True)
class Sink:
    """What people were sent: receiver -> labels of every alert in its messages."""

    sent: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def got(self, receiver: str, **labels: str) -> bool:
        return any(labels.items() <= alert.items() for alert in self.sent.get(receiver, ()))


@contextmanager
def sink() -> Iterator[tuple[Sink, str]]:
    received = Sink()

    class Pager(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            alerts = [alert["labels"] for alert in message["alerts"] if alert["status"] == "firing"]
            received.sent.setdefault(message["receiver"], []).extend(alerts)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing: a test's output is for failures."""

    with _serving(Pager) as address:
        yield received, address


@dataclass(frozen=True, slots=True)
class Alertmanager:
    address: str

    def alerts(self) -> list[dict[str, Any]]:
        """Each with `labels`, `receivers`, `status.inhibitedBy`."""
        found: list[dict[str, Any]] = json.loads(fetch(f"http://{self.address}/api/v2/alerts").body)
        return found

    def inhibited(self) -> dict[Labels, bool]:
        """Alerts by what tells them apart; whether each is silenced by another."""
        about = ("alertname", "job", "instance_alias", "queue", "routing_profile", "collector", "operation")
        return {
            tuple((name, alert["labels"][name]) for name in about if name in alert["labels"]): bool(
                alert["status"]["inhibitedBy"]
            )
            for alert in self.alerts()
        }


@contextmanager
def alertmanager(directory: Path, sink_address: str) -> Iterator[Alertmanager]:
    """With the routes and inhibitions that we ship; webhooks lead to the sink, and groups wait for 3 s only."""
    configuration = read(ALERTMANAGER)
    for receiver in configuration["receivers"]:
        for webhook in receiver.get("webhook_configs", ()):
            webhook["url"] = f"http://{sink_address}/"
    for route in (configuration["route"], *configuration["route"]["routes"]):
        route.update(group_wait="3s", group_interval="1s")
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "alertmanager.yml"
    path.write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{free_port()}"
    binary = need("prometheus-alertmanager")
    argv = [
        binary,
        f"--config.file={path}",
        f"--storage.path={directory / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with running(argv, directory) as program:
        started(program, f"http://{address}/-/ready")
        yield Alertmanager(address)


def hurried(directory: Path) -> list[Path]:
    """Our rules, evaluated every second and without `for`; expressions, labels and texts untouched."""
    directory.mkdir(parents=True, exist_ok=True)
    copies = []
    for path in RULE_FILES:
        document = read(path)
        for group in document["groups"]:
            group["interval"] = "1s"
            for rule in group["rules"]:
                rule.pop("for", None)
        copy = directory / path.name
        copy.write_text(yaml.safe_dump(document))
        copies.append(copy)
    return copies


@contextmanager
def prometheus(directory: Path, alertmanager_address: str, jobs: Mapping[str, str]) -> Iterator[Prometheus]:
    """Scrapes host:port of each job every second, judges by our rules in a hurry, and tells the Alertmanager."""
    binary = need("prometheus")
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "prometheus.yml"
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(copy) for copy in hurried(directory / "rules")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager_address]}]}]},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in jobs.items()
        ],
    }
    path.write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{free_port()}"
    argv = [
        binary,
        f"--config.file={path}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}",
    ]
    with running(argv, directory) as program:
        started(program, f"http://{address}/-/ready")
        yield Prometheus(f"http://{address}", program)

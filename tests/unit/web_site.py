"""A daemon's stand-in for the web side, and a real server around it. Shared by the tests of exporter.web."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message

from starlette.types import ASGIApp

from exporter.web.app import Page
from exporter.web.guard import Guard
from exporter.web.page import CollectorStatus, InstanceStatus, Status
from exporter.web.server import bind, serve

NOW = 1_790_000_000.0
"""Monday 2026-09-21 14:13:20 UTC."""


def collector(name: str = "current", state: str = "ok", **changed: object) -> CollectorStatus:
    facts: dict[str, object] = {
        "last_success": NOW - 8,
        "last_attempt": NOW - 8,
        "interval": 15.0,
        "duration": 0.42,
        "series": 1234,
    }
    return CollectorStatus(name=name, state=state, **(facts | changed))  # type: ignore[arg-type]  # a test's shorthand


def instance(alias: str = "support-eu", *collectors: CollectorStatus, notes: tuple[str, ...] = ()) -> InstanceStatus:
    return InstanceStatus(
        alias=alias,
        instance_id="0a1b2c3d-0000-4000-8000-000000000001",
        region="eu-west-2",
        account_id="123456789012",
        identity="arn:aws:sts::123456789012:assumed-role/metrics-reader/exporter",
        collectors=collectors or (collector(),),
        notes=notes,
    )


def status(*instances: InstanceStatus, warnings: tuple[str, ...] = ()) -> Status:
    return Status(
        title="Amazon Connect exporter",
        version="1.2.3",
        revision="abc1234",
        started=NOW - 7500,
        config_path="/etc/exporter/config.yml",
        config_hash="5d41402abc4b2a76",
        last_reload=None,
        instances=instances,
        warnings=warnings,
    )


def _filtered(names: frozenset[str], openmetrics: bool) -> tuple[bytes, ...]:
    return (*(f"{name} 1\n".encode() for name in sorted(names)), *((b"# EOF\n",) if openmetrics else ()))


TEXT = b"amazon_connect_exporter_targets 1\n"
OPENMETRICS = b"amazon_connect_exporter_targets 1.0\n# EOF\n"
PAGE = Page(TEXT, gzip.compress(TEXT, mtime=0), OPENMETRICS, gzip.compress(OPENMETRICS, mtime=0), _filtered)


@dataclass
class FakeSite:
    """Answers what it was told to."""

    metrics: Page = PAGE
    is_healthy: bool = True
    readiness: tuple[bool, str] = (True, "")
    lifecycle: bool = False
    faults: list[str] = field(default_factory=list)
    yaml: str = "web:\n  listen_address: ':10042'\n"
    shown: Status = field(default_factory=lambda: status(instance()))
    reloads: int = 0

    def page(self) -> Page:
        return self.metrics

    def healthy(self) -> bool:
        return self.is_healthy

    def ready(self) -> tuple[bool, str]:
        return self.readiness

    def lifecycle_enabled(self) -> bool:
        return self.lifecycle

    async def reload(self) -> list[str]:
        self.reloads += 1
        return self.faults

    def config(self) -> str:
        return self.yaml

    def status(self) -> Status:
        return self.shown


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    def header(self, name: str) -> str:
        return str(self.headers.get(name, ""))


@dataclass(frozen=True)
class Running:
    """A server in a thread of its own."""

    port: int
    stop: Callable[[], None]
    """Asks it to stop, and does not wait."""
    thread: threading.Thread
    faults: list[BaseException]

    def ask(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()


@contextmanager
def running(app: ASGIApp, guard: Guard | None = None) -> Iterator[Running]:
    """Serve `app` on a free port of loopback; leaving stops it and checks that it did."""
    sock = bind("127.0.0.1:0")
    port: int = sock.getsockname()[1]
    started = threading.Event()
    stops: list[Callable[[], None]] = []
    faults: list[BaseException] = []

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def ask_to_stop() -> None:
            loop.call_soon_threadsafe(stop.set)

        stops.append(ask_to_stop)
        await serve(app, sock, stop, started.set, guard)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task() and not task.done()]
        if left:
            raise AssertionError(f"left behind: {left}")

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as fault:  # noqa: BLE001  # whatever it was, the test has to see it
            faults.append(fault)

    thread = threading.Thread(target=run, name="server under test", daemon=True)
    thread.start()
    assert started.wait(10), faults
    try:
        yield Running(port, stops[0], thread, faults)
    finally:
        if thread.is_alive():
            stops[0]()
        thread.join(6)
    assert not thread.is_alive(), "the server did not stop"
    assert faults == []

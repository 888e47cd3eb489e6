"""What is talked to, each in a process of its own: `python -m tests.bench.servers NAME ARGUMENTS` prints its URL."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from prometheus_client import start_http_server

from exporter.board import families
from exporter.catalogue import ALL
from exporter.exposition import assemble
from exporter.simulator.quotas import UNLIMITED
from exporter.simulator.server import Simulator
from exporter.simulator.world import World
from exporter.web.app import Page, build_app
from exporter.web.server import bind, serve
from tests.bench.data import ClientLibrary, current_page, entry, results
from tests.tools import REPOSITORY, Running, running, wait_for
from tests.unit.web_site import FakeSite

LOOPBACK = "127.0.0.1"


@contextmanager
def server(directory: Path, *arguments: object, env: Mapping[str, str] | None = None) -> Iterator[tuple[Running, str]]:
    """One of the servers below while the block runs, and its URL."""
    argv = [sys.executable, "-m", "tests.bench.servers", *map(str, arguments)]
    with running(argv, directory, env=env, cwd=REPOSITORY) as program:

        def url() -> str:
            assert program.process.poll() is None, program.output
            return program.stdout.strip()

        yield program, wait_for(url, f"the URL of {arguments}", timeout=90)


def ours(series: int, count: int) -> None:
    """exporter.web with a page of so many series."""
    made = assemble(families([entry(samples) for samples in results(series, count)], ALL))
    page = Page(made.text, made.text_gzip, made.openmetrics, made.openmetrics_gzip, made.filtered)
    sock = bind(f"{LOOPBACK}:0")
    port = sock.getsockname()[1]
    asyncio.run(serve(build_app(FakeSite(metrics=page)), sock, asyncio.Event(), lambda: _say(port)))


def peer(series: int, count: int) -> None:
    """prometheus_client's own server with the same series."""
    httpd, _ = start_http_server(0, LOOPBACK, ClientLibrary(results(series, count)).registry)
    _say(httpd.server_port)
    signal.pause()


def connect(rows: int) -> None:
    """Answers every POST with one page of GetCurrentMetricData."""
    body = current_page(rows)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as httpd:
        _say(httpd.server_port)
        httpd.serve_forever()


def simulator(instances: int, queues: int, history: int) -> None:
    """Amazon Connect without its quotas, so that a big contact centre is collected in seconds."""
    world = World(seed=1, instances=instances, queues=queues, history=history)
    with Simulator(world, quotas=UNLIMITED) as started:
        print(started.url, flush=True)
        signal.pause()


def _say(port: int) -> None:
    print(f"http://{LOOPBACK}:{port}", flush=True)


SERVERS: Mapping[str, Callable[..., None]] = {"ours": ours, "peer": peer, "connect": connect, "simulator": simulator}


def main(arguments: Sequence[str]) -> None:
    name, *numbers = arguments
    SERVERS[name](*map(int, numbers))


if __name__ == "__main__":
    main(sys.argv[1:])

"""A scrape over loopback, and what a health check waits while one scrape follows another."""

from __future__ import annotations

import gzip
import http.client
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.measure import Comparison, in_turns
from tests.bench.servers import server
from tests.bench.sizes import Sizes

PEER = "prometheus_client start_http_server"
SCRAPE = "/metrics"
HEALTH = "/-/healthy"
ICON = "/favicon.ico"
"""The one path that prometheus_client answers without rendering."""
MOST = 2000
"""Health checks in a round."""


def compare(sizes: Sizes, directory: Path) -> Iterator[Comparison]:
    size = (sizes.series, sizes.results)
    with server(directory, "ours", *size) as (_, ours), server(directory, "peer", *size) as (_, theirs):
        pages = [len(gzip.decompress(_get(url, SCRAPE)).splitlines()) for url in (ours, theirs)]
        if pages[0] != pages[1]:
            raise RuntimeError(f"the pages differ: {pages[0]} lines and {pages[1]}")
        few = max(1, sizes.scrapes // sizes.per_peer_scrape)
        rounds = in_turns(
            lambda: _latencies(ours, sizes.scrapes), lambda: _latencies(theirs, few), sizes.rounds, sizes.seconds
        )
        asked = [sum(map(len, side)) for side in rounds]
        note = f"{asked[0]} scrapes of ours, {asked[1]} of the peer; of fewer than 100, p99 is the slowest"
        name = f"scrape {sizes.series:,} series, gzip"
        yield Comparison(f"{name}, p50", PEER, "ms", *rounds, note=note)
        yield Comparison(f"{name}, p99", PEER, "ms", *_pooled(rounds), quantile=0.99)
        rounds = in_turns(
            lambda: _health(ours, HEALTH, sizes.health_seconds),
            lambda: _health(theirs, ICON, sizes.health_seconds),
            sizes.rounds // 2,
            sizes.seconds,
        )
        note = f"the peer's {ICON}, the one path it answers without rendering, stands in for a health check"
        yield Comparison("health check meanwhile, p50", PEER, "ms", *rounds, note=note)
        yield Comparison("health check meanwhile, p99", PEER, "ms", *_pooled(rounds), quantile=0.99)


def _pooled(
    rounds: tuple[tuple[Sequence[float], ...], tuple[Sequence[float], ...]],
) -> tuple[tuple[Sequence[float], ...], tuple[Sequence[float], ...]]:
    """All rounds as one: a p99 wants many numbers."""
    ours, theirs = ([number for one in side for number in one] for side in rounds)
    return (ours,), (theirs,)


def _latencies(url: str, count: int) -> list[float]:
    """Milliseconds from the request to the last byte, on one connection where the server keeps it."""
    with _connection(url) as connection:
        return [_timed(connection, SCRAPE) for _ in range(count)]


def _health(url: str, path: str, seconds: float) -> list[float]:
    """Milliseconds of each check during so many seconds, while somebody scrapes without a pause."""
    stop = threading.Event()

    def scrape() -> None:
        with _connection(url) as connection:
            while not stop.is_set():
                _timed(connection, SCRAPE)

    thread = threading.Thread(target=scrape)
    thread.start()
    found: list[float] = []
    end = time.monotonic() + seconds
    try:
        with _connection(url) as connection:
            while not found or (time.monotonic() < end and len(found) < MOST):
                found.append(_timed(connection, path))
    finally:
        stop.set()
        thread.join()
    return found


@contextmanager
def _connection(url: str) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)) as connection:
        yield connection


def _timed(connection: http.client.HTTPConnection, path: str) -> float:
    begun = time.perf_counter()
    connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
    response = connection.getresponse()
    response.read()
    if response.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{path}: status {response.status}")
    return (time.perf_counter() - begun) * 1000


def _get(url: str, path: str) -> bytes:
    with _connection(url) as connection:
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        return connection.getresponse().read()

"""How much each benchmark does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """`seconds` bounds each interleaved measurement; one round is always done."""

    series: int
    results: int
    rounds: int
    seconds: float
    scrapes: int
    """Requests to our server in a round; the peer gets one for each `per_peer_scrape`."""
    per_peer_scrape: int
    health_seconds: float
    calls: int
    """GetCurrentMetricData calls in a round."""
    centres: tuple[tuple[int, int], ...]
    """(instances, queues of each) that the memory of the daemon is measured with."""
    history: int
    """Seconds that a simulated contact centre lives before it is collected."""


FULL = Sizes(
    series=100_000,
    results=20,
    rounds=5,
    seconds=7.0,
    scrapes=60,
    per_peer_scrape=30,
    health_seconds=2.0,
    calls=20,
    centres=((2, 12), (10, 120)),
    history=3600,
)
QUICK = Sizes(
    series=400,
    results=4,
    rounds=1,
    seconds=1.0,
    scrapes=4,
    per_peer_scrape=2,
    health_seconds=0.1,
    calls=2,
    centres=((1, 2),),
    history=1800,
)

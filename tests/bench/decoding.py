"""CPU time of one GetCurrentMetricData page, from the call to the dictionary, with and without our reader."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from exporter.aws.bodies import read_bodies
from tests.bench.data import CHANNELS, METRICS, SECONDS
from tests.bench.measure import Comparison, in_turns
from tests.bench.servers import server
from tests.bench.sizes import Sizes

ROWS = 100
QUESTION: dict[str, Any] = {
    "InstanceId": "00000000-0000-4000-8000-000000000001",
    "Filters": {"Queues": [f"queue-{number}" for number in range(ROWS // len(CHANNELS))], "Channels": list(CHANNELS)},
    "Groupings": ["QUEUE", "CHANNEL"],
    "CurrentMetrics": [{"Name": name, "Unit": "SECONDS" if name in SECONDS else "COUNT"} for name in METRICS],
}


def compare(sizes: Sizes, directory: Path) -> Iterator[Comparison]:
    with server(directory, "connect", ROWS) as (_, url):
        session = boto3.Session("an-access-key", "not-a-secret", region_name="us-east-1")
        ours, plain = (_client(session, url) for _ in range(2))
        read_bodies(ours)
        try:
            if _answer(ours) != _answer(plain):
                raise RuntimeError("the answers differ")
            rounds = in_turns(
                lambda: _cpu(ours, sizes.calls), lambda: _cpu(plain, sizes.calls), sizes.rounds, sizes.seconds
            )
        finally:
            ours.close()
            plain.close()
        what = f"read a page of {ROWS} rows × {len(METRICS)} metrics, CPU"
        yield Comparison(what, "boto3 alone", "ms", *rounds)


def _client(session: boto3.Session, url: str) -> Any:
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
    return session.client("connect", endpoint_url=url, config=once)


def _answer(client: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.get_current_metric_data(**QUESTION)
    del answer["ResponseMetadata"]
    return answer


def _cpu(client: Any, calls: int) -> Sequence[float]:
    """Milliseconds that this process computes for one call: signing, sending, reading, decoding."""
    begun = time.process_time()
    for _ in range(calls):
        client.get_current_metric_data(**QUESTION)
    return ((time.process_time() - begun) * 1000 / calls,)

"""The same made-up series for us and for prometheus_client, and one page of rows as Amazon Connect answers it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice

from prometheus_client import CollectorRegistry, Gauge

from exporter.board import Entry
from exporter.catalogue import by_name
from exporter.catalogue.spec import QUEUE, Kind, Spec
from exporter.exposition import render
from exporter.model import Sample

CHANNELS = ("VOICE", "CHAT", "TASK", "EMAIL")
SECONDS = ("OLDEST_CONTACT_AGE", "ESTIMATED_WAIT_TIME")
METRICS = (
    "AGENTS_ONLINE",
    "AGENTS_AVAILABLE",
    "AGENTS_STAFFED",
    "AGENTS_NON_PRODUCTIVE",
    "AGENTS_ON_CONTACT",
    "AGENTS_ON_CALL",
    "AGENTS_AFTER_CONTACT_WORK",
    "AGENTS_ERROR",
    "CONTACTS_IN_QUEUE",
    "OLDEST_CONTACT_AGE",
    "CONTACTS_SCHEDULED",
    "SLOTS_ACTIVE",
    "SLOTS_AVAILABLE",
    "ESTIMATED_WAIT_TIME",
)


def results(series: int, count: int, shift: float = 0.0) -> list[tuple[Sample, ...]]:
    """`series` samples in all, as `count` instances' results; `shift` changes every value."""
    return [tuple(islice(_samples(number, shift), series // count)) for number in range(count)]


def entry(samples: Sequence[Sample]) -> Entry:
    """As the board keeps a result; this one never grows old."""
    return Entry(render(samples, by_name), float("inf"))


class ClientLibrary:
    """The same samples as prometheus_client's gauges."""

    def __init__(self, filled_with: Sequence[Sequence[Sample]]) -> None:
        self.registry = CollectorRegistry()
        self._gauges = {
            spec.name: Gauge(spec.name, spec.help, spec.labels, registry=self.registry) for spec in _specs()
        }
        for samples in filled_with:
            self.set(samples)

    def set(self, samples: Sequence[Sample]) -> None:
        for sample in samples:
            self._gauges[sample.name].labels(*sample.labels).set(sample.value)


def current_page(rows: int) -> bytes:
    """The body of a GetCurrentMetricData answer with that many rows of 14 metrics."""
    arn = "arn:aws:connect:us-east-1:123456789012:instance/00000000-0000-4000-8000-000000000001"
    results = []
    for number in range(rows):
        queue = f"00000000-0000-4000-9000-{number // 4:012d}"
        collections = [
            {"Metric": {"Name": name, "Unit": "SECONDS" if name in SECONDS else "COUNT"}, "Value": number + 0.5}
            for name in METRICS
        ]
        dimensions = {"Queue": {"Id": queue, "Arn": f"{arn}/queue/{queue}"}, "Channel": CHANNELS[number % 4]}
        results.append({"Dimensions": dimensions, "Collections": collections})
    page = {"MetricResults": results, "DataSnapshotTime": 1790000000.5, "ApproximateTotalCount": rows}
    return json.dumps(page, separators=(",", ":")).encode()


def _specs() -> list[Spec]:
    """Gauges by queue and channel that stand alone: no window, no threshold."""
    return [spec for spec in by_name.values() if spec.labels == QUEUE and spec.kind is Kind.GAUGE]


def _samples(instance: int, shift: float) -> Iterator[Sample]:
    specs, number = _specs(), 0
    while True:
        for channel in CHANNELS:
            labels = (f"instance-{instance}", f"Queue {number}", channel)
            for spec in specs:
                yield Sample(spec.name, labels, number + shift + 0.25)
        number += 1
